"""CSV: every number with all it rests on, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.board.leaderboard import Leaderboard
from restorebench.inert import plain
from restorebench_reports.csv import render

from .boards import HOSTILE, board_of, column, fixed_board, hostile_board, row
from .test_paper_tables import clear_board

NUMBERS = {"value", "images", "of", "behind_best", "behind_low", "behind_high", "p_holm"}


def lines_of(board: Leaderboard, folder: Path) -> list[dict[str, str]]:
    """Return the lines of a board's CSV as Python's own reader reads them."""
    path = render(board, folder, "paper")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_there_is_one_line_for_each_method_task_and_metric(tmp_path: Path) -> None:
    board = fixed_board()
    lines = {(x["method"], x["task"], x["metric"]): x for x in lines_of(board, tmp_path)}
    assert len(lines) == 6 * (5 + 1) * 2 == len(lines_of(board, tmp_path))
    for (method, task, metric), line in lines.items():
        if task.startswith("average"):
            expected = board.average(method, metric)
        else:
            expected = board.cell(method, task, metric).value
        assert line["value"] == ("" if expected is None else repr(expected))
    line = lines["first", "noise", "psnr"]
    assert (line["images"], line["of"]) == ("3", "3")
    assert line["weights"] == "beef" * 16
    assert line["data_fingerprint"] == "0123456789abcdef" * 4
    assert line["protocol"] == "airnet@1/rgb/crop16/noise=keyed:0"
    assert line["mix"] == "GaussianNoise(sigma=25.0) of 0ddba11"


def test_what_the_statistics_say_stands_at_each_number(tmp_path: Path) -> None:
    lines = {(x["method"], x["task"], x["metric"]): x for x in lines_of(clear_board(), tmp_path)}
    a, b, c = (lines[name, "rain", "psnr"] for name in "abc")
    assert (a["mark"], a["behind_best"], a["p_holm"]) == ("best", "", "")
    assert (b["mark"], c["mark"]) == ("second", "second")
    assert float(b["behind_best"]) == float(b["behind_low"]) == float(b["behind_high"]) == 1
    assert float(b["p_holm"]) == pytest.approx(3 * 2 / 2**8)
    assert float(c["behind_low"]) < float(c["behind_best"]) < float(c["behind_high"])
    assert {lines[name, "rain", "ssim"]["mark"] for name in "abc"} == {""}


def test_a_missing_value_says_why(tmp_path: Path) -> None:
    lines = lines_of(fixed_board(), tmp_path)
    found = {x["task"]: x for x in lines if (x["method"], x["metric"]) == ("broken", "ssim")}
    failed, average = found["rain"], found["average (mean of all columns)"]
    assert (failed["value"], failed["images"], failed["of"]) == ("", "2", "3")
    assert failed["remarks"] == "2 of 3 images scored: 1.png cannot be read (100 % of it)"
    assert (average["value"], average["remarks"]) == ("", "a task has no value")


def test_numbers_keep_their_sign_and_full_precision(tmp_path: Path) -> None:
    scores = {("a", "one"): [(-1 / 3, math.inf)] * 4}
    lines = lines_of(board_of([column("one", count=4)], [row("a")], scores), tmp_path)
    assert [x["value"] for x in lines] == [repr(-1 / 3), "inf"]


def test_no_text_is_a_formula(tmp_path: Path) -> None:
    lines = lines_of(hostile_board(), tmp_path)
    assert len(lines) == len(HOSTILE) * 5 * 2
    texts = {v for line in lines for k, v in line.items() if k not in NUMBERS}
    assert not [t for t in texts if t.strip().startswith(("=", "+", "-", "@"))]
    assert '\'=HYPERLINK("http://example.org","x")' in texts


@given(st.text())
def test_plain_text_never_starts_like_a_formula(text: str) -> None:
    safe = plain(text)
    assert not safe.strip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert plain(safe) == safe


@pytest.mark.parametrize("text", ["identity", "5 of 500", "{'dim': 8}", ""])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text
