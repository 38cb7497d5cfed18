"""What a page's buttons copy: the board as LaTeX and as CSV, in parts."""

from __future__ import annotations

from typing import Any

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Table
from restorebench.inert import plain
from restorebench_reports.csv import tidy
from restorebench_reports.tex import escape, prose, superscript, typeset


def parts(board: Leaderboard, table: Table) -> dict[str, Any]:
    """Return both formats in parts, so that a page can leave out what its reader has hidden."""
    return {"latex": _latex(board, table), "csv": _csv(board)}


def _latex(board: Leaderboard, table: Table) -> dict[str, Any]:
    body = typeset(table)
    return {
        "title": escape(table.title),
        "legend": escape(table.legend("Bold", "underlined")),
        "protocol": prose(f"{board.info.protocol} ({board.info.protocol_hash})"),
        "columns": body.columns,
        "groups": [
            {
                "title": escape(group.title) + superscript(group.notes),
                "tag": escape(group.tag),
                "metrics": [escape(metric) for metric in group.metrics],
                "notes": group.notes,
            }
            for group in table.groups
        ],
        "rows": [
            {
                "title": escape(row.title) + superscript(row.notes),
                "tag": escape(row.tag),
                "cells": cells,
                "notes": [list(row.notes), *(list(cell.notes) for cell in row.cells)],
            }
            for row, cells in zip(table.rows, body.rows, strict=True)
        ],
        "notes": [prose(note) for note in table.notes],
    }


def _csv(board: Leaderboard) -> dict[str, Any]:
    frame = tidy(board)
    lines = frame.to_csv(index=False).splitlines()
    rows = {plain(row.name): place for place, row in enumerate(board.info.rows)}
    tasks = {column.name: column.name for column in board.info.columns}
    names = zip(frame["method"], frame["task"], frame["metric"], strict=True)
    return {
        "head": lines[0],
        "lines": [
            {
                "row": rows[method],
                # "average (mean of ...)" and "cost at ..." go by their first word.
                "task": tasks.get(task, task.partition(" ")[0]),
                "metric": metric,
                "text": text,
            }
            for (method, task, metric), text in zip(names, lines[1:], strict=True)
        ],
    }
