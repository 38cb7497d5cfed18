"""Each task for itself: how far every method lies behind the best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from restorebench.board.info import ColumnInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Table, format_value
from restorebench_reports.behind import MOST, behind_best

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
    low: float | None = None
    """Where the interval begins and ends; ``None`` if too few images give one, or for the best."""
    high: float | None = None


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
    means = board.means(metric.name, column.name)
    titles = {row.name: row.title for row in table.rows if abs(means.get(row.name, inf)) < MOST}
    gaps = behind_best(board, metric.name, column.name)
    ends = [x for gap in gaps.values() for x in (gap.gap, gap.low, gap.high) if isfinite(x)]
    longest = BESIDE * max(ends, default=0.0) or 1.0
    sign = DOWN if metric.higher_is_better else UP
    found = [
        Bar(name, titles[name], format_value(means[name], metric, "plain"), "", "the best", 0)
        for name in titles
        if name not in gaps
    ]
    for name, gap in gaps.items():
        sure = isfinite(gap.low) and isfinite(gap.high)
        found.append(
            Bar(
                method=name,
                title=titles[name],
                value=format_value(means[name], metric, "plain"),
                behind=f"{sign}{gap.text(gap.gap)}",
                words=gap.words,
                length=round(100 * gap.gap / longest, 1),
                low=round(max(0.0, 100 * gap.low / longest), 1) if sure else None,
                high=round(100 * gap.high / longest, 1) if sure else None,
            )
        )
    return tuple(found)
