"""Methods compared in pairs on a board: known differences, turned round, missing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import restorebench
from restorebench.board.info import ColumnInfo, MetricInfo, RowInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.paired_table import comparison_tables
from restorebench.errors import UnknownNameError, UsageError

from .boards import Scores, board_of, column, row

IMAGES = 12
LOWER = MetricInfo(name="ssim", title="Error", unit="", digits=4, higher_is_better=False)
HIGHER = MetricInfo(name="psnr", title="PSNR", unit="dB", digits=2, higher_is_better=True)


def known(
    columns: list[ColumnInfo] | None = None, rows: list[RowInfo] | None = None
) -> Leaderboard:
    """Two tasks on the same images; b is 1 dB ahead of a, c is a with two images changed."""
    base = np.random.default_rng(0).normal(30, 3, IMAGES)
    jitter = np.tile([-0.2, 0.2], IMAGES // 2)
    changed = base.copy()
    changed[2] -= 4
    changed[5] += 2
    scores: Scores = {
        (name, task): [(float(x), float(x / 100)) for x in values]
        for task in ("one", "two")
        for name, values in {"a": base, "b": base + 1 + jitter, "c": changed}.items()
    }
    same = [column(name, count=IMAGES, dataset="set") for name in ("one", "two")]
    return board_of(
        columns or same,
        rows or [row("a"), row("b"), row("c")],
        scores,
        metrics=(HIGHER, LOWER),
    )


def pair(board: Leaderboard, task: str, a: str, b: str) -> dict[str, Any]:
    """Return the PSNR row of a pair."""
    frame = board.pairwise
    chosen = (frame["metric"] == "psnr") & (frame["task"] == task)
    [found] = frame[chosen & (frame["a"] == a) & (frame["b"] == b)].to_dict("records")
    return {str(name): value for name, value in found.items()}


def test_each_pair_has_its_known_difference_on_every_task_and_on_average() -> None:
    board = known()
    assert len(board.pairwise) == 2 * (2 + 1) * 3
    for task in ("one", "two", "average"):
        found = pair(board, task, "a", "b")
        assert found["difference"] == pytest.approx(-1)
        assert found["low"] < -1 < found["high"] < 0
        assert found["better"] == "b"
        assert found["win_rate"] == 0
        # All twelve lose: one of 2^12 sign patterns, and its mirror image. Six of the metric's
        # nine tests are as clear; Holm multiplies the clearest by nine.
        assert found["p"] == pytest.approx(2 / 2**12)
        assert found["p_holm"] == pytest.approx(9 * 2 / 2**12)
        assert found["sources"] == IMAGES
        tied = pair(board, task, "a", "c")
        assert tied["difference"] == pytest.approx(2 / 12)
        assert tied["better"] == ""
        assert tied["win_rate"] == pytest.approx((1 + 10 / 2) / 12)
    assert pair(board, "average", "a", "b")["images"] == 2 * IMAGES


def test_lower_may_be_better() -> None:
    frame = known().pairwise
    first = frame[(frame["metric"] == "ssim") & (frame["task"] == "one")].iloc[0]
    assert (first["a"], first["b"], first["better"]) == ("a", "b", "a")
    assert first["win_rate"] == 1


def test_turning_a_comparison_round_turns_every_number() -> None:
    board = known()
    there, back = board.compare("a", "b").frame, board.compare("b", "a").frame
    assert there["a"].eq("a").all()
    assert back["a"].eq("b").all()
    assert there["difference"].tolist() == (-back["difference"]).tolist()
    assert there["low"].tolist() == (-back["high"]).tolist()
    assert there["win_rate"].tolist() == (1 - back["win_rate"]).tolist()
    for name in ("p", "p_holm", "detectable", "better", "images"):
        assert there[name].tolist() == back[name].tolist()
    assert board.compare("a", "b").tests == {"psnr": 9, "ssim": 9}


def test_marks_say_what_the_pairs_say() -> None:
    board = known()
    assert board.marks("psnr", "one") == ({"b"}, {"a", "c"})
    assert board.marks("psnr") == ({"b"}, {"a", "c"})


def test_tasks_of_other_images_have_no_common_ranks() -> None:
    board = known([column("one", count=IMAGES, dataset="x"), column("two", count=IMAGES)])
    found = pair(board, "average", "a", "b")
    assert math.isnan(found["p"])
    assert math.isnan(found["p_holm"])
    assert found["high"] < 0
    assert found["sources"] == 2 * IMAGES
    assert board.compare("a", "b").tests == {"psnr": 6, "ssim": 6}


def test_images_of_one_photograph_are_one_observation() -> None:
    scenes = {f"{index}.png": f"scene {index // 4}" for index in range(IMAGES)}
    plain = [column(name, count=IMAGES, dataset="set") for name in ("one", "two")]
    shared = [each.model_copy(update={"sources": scenes}) for each in plain]
    apart, together = known(plain).compare("a", "b"), known(shared).compare("a", "b")
    assert together.frame["sources"].tolist() == [3] * 6
    assert together.frame["images"].tolist() == apart.frame["images"].tolist()
    assert together.frame["difference"].tolist() == pytest.approx(apart.frame["difference"])
    assert together.frame["p"].isna().all()


def test_the_images_that_differ_most_and_those_that_are_worst() -> None:
    board = known()
    apart = board.compare("a", "c").disagreements(2)
    assert apart["task"].tolist() == ["one", "one", "two", "two"]
    assert apart["image"].tolist() == ["2.png", "5.png"] * 2
    assert apart["difference"].tolist() == pytest.approx([4, -2] * 2)
    base = np.random.default_rng(0).normal(30, 3, IMAGES)
    worst = board.compare("a", "b").worst(3)
    order = [f"{index}.png" for index in np.argsort(base + 1)][:3]
    assert set(worst["image"][:3]) == set(order)
    assert (
        board.worst("a", 3)["image"].tolist()
        == [f"{index}.png" for index in np.argsort(base)[:3]] * 2
    )
    lowest_error = board.worst("a", 1, "ssim")["image"].tolist()
    assert lowest_error == [f"{np.argmax(base)}.png"] * 2


def test_what_is_detectable_is_the_median_over_all_pairs() -> None:
    board = known()
    pairs = board.pairwise[(board.pairwise["metric"] == "psnr") & (board.pairwise["task"] == "one")]
    assert board.detectable.loc["one", "psnr"] == np.median(pairs["detectable"])
    assert board.detectable.index.tolist() == ["one", "two", "average"]


def test_a_pair_without_comparison_says_why() -> None:
    scores: Scores = {
        ("a", "one"): [(30.0, 0.5)] * 3,
        ("b", "one"): [(30.0, 0.5), "torn", (31.0, 0.5)],
        ("a", "two"): [(30.0, 0.5)] * 3,
        ("b", "two"): [(30.0, 0.5)] * 3,
    }
    board = board_of([column("one"), column("two")], [row("a"), row("b")], scores)
    frame = board.compare("a", "b").frame
    assert frame["task"].tolist() == ["one", "two", "average"] * 2
    assert frame["metric"].tolist() == ["psnr"] * 3 + ["ssim"] * 3
    torn = "b: 2 of 3 images scored: torn"
    assert frame["reason"].tolist() == [torn, "", torn] * 2
    assert frame["difference"].isna().tolist() == [True, False, True] * 2
    assert frame["difference"][1] == 0


def test_the_average_of_a_comparison_says_what_its_columns_are() -> None:
    columns = [
        column(name, count=IMAGES, dataset="set", extent=extent)
        for name, extent in (("one", "sample, limited"), ("two", "sample, limited"))
    ]
    [table, _] = comparison_tables(known(columns).compare("a", "b"), {})
    assert table.rows[-1].tag == "sample, limited, mean of all columns"
    [whole, _] = comparison_tables(known().compare("a", "b"), {})
    assert whole.rows[-1].tag == "mean of all columns"
    unlike = [columns[0], column("two", count=IMAGES, dataset="set")]
    [apart, _] = comparison_tables(known(unlike).compare("a", "b"), {})
    assert apart.rows[-1].tag == "mean of all columns"
    assert "columns of different extent are not averaged" in " ".join(apart.notes)


def test_unknown_rows_and_a_row_with_itself_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"no row is called 'd'\. Known: a, b, c"):
        known().compare("a", "d")
    with pytest.raises(UsageError, match="cannot be compared with itself"):
        known().compare("a", "a")


def test_images_know_their_photographs(suite: Path, data_root: Path, tmp_path: Path) -> None:
    """Two rainy versions of one target are one source; noise on that target shares it."""
    for part in ("input", "target"):
        (data_root / "rain" / part / "2.png").write_bytes(
            (data_root / "rain" / part / "1.png").read_bytes()
        )
    board = restorebench.run(suite, "identity", data_root, out=tmp_path / "run")
    rain, noise = (c.sources for c in board.info.columns)
    assert rain["1"] == rain["2"] != rain["0"]
    assert (noise["0"], noise["1"]) == (rain["0"], rain["1"])
    assert len(set(noise.values())) == 3


def test_scores_are_paired_by_image_beside_a_method_that_lacks_one() -> None:
    whole = known()
    lacking = (whole.records["method"] == "a") & (whole.records["image"] == "3.png")
    board = replace(whole, records=whole.records[~lacking])
    assert board.cell("a", "one", "psnr").value is None
    pd.testing.assert_frame_equal(board.compare("b", "c").images, whole.compare("b", "c").images)
    turned = whole.records[::-1].reset_index(drop=True)
    backwards = replace(
        whole,
        records=pd.concat(
            [whole.records[whole.records["method"] == "a"], turned[turned["method"] != "a"]]
        ),
    )
    for a, b in (("a", "b"), ("b", "c")):
        assert backwards.compare(a, b).images.equals(whole.compare(a, b).images)
