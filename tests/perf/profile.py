"""Where a network's time goes, by kinds of operation, in the authors' way and in the optimised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from tests.perf.measuring import THREADS, machine
from tests.perf.networks import SIZE, restoring

from restorebench.api import load_method
from restorebench.inference import Inference
from restorebench_reports.figures.style import COLOURS, PAGE, blank, styled

NETWORK = "promptir"
ROUNDS = 3
WAYS: tuple[Inference, ...] = ("reference", "optimised")
PICTURE = Path("perf.png")
CONVOLUTION = "aten::mkldnn_convolution"
NORM, ATTENTION = "layer norm", "attention"
KINDS: Mapping[str, str] = {
    "native_layer_norm": NORM,
    "var": NORM,
    "var_mean": NORM,
    "mean": NORM,
    "sub": NORM,
    "sqrt": NORM,
    "rsqrt": NORM,
    "gelu": "GELU",
    "bmm": ATTENTION,
    "mm": ATTENTION,
    "softmax": ATTENTION,
    "_softmax": ATTENTION,
    "norm": ATTENTION,
    "linalg_vector_norm": ATTENTION,
    "clamp_min": ATTENTION,
}
"""By the operation's name; sums, products, quotients and copies have many uses, and are others."""
OTHERS = "sums, products, quotients, copies"


def section() -> list[dict[str, str | float]]:
    """Profile both ways in turns, draw the picture, and return a row for each kind."""
    rounds: dict[Inference, list[Mapping[str, float]]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            with ProcessPoolExecutor(1, get_context("spawn")) as apart:
                rounds[way].append(apart.submit(spent, NETWORK, way).result())
    kinds = dict.fromkeys(kind for way in WAYS for taken in rounds[way] for kind in taken)
    times = {
        kind: {way: median(taken.get(kind, 0.0) for taken in rounds[way]) for way in WAYS}
        for kind in kinds
    }
    times = dict(sorted(times.items(), key=lambda item: -item[1]["reference"]))
    draw(times)
    return [
        {"operation": kind, **{f"{way}_ms": round(of[way], 1) for way in WAYS}}
        for kind, of in times.items()
    ]


def spent(name: str, inference: Inference) -> dict[str, float]:
    """Return the milliseconds that each kind of operation takes in restoring one image."""
    torch.set_num_threads(THREADS)
    work = restoring(name, inference)
    work()
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True
    ) as profiler:
        work()
    taken = defaultdict[str, float](float)
    for event in profiler.key_averages(group_by_input_shape=True):
        taken[_kind(event.key, event.input_shapes)] += event.self_cpu_time_total / 1000
    return dict(taken)


def _kind(operation: str, shapes: list[list[int]]) -> str:
    if operation == CONVOLUTION:
        kernel = shapes[1]
        side = f"{kernel[2]}x{kernel[3]}"
        return f"{side} convolutions{', depth-wise' if kernel[1] == 1 else ''}"
    return KINDS.get(operation.removeprefix("aten::").rstrip("_"), OTHERS)


def draw(times: Mapping[str, Mapping[Inference, float]]) -> None:
    """Draw one stacked bar for each way, with what it was measured on, into `PICTURE`."""
    facts = machine()
    with styled():
        figure = blank(PAGE, 1.9)
        axes = figure.add_subplot()
        left = dict.fromkeys(WAYS, 0.0)
        for place, (kind, of) in enumerate(times.items()):
            for way in WAYS:
                label = kind if way == WAYS[0] else None
                colour = COLOURS[place % len(COLOURS)]
                axes.barh(way, of[way], left=left[way], color=colour, label=label, height=0.7)
                left[way] += of[way]
        for way, end in left.items():
            axes.annotate(
                f"{end:.0f} ms", (end, way), (3, 0), textcoords="offset points", va="center"
            )
        axes.invert_yaxis()
        axes.margins(x=0.1)
        axes.set_xlabel(
            f"{load_method(NETWORK).info.title}, one {SIZE[0]}x{SIZE[1]} image, ms; "
            f"{facts['cpu']}, {facts['threads']} threads, torch {facts['torch']}"
        )
        figure.legend(loc="outside upper center", ncols=4)
        figure.savefig(PICTURE, dpi=150)
