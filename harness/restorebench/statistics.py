"""Paired statistics: whether one method's lead over another is more than the draw of the images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RESAMPLES = 4000
MIN_IMAGES = 2


def paired_interval(
    differences: Sequence[Values],
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap the mean over columns of the mean difference over images.

    Args:
        differences: for each column, one method's scores minus the other's, image by image.
        clusters: for each column, what its images are; columns with the same images (one
            photograph at three noise levels) are resampled together.
        level: confidence level of the percentile interval.
        seed: of the resampling, so that the same records always give the same marks.

    Returns:
        The bounds of the interval; ``nan`` where scores are infinite in both directions.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[Hashable, NDArray[np.int64]] = {}
    total = np.zeros(RESAMPLES)
    for difference, cluster in zip(differences, clusters, strict=True):
        if cluster not in drawn:
            drawn[cluster] = rng.integers(len(difference), size=(RESAMPLES, len(difference)))
        with np.errstate(invalid="ignore"):  # inf - inf is nan, which counts as undecided
            total += difference[drawn[cluster]].mean(axis=1)
    means = np.sort(total / len(differences))  # nan sorts last, and numpy's quantiles warn of inf
    tail = int(RESAMPLES * (1 - level) / 2)
    if np.isnan(means[-1]):
        return float("nan"), float("nan")
    return float(means[tail]), float(means[-1 - tail])


def separated(a: Sequence[Values], b: Sequence[Values], clusters: Sequence[Hashable]) -> bool:
    """Tell whether the paired interval of ``a - b`` leaves out zero."""
    with np.errstate(invalid="ignore"):
        differences = [np.where(x == y, 0.0, x - y) for x, y in zip(a, b, strict=True)]
    low, high = paired_interval(differences, clusters)
    return low > 0 or high < 0


def leaders(
    scores: Mapping[str, Sequence[Values]], clusters: Sequence[Hashable], *, higher: bool
) -> tuple[set[str], set[str]]:
    """Return the methods that are best and second, ties included.

    The best group is the method of the best mean and all that are not separated from it; the
    second group is made the same way of those that remain. With a single method, or fewer than
    two images in a column, nothing can be said and both are empty.
    """
    enough = all(len(v) >= MIN_IMAGES for values in scores.values() for v in values)
    if len(scores) < 2 or not enough:
        return set(), set()
    best = _top_group(scores, clusters, higher)
    rest = {name: values for name, values in scores.items() if name not in best}
    return best, _top_group(rest, clusters, higher) if rest else set()


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
