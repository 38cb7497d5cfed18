"""How far methods lie behind the best of a task, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan

from restorebench.board.info import MetricInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.paired import metric_of
from restorebench.board.paired_table import p_value_text
from restorebench.board.table import format_value

MOST = 1e9
"""A mean that is larger cannot be drawn."""


@dataclass(frozen=True, slots=True)
class Behind:
    """A method against the best of a task; all positive where it is worse."""

    metric: MetricInfo
    gap: float
    low: float
    """Of the 95 % paired interval, as is `high`; infinite if too few images give one."""
    high: float
    p: float
    """Of the signed-rank test, by Holm; ``nan`` where that is refused."""

    @property
    def words(self) -> str:
        """The same for a reader."""
        gap, low, high = (self.text(value) for value in (self.gap, self.low, self.high))
        sure = isfinite(self.low) and isfinite(self.high)
        said = f"{gap} behind the best, interval {f'{low} to {high}' if sure else 'unknown'}"
        return said if isnan(self.p) else f"{said}, p by Holm {p_value_text(self.p)}"

    def text(self, value: float) -> str:
        """Return a number as tables print it."""
        return format_value(value, self.metric, "plain")


def behind_best(board: Leaderboard, metric: str, task: str) -> dict[str, Behind]:
    """Return all methods but the one of the best mean, the nearest to it first.

    Methods whose mean is infinite, which no distance leads to, are left out.
    """
    chosen = metric_of(board.info, metric)
    means = {name: mean for name, mean in board.means(metric, task).items() if abs(mean) < MOST}
    higher = chosen.higher_is_better
    best = (max if higher else min)(means, key=lambda name: means[name], default=None)
    if best is None:
        return {}
    found = {}
    for name, line in board.against(best, metric, task).iterrows():
        ends = [float(line[end]) for end in ("difference", "low", "high")]
        gap, low, high = (-ends[0], -ends[2], -ends[1]) if higher else ends
        if name in means:
            found[str(name)] = Behind(chosen, gap, low, high, float(line["p_holm"]))
    return dict(sorted(found.items(), key=lambda item: item[1].gap))
