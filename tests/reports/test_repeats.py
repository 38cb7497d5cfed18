"""Noise drawn several times: what is measured, what a score is then, what is the draw's part."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.merging import kept_apart
from restorebench.board.table import table_of
from restorebench.catalog import Catalog
from restorebench.errors import UsageError
from restorebench.spec import digest
from restorebench.verify import Asked, verify

from .boards import board_of, column, row

GAPS = {0: 1.0, 1: 2.0, 2: 3.0}
"""By how much b is ahead of a in each draw."""


def drawn_board() -> Leaderboard:
    """Two methods, three draws of noise on four images, and a task without noise."""
    columns = [
        column("noise", count=4, repeats=3, words=("3 noise draws: mean",)),
        column("rain", count=4, dataset="other"),
    ]
    board = board_of(columns, [row("a"), row("b")], {})
    records = [
        {
            "method": method,
            "task": task,
            "image": f"{image}.png",
            "psnr": 30.0 + image + (GAPS[draw] if method == "b" else 0),
            "ssim": 0.5,
            "error": None,
            "flags": "worse than input" if image == 2 and draw else "",
            "draw": draw,
        }
        for method in ("a", "b")
        for task in ("noise", "rain")
        for image in range(4)
        for draw in (range(3) if task == "noise" else range(1))
    ]
    frame = pd.DataFrame(records).astype({"error": "string"})
    return replace(board, records=frame)


def test_a_score_is_the_mean_over_the_draws_and_images_are_counted() -> None:
    board = drawn_board()
    cell = board.cell("b", "noise", "psnr")
    assert cell.value == pytest.approx(31.5 + 2)
    assert (cell.scored, cell.expected) == (4, 4)
    assert board.oddities("a", "noise") == ["worse than its input on 1 of 4 images"]
    assert board.image_scores("b", "noise")["psnr"].tolist() == pytest.approx([32, 33, 34, 35])
    assert len(board.images) == 2 * 2 * 4


def test_the_part_of_the_draw_by_hand() -> None:
    board = drawn_board()
    means = board.draws["noise", "psnr"]
    assert list(means.loc["a"]) == [31.5, 31.5, 31.5]
    assert list(means.loc["b"]) == [32.5, 33.5, 34.5]
    assert ("rain", "psnr") not in board.draws
    frame = board.compare("a", "b").frame
    psnr = frame[frame["metric"] == "psnr"]
    assert psnr["difference"].tolist() == pytest.approx([-2, -1, -1.5])
    # The gaps 1, 2 and 3 have a standard deviation of 1; half of the average is that task.
    assert psnr["draw_spread"].tolist() == pytest.approx([1, math.nan, 0.5], nan_ok=True)
    facts = [text for _, text in table_of(board).provenance]
    said = "over 3 noise draws the mean PSNR of a method varies by up to 1.000 dB"
    assert f"{said} (standard deviation)" in facts


@pytest.mark.parametrize("fault", ["failed", "missing"])
def test_an_image_that_lacks_a_draw_has_no_score(fault: str) -> None:
    board = drawn_board()
    frame = board.records.copy()
    one = (frame["method"] == "b") & (frame["image"] == "1.png") & (frame["draw"] == 2)
    if fault == "failed":
        frame.loc[one, "psnr"] = math.nan
        frame.loc[one, "error"] = "torn"
    else:
        frame = frame[~one]
    board = replace(board, records=frame)
    why = {"failed": "torn", "missing": "not all draws of its noise are measured yet"}
    cell = board.cell("b", "noise", "psnr")
    assert (cell.value, cell.scored, cell.expected) == (None, 3, 4)
    assert cell.reason == f"3 of 4 images scored: {why[fault]}"
    assert board.draws["noise", "psnr"].index.tolist() == ["a"]
    assert board.compare("a", "b").frame["reason"][0] == f"b: {cell.reason}"


def test_more_draws_leave_what_was_measured_as_it_is(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    single = restorebench.run(suite, "identity", data_root, out=out)
    lines = next((out / "journal").glob("*.jsonl")).read_text().splitlines()
    identities = [json.loads(line)["identity"] for line in lines]
    assert not any("draw" in identity for identity in identities)
    assert [json.loads(line)["key"] for line in lines] == list(map(digest, identities))
    assert "draw" not in single.records

    board = restorebench.run(suite, "identity", data_root, out=out, repeats=3)
    assert board.records.groupby("task", sort=False).size().to_dict() == {"rain": 3, "noise": 9}
    first = board.records[board.records["draw"] == 0].drop(columns="draw")
    pd.testing.assert_frame_equal(first.reset_index(drop=True), single.records)
    again = board.records[board.records["draw"] > 0]
    assert len(set(again["psnr"])) == 6
    assert set(again["session"]).isdisjoint(single.records["session"])
    expected = board.records[board.records["task"] == "noise"]["psnr"].mean()
    assert board.frame.loc["identity", ("noise", "psnr")] == pytest.approx(expected)
    assert len(list((out / "pictures").iterdir())) == 6

    table = table_of(board)
    assert [group.tags for group in table.groups[:2]] == [
        ("3 images",),
        ("3 images", "3 noise draws"),
    ]
    assert "3 noise draws: an image's score is the mean over them" in table.notes
    assert kept_apart(single.info, board.info) == "Noise: noise draws 3, not 1"
    loaded = Leaderboard.load(out)
    assert table_of(loaded) == table
    checks = list(verify(Asked(folder=out, sample=12), Catalog.installed()))
    assert [check.what for check in checks if not check.agrees] == []


def test_draws_differ_as_the_noise_does(suite: Path, data_root: Path, tmp_path: Path) -> None:
    """The PSNR of an image with noise of sigma varies by about 6.1 / sqrt(values) dB."""
    board = restorebench.run(suite, "identity", data_root, out=tmp_path / "run", repeats=8)
    noise = board.records[board.records["task"] == "noise"]
    spread = noise.groupby("image")["psnr"].std(ddof=1).mean()
    expected = 10 / math.log(10) * math.sqrt(2 / (48 * 64 * 3))
    assert 0.5 * expected < spread < 2 * expected
    assert np.isnan(board.pairwise["draw_spread"]).all()


def test_there_must_be_noise_to_draw(suite: Path, data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="repeats must be at least 1, got 0"):
        restorebench.run(suite, "identity", data_root, out=tmp_path / "run", repeats=0)
    text = suite.read_text()
    suite.write_text(text[: text.index("  - name: noise")])
    with pytest.raises(UsageError, match="no task of small draws noise"):
        restorebench.run(suite, "identity", data_root, out=tmp_path / "run", repeats=2)
