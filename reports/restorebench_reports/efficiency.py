"""What methods cost beside what they reach on the whole: the efficiency table of a paper."""

from __future__ import annotations

from dataclasses import replace

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style, Table, printable, table_of


def efficiency_table(board: Leaderboard, style: Style = "plain") -> Table | None:
    """Return costs and average (or the only task), or nothing if no costs were measured."""
    if board.costs.empty:
        return None
    table, whole = table_of(board, style), len(board.info.tasks) - 1
    return replace(
        table,
        title=printable(f"{board.info.title}: efficiency"),
        groups=table.groups[whole:],
        rows=tuple(replace(row, groups=row.groups[whole:]) for row in table.rows),
    )
