"""Paired statistics: whether one method's lead over another is more than the draw of the images."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RESAMPLES = 4000
MIN_IMAGES = 2
ROUNDING = 1e-9
"""Of a mean: what differences that should be equal may vary by."""


def paired_interval(
    differences: Sequence[Values],
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap the mean over columns of the mean difference over images, studentised.

    Each resampled mean is divided by its own standard error, which keeps the level for as few as
    five images, where percentiles of the plain means cover 85 % instead of 95 %.

    Args:
        differences: for each column, one method's scores minus the other's, image by image.
        clusters: for each column, what its images are; columns with the same images (one
            photograph at three noise levels) are resampled together.
        level: confidence level of the interval.
        seed: of the resampling, so that the same records always give the same marks.

    Returns:
        The bounds of the interval. They are infinite where too few images differ to tell how
        much they vary, ``nan`` with a single image or scores infinite in both directions.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 12.5.
    """
    if not all(np.isfinite(difference).all() for difference in differences):
        return _extremes(differences)
    together: dict[Hashable, Values] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        together[cluster] = together.get(cluster, np.zeros(len(difference))) + difference
    mean = sum(float(values.mean()) for values in together.values())
    if any(len(values) < MIN_IMAGES for values in together.values()):
        return math.nan, math.nan
    ratios = _studentised(list(together.values()), np.random.default_rng(seed))
    error = math.sqrt(sum(values.var(ddof=1) / len(values) for values in together.values()))
    tail = int(RESAMPLES * (1 - level) / 2)
    if error <= ROUNDING * abs(mean):  # the same everywhere, whatever the ratios of its rounding
        return mean / len(differences), mean / len(differences)
    low, high = mean - float(ratios[-1 - tail]) * error, mean - float(ratios[tail]) * error
    return low / len(differences), high / len(differences)


def _studentised(groups: Sequence[Values], rng: np.random.Generator) -> Values:
    """Return each resample's deviation from the mean, over its own standard error, in order."""
    deviation, variance = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for values in groups:
        centred = values - values.mean()
        drawn = centred[rng.integers(len(values), size=(RESAMPLES, len(values)))]
        deviation += drawn.mean(axis=1)
        variance += drawn.var(axis=1, ddof=1) / len(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: Values = deviation / np.sqrt(variance)
    return np.sort(np.nan_to_num(ratios, nan=0.0, posinf=np.inf, neginf=-np.inf))


def _extremes(differences: Sequence[Values]) -> tuple[float, float]:
    """Return the bounds that no mean can leave, for scores of which some are infinite."""
    with np.errstate(invalid="ignore"):  # inf - inf is nan, which counts as undecided
        low = float(np.mean([difference.min() for difference in differences]))
        high = float(np.mean([difference.max() for difference in differences]))
    return (math.nan, math.nan) if math.isnan(low + high) else (low, high)


def paired_differences(a: Values, b: Values) -> Values:
    """Return ``a - b`` image by image; two equal infinite scores do not differ."""
    with np.errstate(invalid="ignore"):
        difference: Values = np.where(a == b, 0.0, a - b)
    return difference


def separated(a: Sequence[Values], b: Sequence[Values], clusters: Sequence[Hashable]) -> bool:
    """Tell whether the paired interval of ``a - b`` leaves out zero."""
    differences = [paired_differences(x, y) for x, y in zip(a, b, strict=True)]
    low, high = paired_interval(differences, clusters)
    return low > 0 or high < 0


def leaders(
    scores: Mapping[str, Sequence[Values]], clusters: Sequence[Hashable], *, higher: bool
) -> tuple[set[str], set[str]]:
    """Return the methods that are best and second, ties included.

    The best group is the method of the best mean and all that are not separated from it; the
    second group is made the same way of those that remain. Nothing can be said, and both are
    empty, if no method is separated from the best, or with a single method, or with fewer than two
    images in a column.
    """
    enough = all(len(v) >= MIN_IMAGES for values in scores.values() for v in values)
    if len(scores) < 2 or not enough:
        return set(), set()
    best = _top_group(scores, clusters, higher)
    rest = {name: values for name, values in scores.items() if name not in best}
    return (best, _top_group(rest, clusters, higher)) if rest else (set(), set())


def _top_group(
    scores: Mapping[str, Sequence[Values]], clusters: Sequence[Hashable], higher: bool
) -> set[str]:
    sign = 1 if higher else -1
    top = max(scores, key=lambda name: sign * np.mean([v.mean() for v in scores[name]]))
    return {top} | {
        name
        for name in scores
        if name != top and not separated(scores[top], scores[name], clusters)
    }
