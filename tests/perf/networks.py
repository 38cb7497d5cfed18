"""Each network's optimised inference against the authors' way, on one 128x160 image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tests.perf.measuring import race

from restorebench.allocator import keep_freed_memory
from restorebench.api import list_methods, load_method
from restorebench.catalog import Catalog
from restorebench.costs.complexity import macs
from restorebench.inference import Inference

SIZE = (128, 160)
ROUNDS = 5
GEMM_SIDE = 1024


def restoring(name: str, inference: Inference) -> Callable[[], object]:
    """Restore one image; the optimised way with the allocator of a run, the authors' without."""
    if inference == "optimised":
        keep_freed_memory()
    method = load_method(name, inference=inference)
    x = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    return lambda: method.restore(x)


def multiplying() -> Callable[[], object]:
    """Multiply matrices whose product is as fast as any: the peak that networks are held to."""
    a = torch.rand(GEMM_SIDE, GEMM_SIDE)

    def products() -> None:
        for _ in range(8):
            torch.mm(a, a)

    return products


def section() -> list[dict[str, str | float]]:
    """Measure all networks; return a row for each."""
    rows: list[dict[str, str | float]] = []
    catalog = Catalog.installed()
    for name in list_methods():
        if catalog.method(name).info.needs_weights:
            rows.append(_row(name))
    return rows


def _row(name: str) -> dict[str, str | float]:
    here = __name__
    seconds = race(
        {
            "reference": (f"{here}:restoring", name, "reference"),
            "optimised": (f"{here}:restoring", name, "optimised"),
            "gemm": (f"{here}:multiplying",),
        },
        ROUNDS,
    )
    peak = 8 * GEMM_SIDE**3 / seconds["gemm"]  # MACs a second
    # Counted at a size that all networks take, scaled by pixels.
    work = macs(load_method(name), 128) * SIZE[0] * SIZE[1] / 128**2
    return {
        "network": name,
        "reference_s": round(seconds["reference"], 4),
        "optimised_s": round(seconds["optimised"], 4),
        "ratio": round(seconds["reference"] / seconds["optimised"], 2),
        "gemm_peak_gmacs_per_s": round(peak / 1e9, 1),
        "share_of_peak": round(work / peak / seconds["optimised"], 3),
    }
