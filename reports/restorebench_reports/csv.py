"""A board as tidy CSV: one line for each method, task and metric, with all that it rests on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from restorebench.leaderboard import Leaderboard
from restorebench.store import write_atomically
from restorebench.table import Style


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.csv`` with full precision; the style plays no part."""
    return write_atomically(folder / "leaderboard.csv", tidy(board).to_csv(index=False))


def tidy(board: Leaderboard) -> pd.DataFrame:
    """Return one row for each cell, and one for each average, with their provenance."""
    info, lines = board.info, []
    for row in info.rows:
        shared = {
            "method": row.name,
            "status": row.status,
            "weights": row.weights or "none",
            "code": row.code,
            "config": row.config,
            "precision": row.precision,
            "device": info.device,
            "protocol": info.protocol,
            "suite": f"{info.suite}@{info.suite_version}",
            "row_remarks": "; ".join(row.words),
        }
        for metric in info.metrics:
            for column in info.columns:
                cell = board.cell(row.name, column.name, metric.name)
                lines.append(
                    {
                        "method": row.name,
                        "task": column.name,
                        "metric": metric.name,
                        "value": cell.value,
                        "images": cell.scored,
                        "of": cell.expected,
                        "data": column.origin,
                        "data_fingerprint": column.fingerprint,
                        "remarks": "; ".join(filter(None, [*column.words, cell.reason])),
                        **shared,
                    }
                )
            lines.append(
                {
                    "method": row.name,
                    "task": f"average ({info.average})",
                    "metric": metric.name,
                    "value": board.average(row.name, metric.name),
                    "remarks": board.average_reason or info.columns[0].extent,
                    **shared,
                }
            )
    frame = pd.DataFrame(lines)
    return frame.astype({"images": "Int64", "of": "Int64", "value": "float64"})
