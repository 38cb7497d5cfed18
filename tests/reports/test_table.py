"""What every renderer is given: marks, titles, footnotes and numbers as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.board.table import Style, format_value, printable, table_of

from .boards import METRICS, board_of, column, fixed_board, row, spread

PSNR, SSIM = METRICS
ERROR = SSIM.model_copy(update={"title": "Error", "higher_is_better": False})


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        (0.91234, "plain", "0.9123"),
        (0.91234, "paper", ".912"),
        (-0.25, "paper", "-.250"),
        (1.0, "paper", "1.000"),
        (10.5, "paper", "10.500"),
        (math.inf, "plain", "∞"),
        (-math.inf, "paper", "-∞"),
    ],
)
def test_a_score_without_a_unit_is_printed_in_the_style_of_papers(
    value: float, style: Style, text: str
) -> None:
    assert format_value(value, ERROR, style) == text


def test_both_styles_print_decibels_alike() -> None:
    assert format_value(0.5, PSNR, "plain") == format_value(0.5, PSNR, "paper") == "0.50"


def test_methods_that_cannot_be_told_apart_share_a_mark() -> None:
    rows = {r.name: r for r in table_of(fixed_board()).rows}
    marks = {name: {cell.mark for cell in rows[name].groups[0]} for name in rows}
    assert marks["first"] == {"best"}
    assert marks["second"] == marks["twin"] == {"second"}
    assert marks["third"] == marks["broken"] == marks["absent"] == {None}


def test_lower_is_better_where_the_metric_says_so() -> None:
    scores = {("a", "one"): spread(1, 0.1), ("b", "one"): spread(2, 0.5)}
    board = board_of([column("one")], [row("a"), row("b")], scores, metrics=(PSNR, ERROR))
    a, b = (r.groups[0] for r in table_of(board).rows)
    assert [cell.mark for cell in a] == ["second", "best"]
    assert [cell.mark for cell in b] == ["best", "second"]


def test_rows_of_the_same_title_carry_their_names() -> None:
    titles = [r.title for r in table_of(fixed_board()).rows]
    assert titles[:4] == ["First", "Second (second)", "Second (twin)", "Third_3"]


def test_a_footnote_is_written_once_and_found_again() -> None:
    words = ("limited to 3 of 9 images",)
    columns = [column("one", words=words), column("two", words=("own", *words))]
    table = table_of(board_of(columns, [row("a")], {}))
    assert table.notes[:2] == ("limited to 3 of 9 images", "own")
    assert [group.notes for group in table.groups[:2]] == [(1,), (2, 1)]


def test_only_columns_and_averages_of_whole_sets_are_whole() -> None:
    columns = [column("one"), column("two", words=("partial: 3 of 9 images",), extent="partial")]
    table = table_of(board_of(columns, [row("a")], {}))
    assert [group.whole for group in table.groups] == [True, False, False]


def test_the_legend_is_there_if_anything_is_marked() -> None:
    assert table_of(fixed_board()).legend("*", "+").startswith("*: best; +: second. Methods whose")
    alone = board_of([column("one")], [row("a")], {("a", "one"): spread(20, 0.5)})
    assert table_of(alone).legend("*", "+") == ""


def test_provenance_names_data_weights_and_code() -> None:
    facts = dict(table_of(fixed_board()).provenance)
    assert facts["First"] == (
        "weights beefbeefbeef (first_v1.ckpt; EMA weights), code c0dec0dec0de, float32"
    )
    assert facts["Noise σ=25"] == (
        "3 images of the set noise, data 0123456789ab, "
        "degraded with GaussianNoise(sigma=25.0) of 0ddba11"
    )
    assert "Absent" not in facts


@given(st.text())
def test_printable_text_is_one_line_and_stays_as_it_is(text: str) -> None:
    once = printable(text)
    assert once.isprintable()
    assert printable(once) == once
    assert len(once) == len(text)
