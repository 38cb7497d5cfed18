"""What is gained at what cost: the methods that no other beats at both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from restorebench.errors import UsageError

COUNTS = ("parameters", "trainable", "untouched")
TIMED_AT = ("size", "batch", "precision", "device", "threads")


def costs_at(costs: pd.DataFrame, cost: str, setting: Mapping[str, object]) -> pd.Series:
    """Return one cost of each method, measured alike.

    Args:
        costs: `Leaderboard.costs`.
        cost: one of its numbers.
        setting: values of some of its columns, such as ``{"size": 224}``.

    Raises:
        UsageError: if there is no such cost, or it was measured in several ways.
    """
    for name in (cost, *setting):
        if name not in costs:
            raise UsageError(f"costs have no {name!r}; they have {', '.join(costs.columns)}")
    known = costs[costs[cost].notna()]
    for name, value in setting.items():
        known = known[known[name] == value]
    if known.empty:
        raise UsageError(f"no {cost} is measured{' so' if setting else '; run with --costs'}")
    depends_on = ("size",) if cost.startswith("macs") else TIMED_AT
    ways = known[list(depends_on)].drop_duplicates().to_dict("records")
    if len(ways) > 1 and cost not in COUNTS:
        said = "; ".join(", ".join(f"{k} {value}" for k, value in way.items()) for way in ways)
        raise UsageError(f"{cost} was measured in several ways; say which: {said}")
    return known.groupby("method", sort=False)[cost].first()


def on_front(
    costs: NDArray[np.float64], scores: NDArray[np.float64], *, higher: bool
) -> NDArray[np.bool_]:
    """Tell which points no other point beats: none is as good at less cost, or better at the same.

    >>> on_front(np.array([1.0, 2.0, 3.0]), np.array([30.0, 29.0, 31.0]), higher=True)
    array([ True, False,  True])
    """
    gains = scores if higher else -scores
    no_dearer = costs[:, None] >= costs[None, :]
    no_worse = gains[:, None] <= gains[None, :]
    strictly = (costs[:, None] > costs[None, :]) | (gains[:, None] < gains[None, :])
    beaten: NDArray[np.bool_] = np.asarray(np.any(no_dearer & no_worse & strictly, axis=1))
    return ~beaten
