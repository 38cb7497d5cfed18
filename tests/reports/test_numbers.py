"""Macros of numbers: named alike in any paper, marked where a reader must know more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import table_of
from restorebench_reports.numbers import keys, numbers_of, render

from .boards import board_of, column, fixed_board, hostile_board, row, spread
from .pdflatex import compiled

GOLDEN = Path(__file__).parent / "golden"
PAPER = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\input{numbers}
\begin{document}
\section{A heading with \rb{first}{rain}{psnr}}
%s
\end{document}
"""


def marked_board() -> Leaderboard:
    """A whole set and a sample; a method without remarks and an untrained one."""
    columns = [
        column("rain"),
        column("noise", extent="sample", tag="sample, 3", words=("sample: no benchmark",)),
    ]
    rows = [row("first"), row("second", words=("untrained: random weights",))]
    scores = {(r.name, c.name): spread(30, 0.9) for r in rows for c in columns}
    return board_of(columns, rows, scores)


def texts(board: Leaderboard) -> dict[tuple[str, str, str], str]:
    return {
        (n.method, n.task, n.metric): f"{n.text} ({n.words})" if n.words else n.text
        for n in numbers_of(board, table_of(board))
    }


def test_the_file_is_known_byte_for_byte(tmp_path: Path) -> None:
    written = render(fixed_board(), tmp_path, "plain").read_text(encoding="utf-8")
    assert written == (GOLDEN / "numbers.tex").read_text(encoding="utf-8")


def test_a_number_carries_what_it_must_not_travel_without() -> None:
    found = texts(marked_board())
    assert found["first", "rain", "psnr"] == "30.00"
    assert found["first", "noise", "psnr"] == "30.00 (sample, 3 images)"
    assert found["second", "rain", "ssim"] == "0.9000 (untrained)"
    assert found["second", "noise", "ssim"] == "0.9000 (untrained; sample, 3 images)"
    assert found["second", "noise", "images"] == "3"
    assert not any(task == "average" for _, task, _ in found)  # unlike columns have none


def test_an_average_of_samples_says_so() -> None:
    columns = [column(name, extent="sample", tag="sample, 3") for name in ("one", "two")]
    board = board_of(columns, [row("a")], {("a", c.name): spread(9, 1) for c in columns})
    assert texts(board)["a", "average", "psnr"] == "9.00 (sample)"


def test_what_failed_or_is_missing_has_no_number() -> None:
    found = texts(fixed_board())
    assert not any(method == "absent" for method, _, _ in found)
    assert ("broken", "haze", "psnr") in found
    assert ("broken", "rain", "psnr") not in found
    assert ("broken", "rain", "images") not in found
    assert ("broken", "average", "psnr") not in found


@given(st.lists(st.text(), max_size=8))
def test_keys_are_legal_and_unique(names: list[str]) -> None:
    found = keys(names)
    assert len(set(found)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_@.+-]*", key) for key in found)


@pytest.mark.slow
def test_every_number_of_a_hostile_board_compiles(tmp_path: Path) -> None:
    numbers = list(numbers_of(hostile_board(), table_of(hostile_board())))
    assert len(numbers) > 100
    used = "\n".join(rf"\rb{{{n.method}}}{{{n.task}}}{{{n.metric}}}" for n in numbers)
    text = PAPER.replace(r"\rb{first}{rain}{psnr}", "") % rf"{used}\rbprovenance"
    render(hostile_board(), tmp_path, "plain")
    (tmp_path / "paper.tex").write_text(text)
    compiled(tmp_path / "paper.tex")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "error"),
    [
        (r"\rb[fixed]{first}{rain}{psnr} of \rb{first}{rain}{images} images", ""),
        (r"\rb{broken}{rain}{psnr}", "There is no number fixed/broken/rain/psnr"),
        (r"\input{numbers}", "The number fixed/first/haze/psnr is there already"),
    ],
)
def test_a_number_that_is_not_there_stops_the_paper(tmp_path: Path, text: str, error: str) -> None:
    render(fixed_board(), tmp_path, "plain")
    (tmp_path / "paper.tex").write_text(PAPER % text)
    compiled(tmp_path / "paper.tex", error=error)
