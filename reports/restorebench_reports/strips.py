"""Where the images' own scores lie: what stands below a mean in a picture as wide as the number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorebench.board.leaderboard import Leaderboard

MIN_IMAGES = 2


@dataclass(frozen=True, slots=True)
class Strip:
    """Places on a scale from 0 to 100 that all methods of a task and metric share."""

    low: float
    quarter: float
    mean: float
    three_quarters: float
    high: float


Strips = dict[tuple[str, str, str], Strip]
"""By method, task and metric."""


def strips(board: Leaderboard) -> Strips:
    """Return the strip of every cell that has one.

    A cell without a value has none, and neither has one with fewer than two images or with an
    infinite score, nor a column in which every image scores the same.
    """
    found: Strips = {}
    for column in board.info.columns:
        of_task = board.images[board.images["task"] == column.name]
        for metric in board.info.metrics:
            scores = {
                str(method): group.to_numpy(float)
                for method, group in of_task.groupby("method")[metric.name]
                if board.cell(str(method), column.name, metric.name).value is not None
            }
            drawn = {m: v for m, v in scores.items() if len(v) >= MIN_IMAGES and _finite(v)}
            low = min((v.min() for v in drawn.values()), default=0.0)
            high = max((v.max() for v in drawn.values()), default=0.0)
            if high > low:
                for method, values in drawn.items():
                    scaled = 100 * (values - low) / (high - low)
                    found[method, column.name, metric.name] = _strip(scaled)
    return found


def _finite(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all())


def _strip(scaled: NDArray[np.float64]) -> Strip:
    low, quarter, three_quarters, high = np.quantile(scaled, [0, 0.25, 0.75, 1]).round(1).tolist()
    return Strip(low, quarter, round(float(scaled.mean()), 1), three_quarters, high)
