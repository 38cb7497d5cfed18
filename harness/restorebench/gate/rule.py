"""The gate's rule: what a change of a mean and its interval amount to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from restorebench.gate.report import Verdict


@dataclass(frozen=True, slots=True)
class Limit:
    """What a metric may lose."""

    tolerance: float
    """Mean loss up to which a change counts as none."""
    grave: float = math.inf
    """Mean loss above which the interval is not asked."""
    relative: bool = False
    """Whether losses are fractions of the baseline."""

    def words(self, loss: float) -> str:
        """Say that a loss is exceeded."""
        return f"worse by more than {f'{100 * loss:g} %' if self.relative else f'{loss:g}'}"


def decide(
    change: float, low: float, high: float, limit: Limit, *, higher: bool
) -> tuple[Verdict, str]:
    """Return the verdict on a change, and why.

    Args:
        change: new minus old, of the means.
        low: lower bound of the change's interval; ``nan`` if there is none.
        high: upper bound.
        limit: what may be lost.
        higher: whether higher is better.

    >>> decide(-0.05, -0.06, -0.04, Limit(0.02), higher=True)
    ('regression', 'worse by more than 0.02')
    >>> decide(-0.05, -0.06, -0.04, Limit(0.02), higher=False)
    ('improved', '')
    >>> decide(-0.05, -0.12, 0.02, Limit(0.02), higher=True)[0]
    'inconclusive'
    """
    loss = -change if higher else change
    certain = high < 0 if higher else low > 0
    gained = low > 0 if higher else high < 0
    if math.isnan(change):
        return "inconclusive", "some images are perfect in one of the two only"
    if loss > limit.grave:
        return "regression", f"{limit.words(limit.grave)}, whatever the interval"
    if loss > limit.tolerance:
        if certain:
            return "regression", limit.words(limit.tolerance)
        return "inconclusive", (
            f"{limit.words(limit.tolerance)}, but the interval includes no change: "
            "too few measurements, or too unlike, to tell"
        )
    return ("improved", "") if gained and -loss > limit.tolerance else ("pass", "")
