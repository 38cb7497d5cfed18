"""Paired statistics: whether one method's lead over another is more than the draw of the images.

All of them work on differences between two methods, image by image. Images that were made from one
photograph are one observation; see `per_source`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import nct, t, wilcoxon

Values = NDArray[np.float64]

RESAMPLES = 4000
AT_ONCE = 2**18
"""Drawn rows held in memory at a time."""
MIN_IMAGES = 2
MIN_RANKED = 6
"""Below it no signed-rank test can reject at 5 %: 2 / 2^5 is 0.06."""
EXACT_RANKS = 50
MIN_DETECTABLE = 4
"""With three images the interval is infinite, whatever the difference."""
LEVEL, POWER = 0.95, 0.8
ROUNDING = 1e-9
"""Of a mean: what differences that should be equal may vary by."""


def paired_interval(
    differences: Sequence[Values],
    clusters: Sequence[Hashable],
    *,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the bounds of `paired_intervals` for a single pair of methods.

    Args:
        differences: for each column, one method's scores minus the other's, image by image.
        clusters: for each column, what its images are.
        level: confidence level of the interval.
        seed: of the resampling.
    """
    one = [difference[:, None] for difference in differences]
    low, high = paired_intervals(one, clusters, level=level, seed=seed)
    return float(low[0]), float(high[0])


def paired_intervals(
    differences: Sequence[Values],
    clusters: Sequence[Hashable],
    *,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[Values, Values]:
    """Bootstrap the mean over columns of the mean difference over images, studentised.

    Each resampled mean is divided by its own standard error, which keeps the level for as few as
    five images, where percentiles of the plain means cover 85 % instead of 95 %.

    Args:
        differences: for each column, images x pairs: one method's scores minus the other's.
        clusters: for each column, what its images are; columns with the same images (one
            photograph at three noise levels) are resampled together.
        level: confidence level of the intervals.
        seed: of the resampling, so that the same records always give the same marks.

    Returns:
        The lower and the upper bounds, one for each pair. They are infinite where too few images
        differ to tell how much they vary, and where some scores of fewer than `MIN_RANKED` images
        are infinite; ``nan`` with a single image or scores infinite in both directions.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 12.5.
    """
    pairs = differences[0].shape[1]
    low, high = np.full(pairs, math.nan), np.full(pairs, math.nan)
    finite = np.all([np.isfinite(values).all(axis=0) for values in differences], axis=0)
    for pair in np.flatnonzero(~finite):
        low[pair], high[pair] = _extremes([values[:, pair] for values in differences])
    groups = together([values[:, finite] for values in differences], clusters)
    if not finite.any() or any(len(values) < MIN_IMAGES for values in groups):
        return low, high
    mean = np.sum([values.mean(axis=0) for values in groups], axis=0)
    error = np.sqrt(np.sum([_squared_error(values) for values in groups], axis=0))
    ratios = _studentised(groups, np.random.default_rng(seed))
    tail = int(RESAMPLES * (1 - level) / 2)
    constant = error <= ROUNDING * np.abs(mean)  # whatever the ratios of its rounding
    with np.errstate(invalid="ignore"):  # of an infinite ratio and no error
        bounds = (mean - ratios[-1 - tail] * error, mean - ratios[tail] * error)
    for bound, values in zip((low, high), bounds, strict=True):
        bound[finite] = np.where(constant, mean, values) / len(differences)
    return low, high


def together(differences: Sequence[Values], clusters: Sequence[Hashable]) -> list[Values]:
    """Return the differences of columns with the same images added up, image by image."""
    found: dict[Hashable, Values] = {}
    for values, cluster in zip(differences, clusters, strict=True):
        found[cluster] = found[cluster] + values if cluster in found else values
    return list(found.values())


def _squared_error(values: Values) -> Values:
    """Return the squared standard error of the mean over images."""
    variance: Values = values.var(axis=0, ddof=1) / len(values)
    return variance


def _studentised(groups: Sequence[Values], rng: np.random.Generator) -> Values:
    """Return each resample's deviation from the mean, over its own standard error, in order."""
    pairs = groups[0].shape[1]
    deviation, variance = np.zeros((RESAMPLES, pairs)), np.zeros((RESAMPLES, pairs))
    for values in groups:
        count = len(values)
        spread = values.std(axis=0)
        scaled = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
        means, squares = np.hsplit(_resampled(np.hstack([scaled, scaled**2]), rng), 2)
        squares -= means**2
        squares[squares < ROUNDING] = 0.0  # a resample of one image does not vary
        deviation += means * spread
        variance += squares * spread**2 / (count - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: Values = deviation / np.sqrt(variance)
    return np.sort(np.nan_to_num(ratios, nan=0.0, posinf=np.inf, neginf=-np.inf), axis=0)


def _resampled(values: Values, rng: np.random.Generator) -> Values:
    """Return the means of resamples of the rows, `RESAMPLES` for each column of values.

    All columns are resampled alike, by one product with how often each row is drawn; some resamples
    at a time, since a page of memory that is new costs more than what is written to it.
    """
    count = len(values)
    sizes = np.diff([*range(0, RESAMPLES, max(1, AT_ONCE // count)), RESAMPLES])
    means = []
    for size in sizes:
        place = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        often = np.bincount(place.ravel(), minlength=size * count).reshape(size, count)
        means.append(often.astype(np.float64) @ values / count)
    return np.concatenate(means)


def _extremes(differences: Sequence[Values]) -> tuple[float, float]:
    """Return the bounds that no mean can leave, for scores of which some are infinite."""
    fewest = min(map(len, differences))
    if fewest < MIN_IMAGES:
        return math.nan, math.nan
    with np.errstate(invalid="ignore"):  # inf - inf is nan, which counts as undecided
        low = float(np.mean([difference.min() for difference in differences]))
        high = float(np.mean([difference.max() for difference in differences]))
    if math.isnan(low + high):
        return math.nan, math.nan
    return (low, high) if fewest >= MIN_RANKED or low == high else (-math.inf, math.inf)


def paired_differences(a: Values, b: Values) -> Values:
    """Return ``a - b`` image by image; two equal infinite scores do not differ."""
    with np.errstate(invalid="ignore"):
        difference: Values = np.where(a == b, 0.0, a - b)
    return difference


def per_source(differences: Values, sources: Sequence[Hashable]) -> Values:
    """Return one observation for each photograph that images were made from.

    Ten hazy versions of one scene tell little more than one. The mean over the observations is the
    mean over the images, however many of them share a photograph.

    Args:
        differences: images x pairs.
        sources: for each image, what it was made from.

    Returns:
        Sources x pairs, in the order in which sources first appear.

    >>> per_source(np.array([[1.0], [3.0], [8.0], [8.0]]), ["a", "a", "b", "b"]).ravel().tolist()
    [2.0, 8.0]
    """
    index = {source: place for place, source in enumerate(dict.fromkeys(sources))}
    if len(index) == len(differences):
        return differences
    place = np.array([index[source] for source in sources])
    counts = np.bincount(place)[:, None]
    means = np.zeros((len(index), differences.shape[1]))
    np.add.at(means, place, differences / counts[place])
    overall = differences.mean(axis=0)
    with np.errstate(invalid="ignore"):  # of an infinite mean and itself
        weighted = overall + (means - overall) * counts * len(index) / len(differences)
    observations: Values = np.where(np.isfinite(overall), weighted, means)
    return observations


def signed_rank(differences: Values) -> float:
    """Return the two-sided p value of Wilcoxon's signed-rank test.

    Args:
        differences: one method's scores minus the other's, source by source.

    Returns:
        p; 1 where nothing differs at all, ``nan`` for fewer than six sources, where the test
        cannot reject at 5 % whatever they are.

    Source:
        Wilcoxon (1945), as `scipy.stats.wilcoxon` computes it: exactly for up to 50 differences,
        by the normal approximation for more. Differences of zero are left out.

    >>> signed_rank(np.array([0.1, 0.3, 0.2, 0.5, 0.4, 0.6]))
    0.03125
    """
    if len(differences) < MIN_RANKED or np.isnan(differences).any():
        return math.nan
    differing = differences[differences != 0]
    if not len(differing):
        return 1.0
    # Said, since scipy would try all 2^n signs in Python wherever two differences are equal.
    how: Literal["exact", "approx"] = "exact" if len(differing) <= EXACT_RANKS else "approx"
    return float(wilcoxon(differing, method=how).pvalue)


def holm(p_values: Values) -> Values:
    """Return p values corrected for their number, so that one false rejection is as rare as said.

    Args:
        p_values: of all tests of a family; ``nan`` stands for a test that was not made.

    Source:
        Holm, A simple sequentially rejective multiple test procedure (1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    corrected = np.full(len(p_values), math.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return corrected


def detectable(differences: Sequence[Values], clusters: Sequence[Hashable]) -> float:
    """Return the smallest difference of means that so many images, so spread, show mostly.

    That is what a paired t test at 5 % finds in 80 % of all draws of the images. The bootstrap
    interval that decides marks finds it as often from 15 images on, a little less often below.

    Args:
        differences: for each column, one method's scores minus the other's, source by source.
        clusters: for each column, what its images are.

    Returns:
        The difference in the metric's unit; ``nan`` for fewer than four sources or infinite scores.
    """
    groups = together(differences, clusters)
    few = any(len(values) < MIN_DETECTABLE for values in groups)
    if few or not all(np.isfinite(values).all() for values in groups):
        return math.nan
    parts = [float(_squared_error(values)) for values in groups]
    error = math.sqrt(sum(parts))
    if error == 0:
        return 0.0
    # Welch and Satterthwaite's degrees of freedom.
    freedom = sum(parts) ** 2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, groups, strict=True))
    return error * _standard_errors(round(freedom, 6)) / len(differences)


@cache
def _standard_errors(freedom: float) -> float:
    """Return how many standard errors a difference must have to be found with `POWER`."""
    bound = t.ppf((1 + LEVEL) / 2, freedom)

    def lacking(shift: float) -> float:
        return float(nct.sf(bound, freedom, shift) + nct.cdf(-bound, freedom, shift)) - POWER

    return float(brentq(lacking, 0, 2 * bound + 2))


def win_rate(differences: Values, *, higher: bool) -> float:
    """Return the share of images on which the first method is better; a tie is half a win.

    >>> win_rate(np.array([0.2, -0.1, 0.0, 0.3]), higher=True)
    0.625
    """
    ahead = differences if higher else -differences
    return float(np.mean(ahead > 0) + np.mean(ahead == 0) / 2)


def leaders(
    means: Mapping[str, float], separated: Collection[frozenset[str]], *, higher: bool
) -> tuple[set[str], set[str]]:
    """Return the methods that are best and second, ties included.

    The best group is the method of the best mean and all that are not separated from it; the
    second group is made the same way of those that remain. Both are empty if no method is
    separated from the best, since nothing can be said then.

    Args:
        means: by method.
        separated: the pairs of methods whose paired interval of the difference leaves out zero.
        higher: whether more is better.
    """
    best = _top_group(means, separated, higher)
    rest = {name: mean for name, mean in means.items() if name not in best}
    return (best, _top_group(rest, separated, higher)) if rest else (set(), set())


def _top_group(
    means: Mapping[str, float], separated: Collection[frozenset[str]], higher: bool
) -> set[str]:
    sign = 1 if higher else -1
    top = max(means, key=lambda name: sign * means[name], default="")
    return {name for name in means if frozenset((top, name)) not in separated}
