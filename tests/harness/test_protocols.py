"""Several protocols in one run: restored once, kept apart; metrics that cannot be computed."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from torch import Tensor, nn

from restorebench.board.leaderboard import Leaderboard
from restorebench.errors import SetupError, UsageError
from restorebench.method import Card, Method
from restorebench.rows import Options
from restorebench.session import Session

from .conftest import Cli

PLUGIN = """\
from pathlib import Path

import numpy as np
from restorebench import Metric

def needed():
    weights = Path(__file__).with_name("weights")
    return None if weights.exists() else "its weights are not here; fetch them"

METRICS = {
    "contrast": Metric(title="Contrast", unit="", digits=3, higher_is_better=True,
                       needs_target=False, score=lambda image: float(np.std(image))),
    "learned": Metric(title="Learned", unit="", digits=3, higher_is_better=False,
                      score=lambda restored, clean: 0.25, unavailable=needed),
}
"""
PROTOCOL = """\
name: {name}
version: 1
title: A protocol of this test
source: this test
colour: rgb
value_range: float [0, 1], clamped
rounding: none
centre_crop: 16
metrics:
{metrics}
noise: keyed
"""


class Counting(Method):
    """Returns its input and counts how often it was asked."""

    network_class = nn.Identity
    info = Card(title="Counting", paper="none", status="external", needs_weights=False)
    calls = 0

    def restore(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x.clone()


def boards_of(suite: Path, data_root: Path, out: Path, *protocols: str) -> list[Leaderboard]:
    options = Options(data_root=data_root, protocols=protocols)
    session = Session(str(suite), ["identity"], options, out)
    for _ in session.measure():
        pass
    return [written.board for written in session.finish()]


def test_an_image_is_restored_once_for_all_protocols_that_give_it_alike(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    method = Counting()
    options = Options(data_root=data_root, protocols=("airnet", "moce_ir", "ndr"))
    session = Session(str(suite), [method], options, tmp_path / "run")
    assert session.total == 18
    assert len(list(session.measure())) == 18
    assert method.calls == 12  # airnet and moce_ir share crop and noise; ndr has others
    assert len(list(session.measure())) == 18
    assert method.calls == 12


def test_each_protocols_board_is_that_of_a_run_of_its_own(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    names = ("airnet", "restormer_derain", "ndr")
    together = boards_of(suite, data_root, tmp_path / "all", *names)
    for name, board in zip(names, together, strict=True):
        (alone,) = boards_of(suite, data_root, tmp_path / name, name)
        drop = ["seconds", "session"]
        pd.testing.assert_frame_equal(
            board.records.drop(columns=drop), alone.records.drop(columns=drop)
        )
        assert board.records["protocol"].unique().tolist() == [board.info.protocol]
        assert board.info.protocol.startswith(f"{name}@")
    assert Leaderboard.load(tmp_path / "all/ndr").info == together[2].info
    assert not (tmp_path / "all/airnet").exists()


def test_a_protocol_is_named_once(suite: Path, data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name each protocol once, not airnet, airnet"):
        boards_of(suite, data_root, tmp_path / "run", "airnet", "airnet")


def test_a_metric_that_cannot_be_computed_is_said_and_never_a_number(
    suite: Path, data_root: Path, tmp_path: Path, cli: Cli
) -> None:
    plugin, protocol = tmp_path / "plugin.py", tmp_path / "odd.yaml"
    metrics = "  psnr: psnr\n  contrast: contrast\n  learned: learned"
    protocol.write_text(PROTOCOL.format(name="odd", metrics=metrics))
    plugin.write_text(PLUGIN)
    arguments = [
        "run",
        "--suite",
        suite,
        "--data-root",
        data_root,
        "-m",
        "identity",
        "--out",
        "run",
    ]
    arguments += ["--protocol", protocol, "--plugin", plugin]
    result = cli(*arguments)
    assert result.returncode == 3
    assert "Learned unavailable: its weights are not here; fetch them" in result.stderr
    assert "Learned unavailable" in result.stdout
    board = Leaderboard.load(tmp_path / "run")
    assert board.cell("identity", "rain", "learned").value is None
    assert board.cell("identity", "rain", "contrast").value is not None
    # Once it can be computed, the images are scored again, with all metrics.
    (tmp_path / "weights").touch()
    assert cli(*arguments).returncode == 0
    board = Leaderboard.load(tmp_path / "run")
    assert board.cell("identity", "rain", "learned").value == 0.25
    sessions = json.loads((tmp_path / "run/manifest.json").read_text())["sessions"]
    assert len(sessions) == 2


def test_a_protocol_without_a_single_metric_is_refused(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    from restorebench.catalog import Catalog

    plugin, protocol = tmp_path / "plugin.py", tmp_path / "odd.yaml"
    plugin.write_text(PLUGIN)
    protocol.write_text(PROTOCOL.format(name="odd", metrics="  learned: learned"))
    options = Options(data_root=data_root, protocols=(str(protocol),))
    with pytest.raises(SetupError, match="no metric can be computed here: its weights"):
        Session(str(suite), ["identity"], options, tmp_path / "run", Catalog.installed([plugin]))
