"""A coarse guard: the optimised inference path is not slower than the authors' way."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

from restorebench.api import load_method
from restorebench.method import Method


def seconds(method: Method, x: torch.Tensor) -> float:
    start = time.perf_counter()
    method.restore(x)
    return time.perf_counter() - start


def test_the_optimised_path_is_not_slower_than_the_reference() -> None:
    small: dict[str, Any] = {"dim": 24, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
    ours = load_method("restormer", **small)
    theirs = load_method("restormer", inference="reference", **small)
    x = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ours.restore(x), theirs.restore(x), rtol=0, atol=5e-5)
    turns = [(seconds(ours, x), seconds(theirs, x)) for _ in range(7)]
    # Far from the limit: it takes about half of the time.
    assert median(optimised / reference for optimised, reference in turns) < 1
