"""What holds for every renderer: no word is lost, no average is invented, no text is code."""

from __future__ import annotations

import html
import re

import pytest

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import printable, table_of

from .boards import HOSTILE, Scores, board_of, column, fixed_board, hostile_board, row, spread
from .conftest import ON_SCREEN, RENDERERS, Rendered

TABLES = [name for name in RENDERERS if name not in ("csv", "latex_numbers")]
WORDS = [
    "sample: 5 photographs",
    "partial: 2 of 3 images",
    "limited to 2 of 3 images",
    "limited to 2 of 5 images",
    "untrained: random weights",
    "reconstruction: built from the paper",
    "no weights: none are published",
    "reduced precision: bfloat16",
    "0 of 2 images scored",
    "ZeroDivisionError: on purpose",
]


def text_of(output: str) -> str:
    """Return a renderer's output in one line, with what HTML escapes as it was."""
    return re.sub(r"\s+", " ", html.unescape(output))


def unlike_board(extent: str) -> Leaderboard:
    """Two columns whose mean is 23.4567 dB; the second is of another extent, if one is given."""
    words = (f"{extent}: 3 of 500 images",) if extent else ()
    columns = [column("one"), column("two", extent=extent, words=words)]
    means = {"one": (17.8, 0.6), "two": (29.1134, 0.7)}
    scores = {("a", task): spread(psnr, ssim) for task, (psnr, ssim) in means.items()}
    return board_of(columns, [row("a")], scores)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_no_word_is_lost(noted: Leaderboard, rendered: Rendered, renderer: str) -> None:
    text = text_of(rendered(noted, renderer))
    assert [word for word in WORDS if word not in text] == []


@pytest.mark.parametrize("renderer", TABLES)
def test_the_words_stand_at_the_numbers(
    noted: Leaderboard, rendered: Rendered, renderer: str
) -> None:
    output = rendered(noted, renderer)
    end = {
        "html": "</table>",
        "latex": "\\bottomrule",
        "markdown": "|\n\n",
        "terminal": "\n¹ ",
    }
    table, _, notes = output.partition(end[renderer])
    assert notes
    table = text_of(table)
    for tag in ("2 of 3 images", "partial", "limited", "sample, 2 of 5 images", "failed"):
        assert tag in table
    assert "reconstruction, untrained, reduced precision" in table
    assert "reconstruction, reduced precision, no weights" in table


@pytest.mark.parametrize("renderer", RENDERERS)
def test_unlike_columns_have_no_average(rendered: Rendered, renderer: str) -> None:
    alike, unlike = unlike_board(""), unlike_board("partial")
    assert "23.4" in rendered(alike, renderer)
    assert "23.4" not in rendered(unlike, renderer)
    assert "23.4" not in rendered(unlike, renderer, "paper")
    reason = "columns of different extent are not averaged: complete; partial"
    assert reason in text_of(rendered(unlike, renderer))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_failed_task_leaves_the_row_without_average(rendered: Rendered, renderer: str) -> None:
    torn: list[tuple[float, float] | str] = [*spread(29.1134, 0.7)[:2], "torn"]
    scores: Scores = {("a", "one"): spread(17.8, 0.6), ("a", "two"): torn}
    board = board_of([column("one"), column("two")], [row("a")], scores)
    output = rendered(board, renderer)
    assert "23.4" not in output
    assert "2 of 3 images scored: torn" in output


@pytest.mark.parametrize("renderer", RENDERERS)
def test_one_task_is_printed_once(rendered: Rendered, renderer: str) -> None:
    scores = {("a", "one"): spread(17.8, 0.6), ("b", "one"): spread(16.2, 0.5)}
    board = board_of([column("one")], [row("a"), row("b")], scores)
    text = text_of(rendered(board, renderer))
    assert "17.8" in text
    assert "average" not in text.lower()
    assert "mean of all columns" not in text


@pytest.mark.parametrize("renderer", RENDERERS)
def test_both_styles_can_be_rendered(rendered: Rendered, renderer: str) -> None:
    plain, paper = (rendered(fixed_board(), renderer, style) for style in ("plain", "paper"))
    assert (plain == paper) == (renderer == "csv")
    assert "0.9" in plain


@pytest.mark.parametrize("renderer", RENDERERS)
def test_no_control_character_reaches_a_file_or_a_terminal(
    rendered: Rendered, renderer: str
) -> None:
    output = rendered(hostile_board(), renderer)
    assert [c for c in output if c != "\n" and not c.isprintable()] == []


@pytest.mark.parametrize("renderer", ["csv", ON_SCREEN])
def test_plain_formats_print_hostile_titles_as_they_are(renderer: str, rendered: Rendered) -> None:
    output = rendered(hostile_board(), renderer).replace('""', '"')
    for title in HOSTILE[:8]:
        assert title in output


def test_every_hostile_title_is_a_row_of_its_own() -> None:
    table = table_of(hostile_board())
    assert [r.title for r in table.rows] == [printable(text) for text in HOSTILE]
