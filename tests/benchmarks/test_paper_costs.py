"""Costs that a run measured, below those that a paper prints."""

from __future__ import annotations

import pytest
from tests.reports.boards import board_of, column, cost, row

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import TableRow
from restorebench.costs.record import CostRecord
from restorebench_benchmarks.paper_table import paper_table
from restorebench_benchmarks.papers import load_papers

PAPERS = load_papers()


def counted(method: str, parameters: int, macs: int, size: int, seconds: float) -> CostRecord:
    """A method's cost on one image, of which all counters say the same."""
    counts = dict.fromkeys(("torch", "ptflops", "fvcore"), macs)
    return cost(method, counts, parameters=parameters, times=(1000 * seconds,), size=size)


def measured(paper: str, table: str, board: Leaderboard) -> tuple[dict[str, TableRow], list[str]]:
    """Return the measured rows by title, and the table's notes."""
    spec = next(t for t in PAPERS[paper].tables if t.name == table)
    made = paper_table(PAPERS[paper], spec, [board])
    printed = len(spec.rows)
    return {r.title: r for r in made.rows[printed:]}, list(made.notes)


def texts(of: TableRow) -> list[str]:
    """Return a row's cells."""
    return [cell.text for cell in of.cells]


def test_parameters_and_macs_stand_below_the_printed_ones() -> None:
    rows = [row("promptir", title="PromptIR"), row("airnet", title="AirNet")]
    costs = [
        counted("promptir", 35_592_263, 132_227_693_472, 224, 2.0),
        counted("promptir", 35_592_263, 172_705_557_792, 256, 2.5),
        counted("airnet", 8_930_313, 323_078_979_584, 224, 3.0),
    ]
    board = board_of([column("rain100l")], rows, {}, suite="other", costs=costs)
    found, notes = measured("anyir", "4", board)
    promptir, airnet = (next(r for t, r in found.items() if n in t) for n in ("Prompt", "AirNet"))
    assert texts(promptir) == ["—", "—", "35.59M", "132.23G"]
    assert [cell.notes for cell in promptir.cells] == [()] * 4
    assert texts(airnet) == ["—", "—", "8.93M", "323.08G"]
    assert "+36% of the printed 238G" in notes
    assert any(note.startswith("uncounted: 238.3 G are a pass in training mode") for note in notes)


def test_a_time_is_of_the_papers_size_and_never_compared() -> None:
    board = board_of(
        [column("rain100l")],
        [row("ndr_restore", title="NDR-Restore")],
        {},
        costs=[
            counted("ndr_restore", 36_962_484, 117_430_208_768, 224, 2.0),
            counted("ndr_restore", 36_962_484, 613_000_000_000, 512, 12.345),
        ],
    )
    found, notes = measured("ndr_restore", "IV-D", board)
    (line,) = found.values()
    assert texts(line) == ["12.35s", "36.96M"]
    said = [notes[n - 1] for cell in line.cells for n in cell.notes]
    assert said == [
        "measured on cpu: A_processor <model>, 2 threads, another machine than the paper's",
        "+30% of the printed 28.4M",
    ]


@pytest.mark.parametrize("words", [(), ("partial: 2 of 3 images",)])
def test_the_time_of_a_test_set_is_of_the_whole_set_only(words: tuple[str, ...]) -> None:
    columns = [column("rain100l", words=words), column("sots_outdoor")]
    scores = {("promptir", "rain100l"): [(30.0, 0.9), (31.0, 0.9), (32.0, 0.9)]}
    board = board_of(columns, [row("promptir", title="PromptIR")], scores, suite="efficiency")
    board.records["seconds"] = [1.0, 2.5, 4.0]
    spec = next(t for t in PAPERS["anyir"].tables if t.name == "7")
    made = paper_table(PAPERS["anyir"], spec, [board])  # its methods are columns
    shown = [cell for line in made.rows for cell in line.cells if cell.text == "7.50s"]
    assert len(shown) == (not words)
    for cell in shown:
        assert "another machine than the paper's" in made.notes[cell.notes[0] - 1]
