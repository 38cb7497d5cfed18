"""What methods cost beside what they reach on average: the efficiency table of a paper."""

from __future__ import annotations

from dataclasses import replace

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style, Table, printable, table_of


def efficiency_table(board: Leaderboard, style: Style = "plain") -> Table | None:
    """Return a board's table without its tasks, or nothing if no costs were measured."""
    if board.costs.empty:
        return None
    table, tasks = table_of(board, style), len(board.info.columns)
    return replace(
        table,
        title=printable(f"{board.info.title}: efficiency"),
        groups=table.groups[tasks:],
        rows=tuple(replace(row, groups=row.groups[tasks:]) for row in table.rows),
    )
