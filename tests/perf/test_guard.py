"""Coarse guards: networks are not slower than the authors' way, and threads stay with them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from restorebench.api import load_method
from restorebench.method import Method

# Torch starts its threads with the first operation that they share.
WITHOUT_A_NETWORK = """
import os, sys
import torch
from restorebench.api import run

torch.set_num_threads(2)
before = len(os.listdir("/proc/self/task"))
run("derain", "identity", limit=2, data="sample", out=sys.argv[1])
print(len(os.listdir("/proc/self/task")) - before)
torch.zeros(1_000_000).add_(1)
print(len(os.listdir("/proc/self/task")) - before)
"""


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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted by /proc")
def test_a_run_without_a_network_starts_none_of_torchs_threads(tmp_path: Path) -> None:
    # They would wait busily for more work, on the cores that load and score images.
    command = [sys.executable, "-c", WITHOUT_A_NETWORK, str(tmp_path / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["0", "1"], done.stderr
