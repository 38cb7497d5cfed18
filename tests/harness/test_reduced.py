"""Reduced precision: a protocol of its own, and what it changes beside float32."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import restorebench
from restorebench import Card, Leaderboard, Method
from restorebench.board.folders import folder_names
from restorebench.board.merging import load_boards, merged
from restorebench.errors import UsageError
from restorebench.precision import Precision
from restorebench.reduced import UNKNOWN

from .conftest import Cli


class Blur(nn.Module):
    """A 3x3 mean, whose products autocast computes in another type."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)
        nn.init.constant_(self.mean.weight, 1 / 9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        blurred: torch.Tensor = self.mean(x)
        return blurred


class BlurMethod(Method):
    """An algorithm with nothing learnt."""

    info = Card(title="Blur", paper="none", status="external", needs_weights=False)
    network_class = Blur


def run(suite: Path, data_root: Path, out: Path, precision: Precision) -> Leaderboard:
    method = BlurMethod(precision=precision)
    return restorebench.run(suite, [method], data_root, out=out, precision=precision)


def test_what_reduced_precision_changes_is_said_once_float32_was_measured(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    alone = run(suite, data_root, tmp_path, "bfloat16")
    (row,) = alone.info.rows
    assert f"reduced precision: bfloat16; {UNKNOWN}" in row.words
    full = run(suite, data_root, tmp_path, "float32")
    assert full.info.rows[0].words == ()
    assert alone.info.protocol == f"{full.info.protocol}/bfloat16"
    assert "in bfloat16" in alone.info.protocol_title

    board = run(suite, data_root, tmp_path, "bfloat16")
    (word,) = board.info.rows[0].words
    found = re.findall(r"on (\w+): PSNR ([-+.\d]+) dB \(worst ([-+.\d]+)\).*?, (\d) images", word)
    assert [title for title, *_ in found] == ["Rain", "Noise"]
    for task, (_, mean, worst, count) in zip(("rain", "noise"), found, strict=True):
        change = (
            board.image_scores("BlurMethod", task)["psnr"]
            - full.image_scores("BlurMethod", task)["psnr"]
        )
        assert float(mean) == pytest.approx(change.mean(), abs=1e-4)
        assert float(worst) == pytest.approx(change.min(), abs=1e-4)
        assert (int(count), change.abs().max() > 0) == (3, True)
    assert "against float32" in (tmp_path / "leaderboard.md").read_text()


def test_no_board_is_written_over_that_of_another_precision(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    full = run(suite, data_root, tmp_path, "float32")
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("leaderboard.*")}
    for _ in range(2):  # the second time into the same folder
        reduced = run(suite, data_root, tmp_path, "bfloat16")
    assert kept == {path.name: path.read_bytes() for path in tmp_path.glob("leaderboard.*")}
    boards = {path.parent: Leaderboard.load(path.parent) for path in tmp_path.rglob("board.json")}
    assert {folder.name: board.info.protocol for folder, board in boards.items()} == {
        tmp_path.name: full.info.protocol,
        "airnet-bfloat16": reduced.info.protocol,
    }
    both = merged(load_boards([tmp_path]))
    assert folder_names(both) == ["", "airnet-bfloat16"]


def test_a_table_has_one_precision(suite: Path, data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Blur was built for bfloat16, the run is in float32"):
        restorebench.run(suite, BlurMethod(precision="bfloat16"), data_root, out=tmp_path)


def test_a_run_in_reduced_precision_can_be_verified(cli: Cli, suite: Path, data_root: Path) -> None:
    words = ("run", "--suite", suite, "--data-root", data_root, "-m", "identity", "--out", "run")
    for place, precision in enumerate(("bfloat16", "float32", "bfloat16")):
        done = cli(*words, "--precision", precision, "--tile", 32, "--overlap", 8)
        assert done.returncode == 0, done.stderr
        # The first board is right though float32 was measured later, without its knowledge.
        verified = cli("verify", "run") if place else done
        assert verified.returncode == 0, verified.stdout
    assert "PSNR +0.0000 dB (worst +0.0000)" in done.stdout
