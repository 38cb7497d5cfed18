"""A board as tidy CSV: one line for each method, task and metric, with all that it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from restorebench.board.info import MetricInfo, RowInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style
from restorebench.costs.columns import setting_of
from restorebench.costs.record import NUMBERS
from restorebench.inert import plain
from restorebench.published import AVERAGE
from restorebench.store import write_atomically
from restorebench_reports.behind import behind_best

Value = str | int | float | None
Told = dict[tuple[str, str, str], dict[str, Value]]
"""By method, metric and task."""


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.csv`` with full precision; the style plays no part."""
    return write_atomically(folder / "leaderboard.csv", tidy(board).to_csv(index=False))


def tidy(board: Leaderboard) -> pd.DataFrame:
    """Return one row for each cell, each average and each cost, with their provenance."""
    lines, told = [], _told(board)
    for row in board.info.rows:
        shared = _shared(board, row)
        for metric in board.info.metrics:
            lines += [line | shared for line in _scores(board, row, metric, told)]
        lines += [line | shared for line in _costs(board, row)]
    safe = [{k: plain(v) if isinstance(v, str) else v for k, v in line.items()} for line in lines]
    return pd.DataFrame(safe).astype({"images": "Int64", "of": "Int64", "value": "float64"})


def _scores(
    board: Leaderboard, row: RowInfo, metric: MetricInfo, told: Told
) -> Iterator[dict[str, Value]]:
    for column in board.info.columns:
        cell = board.cell(row.name, column.name, metric.name)
        odd = board.oddities(row.name, column.name)
        yield {
            "method": row.name,
            "task": column.name,
            "metric": metric.name,
            "value": cell.value,
            "images": cell.scored,
            "of": cell.expected,
            "data": column.origin,
            "data_fingerprint": column.fingerprint,
            "mix": column.mix,
            **told[row.name, metric.name, column.name],
            "remarks": "; ".join(filter(None, [*column.words, cell.reason, *odd])),
        }
    if AVERAGE not in board.info.tasks:
        return
    average = board.average(row.name, metric.name)
    missing = "" if average is not None else board.average_reason or "a task has no value"
    yield {
        "method": row.name,
        "task": f"average ({board.info.average})",
        "metric": metric.name,
        "value": average,
        **told[row.name, metric.name, AVERAGE],
        "remarks": missing or board.average_extent,
    }


def _told(board: Leaderboard) -> Told:
    """Return what the statistics say: the mark, and how far it lies behind the best."""
    found: Told = {}
    for task in board.info.tasks:
        for metric in board.info.metrics:
            best, second = board.marks(metric.name, task)
            behind = behind_best(board, metric.name, task)
            for row in board.info.rows:
                far = behind.get(row.name)
                found[row.name, metric.name, task] = {
                    "mark": "best" if row.name in best else "second" if row.name in second else "",
                    "behind_best": far.gap if far else None,
                    "behind_low": far.low if far else None,
                    "behind_high": far.high if far else None,
                    "p_holm": far.p if far else None,
                }
    return found


def _costs(board: Leaderboard, row: RowInfo) -> Iterator[dict[str, Value]]:
    mine = board.costs[board.costs["method"] == row.name]
    for _, line in mine.iterrows():
        size, where = setting_of(line)
        for name in NUMBERS:
            if pd.notna(line[name]):
                yield {
                    "method": row.name,
                    "task": f"cost at {size}",
                    "metric": name,
                    "value": float(line[name]),
                    "remarks": f"on {where}",
                }


def _shared(board: Leaderboard, row: RowInfo) -> dict[str, Value]:
    return {
        "row_remarks": "; ".join(row.words),
        "title": row.title,
        "status": row.status,
        "weights": row.weights or "none",
        "weights_file": row.weights_file,
        "weights_read": row.weights_read,
        "code": row.code,
        "config": row.config,
        "precision": row.precision,
        "device": _device(board, row.name),
        "protocol": board.info.protocol,
        "suite": f"{board.info.suite}@{board.info.suite_version}",
    }


def _device(board: Leaderboard, row: str) -> str:
    """Return what a row was measured on, which in a table of several runs is its own."""
    if "device" not in board.records:  # a board that was made of scores alone
        return board.info.device
    mine = board.records.loc[board.records["method"] == row, "device"]
    return ", ".join(mine.unique()) or board.info.device
