"""Peak memory, measured in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from restorebench.catalog import Catalog
from restorebench.costs.memory import peak_memory
from restorebench.errors import RestoreError
from restorebench.method import Method
from restorebench.rows import Options, row_of

PLUGIN = """
import os
import signal

import torch
from restorebench import Card, Method

MEBI = 2**20


class Hungry(torch.nn.Module):
    '''Holds 300 MiB for a moment, and 20 MiB of weights always.'''

    def __init__(self, end: str = "") -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(5 * MEBI))
        self.end = end

    def forward(self, x):
        if x.shape[-1] > 16:
            parts = [torch.ones(25 * MEBI) for _ in range(3)]
            del parts
            if self.end == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.end == "failed":
                raise ZeroDivisionError("on purpose")
        return x


class HungryMethod(Method):
    network_class = Hungry
    info = Card(title="Hungry", paper="none", status="external", needs_weights=False)


class Killed(HungryMethod):
    network_class = staticmethod(lambda: Hungry("killed"))


class Failed(HungryMethod):
    network_class = staticmethod(lambda: Hungry("failed"))


METHODS = {"hungry": HungryMethod, "killed": Killed, "failed": Failed}
"""
MEBI = 2**20

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from Linux's /proc")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "hungry.py").write_text(PLUGIN)
    return Catalog.installed([tmp_path / "hungry.py"])


@linux
def test_what_is_held_for_a_moment_counts_and_weights_stand_apart(catalog: Catalog) -> None:
    found = peak_memory(row_of(catalog, "hungry", Options()).build, 32)
    assert found.weights == 20 * MEBI
    assert 318 * MEBI < found.peak < 340 * MEBI
    assert found.reserved is None


@linux
@pytest.mark.parametrize(
    ("name", "reason"), [("killed", "too little memory"), ("failed", "ZeroDivisionError")]
)
def test_a_process_that_fails_is_no_number(catalog: Catalog, name: str, reason: str) -> None:
    with pytest.raises(RestoreError, match=reason):
        peak_memory(row_of(catalog, name, Options()).build, 32)


def test_a_method_that_no_process_can_build_is_an_error() -> None:
    class Local(Method):
        pass

    with pytest.raises(RestoreError, match="no other process can build this method"):
        peak_memory(lambda: Local(), 32)
