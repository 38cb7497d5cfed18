"""Perceptual metrics on machines where pyiqa is missing or broken."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from restorebench.board.leaderboard import Leaderboard
from restorebench.rows import Options
from restorebench.session import Session
from restorebench_benchmarks import iqa


@pytest.fixture(autouse=True)
def untried() -> Iterator[None]:
    """Forget what other tests found out about pyiqa, and what this one does."""
    for cached in (iqa._network, iqa._pyiqa):
        cached.cache_clear()
    yield
    for cached in (iqa._network, iqa._pyiqa):
        cached.cache_clear()


def test_without_pyiqa_its_metrics_say_what_to_install_and_the_others_are_scored(
    suite: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)  # what importing a missing module amounts to
    options = Options(data_root=data_root, protocols=("perceptual",))
    session = Session(str(suite), ["identity"], options, tmp_path / "run")
    assert all(record.error is None for record in session.measure())
    board = session.finish()[0].board
    assert board.cell("identity", "rain", "psnr").value is not None
    cell = Leaderboard.load(tmp_path / "run").cell("identity", "rain", "lpips")
    assert cell.value is None
    assert cell.reason == (
        "pyiqa is not installed; pip install 'restorebench[iqa]' (its licence is non-commercial)"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "raise RuntimeError('operator torchvision::nms does not exist')",
            "pyiqa cannot be imported (operator torchvision::nms does not exist); install torch "
            "and torchvision of one and the same build",
        ),
        (
            "import a_package_that_it_needs",
            "pyiqa lacks a_package_that_it_needs; pip install 'restorebench[iqa]'",
        ),
    ],
)
def test_a_pyiqa_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, reason: str
) -> None:
    (tmp_path / "pyiqa.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyiqa"]:
        monkeypatch.delitem(sys.modules, name)
    assert iqa.LPIPS_VGG.unavailable() == reason
