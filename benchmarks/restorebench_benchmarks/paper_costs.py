"""What a run measured of the costs that a paper prints, and how far it lies from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from restorebench.board.info import RowInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.costs.columns import setting_of
from restorebench.costs.complexity import DISAGREEMENT
from restorebench_benchmarks.paper_spec import Metric, PaperSpec, TableSpec
from restorebench_benchmarks.papers import table_of


@dataclass(frozen=True, slots=True)
class _Cost:
    column: str
    """Of `Leaderboard.costs`."""
    text: Callable[[float], str]
    everywhere: bool
    """Whether it is the same on every machine."""


COSTS: dict[Metric, _Cost] = {
    "params": _Cost("parameters", lambda value: f"{value / 1e6:.2f}M", everywhere=True),
    "flops": _Cost("macs", lambda value: f"{value / 1e9:.2f}G", everywhere=True),
    "memory": _Cost("peak_memory", lambda value: f"{value / 2**20:.0f}M", everywhere=False),
    "seconds": _Cost("latency_ms", lambda value: f"{value / 1000:.2f}s", everywhere=False),
}


def measured_cost(
    board: Leaderboard, row: RowInfo, paper: PaperSpec, table: TableSpec, cell: tuple[str, Metric]
) -> tuple[str, str] | None:
    """Return a cost as the paper would print it, and what has to be said beside it.

    Args:
        board: the run.
        row: one of its methods.
        paper: the paper.
        table: its table.
        cell: a heading of the table, and the metric below it.

    Returns:
        ``None`` for what is no cost, or was not measured.
    """
    heading, metric = cell
    if metric not in COSTS:
        return None
    cost, task = COSTS[metric], table.columns[heading].task
    found = _seconds(board, row, task) if task else _at_size(board, row, cost, table.size)
    if found is None:
        return None
    value, where = found
    if not cost.everywhere:
        return cost.text(value), f"measured on {where}, another machine than the paper's"
    return cost.text(value), _apart(value, paper, table, row, cell)


def _seconds(board: Leaderboard, row: RowInfo, task: str) -> tuple[float, str] | None:
    """Return how long a method restored a whole real set, in milliseconds, and on what."""
    column = next((c for c in board.info.columns if c.name == task and not c.words), None)
    if column is None:
        return None
    times = board.image_scores(row.name, task)["seconds"]
    if len(times) < column.count or times.isna().any():
        return None
    return 1000 * float(times.sum()), f"{board.info.device}, without reading and scoring"


def _at_size(
    board: Leaderboard, row: RowInfo, cost: _Cost, size: int | None
) -> tuple[float, str] | None:
    """Return a cost at one size, of one image, and on what it was measured."""
    costs = board.costs
    mine = costs[(costs["method"] == row.name) & costs[cost.column].notna()]
    if size is not None:
        mine = mine[(mine["size"] == size) & (mine["batch"] == 1)]
    if mine.empty:
        return None
    line = mine.iloc[0]
    return float(line[cost.column]), setting_of(line)[1]


def _apart(
    value: float, paper: PaperSpec, table: TableSpec, row: RowInfo, cell: tuple[str, Metric]
) -> str:
    """Say how far a cost lies from the printed one, where that is too far to be left unsaid."""
    for printed in (one for line in table_of(paper, table).rows for one in line):
        same = paper.cards.get(printed.method, printed.method) == row.title
        if same and (printed.heading, printed.metric) == cell and printed.value:
            apart = value / printed.value - 1
            # What rounding alone explains is no difference.
            slack = max(DISAGREEMENT, printed.half_unit / printed.value)
            if abs(apart) > slack:
                return f"{apart:+.0%} of the printed {printed.printed}"
    return ""
