"""The tables of a paper beside the leaderboard: significance, efficiency, audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from restorebench.board.document import leaderboard_document
from restorebench.board.leaderboard import Leaderboard
from restorebench_reports import latex, numbers
from restorebench_reports.efficiency import efficiency_table
from restorebench_reports.significance import significance_tables

from .boards import (
    AGREEING,
    MACHINE,
    board_of,
    board_with,
    column,
    cost,
    fixed_board,
    hostile_board,
    row,
)
from .pdflatex import compiled


def clear_board() -> Leaderboard:
    """On eight images: a is 1 dB above b on each of them, c is b with chance around it."""
    base = [25.0, 26, 27, 28, 29, 30, 31, 33]
    chance = [0.5, -0.4, 0.3, -0.6, 0.7, -0.5, 0.2, -0.3]
    psnr = {
        "a": [x + 1 for x in base],
        "b": base,
        "c": [x + y for x, y in zip(base, chance, strict=True)],
    }
    scores = {(name, "rain"): [(value, 0.9) for value in psnr[name]] for name in psnr}
    rows = [row("a", words=("untrained: random weights",)), row("b"), row("c")]
    return board_of([column("rain", count=8, tag="8")], rows, scores)


def test_the_matrix_says_which_differences_are_more_than_chance() -> None:
    table = next(significance_tables(clear_board()))
    texts = {
        (line.title, other.title): cell.text
        for line in table.rows[:3]
        for other, cell in zip(table.groups, line.cells, strict=True)
    }
    # One task: three tests of PSNR. Eight signs alike: p = 2 / 2**8, by Holm three times that.
    assert texts["A", "B"] == "+1.00**"
    assert texts["B", "A"] == "-1.00**"
    assert texts["B", "C"] == "+0.01"
    assert texts["C", "B"] == "-0.01"
    assert texts["A", "A"] == ""
    assert [line.section for line in table.rows if line.section] == ["Rain"]
    assert ("A", "untrained: random weights") in table.provenance
    assert any("8 images" in text for _, text in table.provenance)


def test_the_tests_of_one_task_are_corrected_for_once() -> None:
    board = clear_board()
    tests = board.pairwise[board.pairwise["metric"] == "psnr"]
    assert tests["task"].tolist() == ["rain"] * 3
    assert tests["p_holm"].tolist()[0] == pytest.approx(3 * 2 / 2**8)
    assert {cell.task for cell in leaderboard_document(board).cells} == {"rain"}
    assert board.marks("psnr") == board.marks("psnr", "rain") == ({"a"}, {"b", "c"})
    assert board.compare("a", "b").frame["task"].tolist() == ["rain", "rain"]


def test_a_single_method_has_no_matrix() -> None:
    board = board_of([column("rain")], [row("a")], {("a", "rain"): [(30.0, 0.9)] * 3})
    assert list(significance_tables(board)) == []


def test_infinite_scores_have_no_difference_between_them() -> None:
    scores = {
        ("a", "rain"): [(float("inf"), 1.0), (20.0, 0.5), (20.0, 0.5)],
        ("b", "rain"): [(20.0, 0.5), (float("inf"), 1.0), (20.0, 0.5)],
    }
    board = board_of([column("rain")], [row("a"), row("b")], scores)
    assert next(significance_tables(board)).rows[0].cells[1].text == "—"


def test_the_efficiency_table_has_the_whole_and_costs_only() -> None:
    several, costs = fixed_board(), (cost("first", AGREEING),)
    info = several.info.model_copy(update={"costs": costs})
    table = efficiency_table(Leaderboard(info, several.records))
    assert table is not None
    assert [group.title for group in table.groups] == ["Average", "Cost"]
    table = efficiency_table(board_with(cost("first", AGREEING, times=(1.0, 2.0, 3.0))))
    assert table is not None
    assert [group.title for group in table.groups] == ["Rain", "Cost"]
    assert [cell.text for cell in table.rows[0].cells] == [
        "30.00",
        "0.9000",
        "35.59",
        "132.23",
        "2.0",
    ]
    assert efficiency_table(fixed_board()) is None


def test_a_cost_is_a_number_with_its_size_and_machine(tmp_path: Path) -> None:
    board = board_with(cost("first", AGREEING), cost("first", {"torch": 10**9}, size=64))
    text = numbers.render(board, tmp_path, "plain").read_text(encoding="utf-8")
    assert (
        r"\rb@new{fixed/first/cost_224x224/parameters}{35.59~(Params (M) at 224x224 on cpu" in text
    )
    assert r"\rb@new{fixed/first/cost_64x64/macs}{1.00~(MACs (G) at 64x64 on cpu" in text
    assert MACHINE.split(": ")[1].split("_")[0] in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "board", [clear_board(), hostile_board(), board_with(cost("first", AGREEING))]
)
def test_all_tables_compile(board: Leaderboard, tmp_path: Path) -> None:
    log = compiled(latex.render(board, tmp_path, "plain"))
    assert "too large" not in log
