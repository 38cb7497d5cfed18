"""Each task for itself: how far every method lies behind the best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from restorebench.board.info import ColumnInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Table, format_value

BESIDE = 1.04
"""How much longer than the longest whisker a panel is."""
UP, DOWN = "+", "−"


@dataclass(frozen=True, slots=True)
class Bar:
    """A method; lengths are shares of the panel's width in percent."""

    method: str
    title: str
    value: str
    """Its mean."""
    behind: str
    """How far that lies behind the best."""
    words: str
    """The same with its interval."""
    length: float
    low: float | None
    """Where the interval begins and ends; ``None`` if too few images give one, or for the best."""
    high: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """A task."""

    title: str
    tag: str
    whole: bool
    bars: tuple[Bar, ...]


def panels_of(board: Leaderboard, table: Table) -> tuple[Panel, ...]:
    """Return a panel for each task that at least two methods have a mean of the first metric on."""
    found = []
    for column, group in zip(board.info.columns, table.groups, strict=False):
        bars = _bars(board, table, column)
        if len(bars) > 1:
            found.append(Panel(group.title, group.tag, group.whole, bars))
    return tuple(found)


def _bars(board: Leaderboard, table: Table, column: ColumnInfo) -> tuple[Bar, ...]:
    metric = board.info.metrics[0]
    means = {row.name: board.cell(row.name, column.name, metric.name).value for row in table.rows}
    known = {name: mean for name, mean in means.items() if mean is not None and abs(mean) < 1e9}
    order = sorted(known, key=lambda name: known[name], reverse=metric.higher_is_better)
    if not order:
        return ()
    gaps = {name: _gap(board, column.name, order[0], name) for name in order[1:]}
    ends = [end for gap in gaps.values() for end in gap if isfinite(end)]
    longest = BESIDE * max(ends, default=0.0) or 1.0
    titles = {row.name: row.title for row in table.rows}
    found = [
        Bar(
            order[0], titles[order[0]], _text(board, known[order[0]]), "", "the best", 0, None, None
        )
    ]
    for name, (gap, low, high) in gaps.items():
        behind, reach = _text(board, gap), " to ".join(_text(board, x) for x in (low, high))
        sure = isfinite(low) and isfinite(high)
        found.append(
            Bar(
                method=name,
                title=titles[name],
                value=_text(board, known[name]),
                behind=f"{DOWN if metric.higher_is_better else UP}{behind}",
                words=f"{behind} behind the best, interval {reach if sure else 'unknown'}",
                length=round(100 * gap / longest, 1),
                low=round(max(0.0, 100 * low / longest), 1) if sure else None,
                high=round(100 * high / longest, 1) if sure else None,
            )
        )
    return tuple(found)


def _gap(board: Leaderboard, task: str, best: str, name: str) -> tuple[float, float, float]:
    """Return how far a method lies behind the best, and the interval of that, least first."""
    metric = board.info.metrics[0].name
    table = board.pairwise
    here = table[(table["metric"] == metric) & (table["task"] == task)]
    pair = here[here["a"].isin([best, name]) & here["b"].isin([best, name])].iloc[0]
    ends = [float(pair[end]) for end in ("difference", "low", "high")]
    ahead = pair["a"] == best
    if ahead != board.info.metrics[0].higher_is_better:
        return -ends[0], -ends[2], -ends[1]
    return ends[0], ends[1], ends[2]


def _text(board: Leaderboard, value: float) -> str:
    return format_value(value, board.info.metrics[0], "plain")
