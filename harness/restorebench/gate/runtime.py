"""What a network costs when it runs: time for an image, and peak memory."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restorebench.complexity import image
from restorebench.errors import UsageError
from restorebench.method import Method
from restorebench.provenance import device_name
from restorebench.statistics import Values

ROUNDS = 9
REPEATS = 5


def latency(methods: Mapping[str, Method]) -> dict[str, Values]:
    """Time `Method.restore` on one image, in rounds that go through all methods in turn.

    Interleaved, so that a machine that is busy or hot for a while slows all of them alike.

    Returns:
        For each method one time per round, in milliseconds: the median of the round's repeats.
    """
    x = image()
    for method in methods.values():  # the first call allocates, and chooses kernels
        method.restore(x)
    rounds = [
        {name: _median_time(method, x) for name, method in methods.items()} for _ in range(ROUNDS)
    ]
    return {name: np.array([times[name] for times in rounds]) for name in methods}


def peak_memory(method: Method) -> int:
    """Return the most bytes that `Method.restore` holds on its accelerator, weights included.

    Raises:
        UsageError: on a CPU, where the memory of one call cannot be told from the process's own.
    """
    if method.device.type != "cuda":
        raise UsageError(
            f"peak memory is measured on CUDA devices only, not on {method.device}; "
            "leave out --memory"
        )
    torch.cuda.synchronize(method.device)
    torch.cuda.reset_peak_memory_stats(method.device)
    method.restore(image())
    return int(torch.cuda.max_memory_allocated(method.device))


def machine(device: str) -> str:
    """Return what times may be compared within: the processor, and how many threads it uses."""
    name = device_name(device)
    if name != device:  # an accelerator by its own name
        return name
    return f"{device}: {_processor()}, {torch.get_num_threads()} threads"


def _median_time(method: Method, x: Tensor) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        method.restore(x)  # its result is on the CPU, so an accelerator has finished
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
