"""Paired statistics with known answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from restorebench.statistics import (
    Values,
    detectable,
    holm,
    leaders,
    paired_differences,
    paired_interval,
    paired_intervals,
    per_source,
    signed_rank,
    win_rate,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def separated(a: Values, b: Values) -> bool:
    low, high = paired_interval([paired_differences(a, b)], ["set"])
    return low > 0 or high < 0


def groups(scores: dict[str, Values], *, higher: bool) -> tuple[set[str], set[str]]:
    apart = {frozenset(p) for p in combinations(scores, 2) if separated(scores[p[0]], scores[p[1]])}
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    return leaders(means, apart, higher=higher)


def draws(draw: Callable[[np.random.Generator], Values], count: int) -> Values:
    """Return images x draws: what a simulation draws from each of its generators."""
    return np.stack([draw(rng(seed)) for seed in range(count)], axis=1)


@pytest.mark.parametrize("images", [5, 15, 68, 100])
def test_the_interval_keeps_its_level_for_few_images_and_many(images: int) -> None:
    simulations = draws(lambda each: each.normal(0, 1, images), 1000)
    low, high = paired_intervals([simulations], ["set"])
    # 0.95 and 0.025 within three standard errors of 1,000 trials.
    assert 0.929 <= np.mean((low <= 0) & (high >= 0)) <= 0.971
    assert np.mean(high < 0) <= 0.040
    assert np.mean(low > 0) <= 0.040


@pytest.mark.parametrize("images", [15, 68])
def test_the_interval_nearly_keeps_its_level_for_skewed_differences(images: int) -> None:
    simulations = draws(lambda each: each.exponential(1, images), 500)
    low, high = paired_intervals([simulations], ["set"])
    assert 0.92 <= np.mean((low <= 1) & (high >= 1)) <= 0.98


def test_the_level_is_kept_over_columns_of_shared_and_of_other_images() -> None:
    shared = draws(lambda each: each.normal(0, 1, 20), 300)
    again = shared + rng().normal(0, 0.3, (20, 300))
    other = rng(1).normal(0, 1, (8, 300))
    low, high = paired_intervals([shared, again, other], ["a", "a", "b"])
    assert 0.91 <= np.mean((low <= 0) & (high >= 0)) <= 0.99


def test_three_images_decide_nothing_unless_they_agree() -> None:
    assert paired_interval([np.array([1.0, 1.2, 1.1])], ["set"]) == (-math.inf, math.inf)
    assert paired_interval([np.full(3, 0.1)], ["set"]) == pytest.approx((0.1, 0.1))
    assert all(map(math.isnan, paired_interval([np.array([1.0])], ["set"])))


def test_the_interval_scales_and_turns_with_the_differences() -> None:
    values = rng().exponential(1, 12)
    low, high = paired_interval([values], ["set"])
    assert paired_interval([1000 * values], ["set"]) == pytest.approx((1000 * low, 1000 * high))
    assert paired_interval([-values], ["set"]) == pytest.approx((-high, -low))


def test_pairing_sees_what_the_spread_of_the_images_hides() -> None:
    images = rng().normal(30, 5, 68)
    better = images + 0.1 + rng(1).normal(0, 0.05, 68)
    assert separated(better, images)


def test_a_constant_difference_is_a_difference_and_none_is_none() -> None:
    a = rng().normal(30, 3, 10)
    assert separated(a + 0.01, a)
    assert not separated(a, a)


def test_many_pairs_have_the_intervals_that_each_has_alone() -> None:
    first, second = rng().normal(0, 1, (20, 4)), rng(1).exponential(2, (9, 4))
    first[:, 1], second[:, 1] = 0.25, 0.25  # the same everywhere
    first[3, 2] = math.inf
    low, high = paired_intervals([first, second], ["a", "b"])
    for pair in range(4):
        alone = paired_interval([first[:, pair], second[:, pair]], ["a", "b"])
        assert (low[pair], high[pair]) == pytest.approx(alone, nan_ok=True)
    assert (low[1], high[1]) == pytest.approx((0.25, 0.25))
    assert high[2] == math.inf


def test_it_does_not_matter_how_many_resamples_are_drawn_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = [rng(1).normal(0, 1, (9, 4)), rng(2).normal(0.5, 1, (20, 4))]
    known = paired_intervals(columns, ["nine", "twenty"])
    for count in (1, 2**30):
        monkeypatch.setattr("restorebench.statistics.AT_ONCE", count)
        assert np.allclose(paired_intervals(columns, ["nine", "twenty"]), known, rtol=1e-12)


def test_images_shared_by_columns_are_resampled_together() -> None:
    one = rng().normal(0.0, 1, 50)
    shared = paired_interval([one, one, one], ["set"] * 3)
    apart = paired_interval([one, one, one], ["a", "b", "c"])
    single = paired_interval([one], ["set"])
    assert shared == pytest.approx(single)
    assert apart[1] - apart[0] < 0.75 * (shared[1] - shared[0])


def test_the_level_is_kept_where_images_share_a_photograph() -> None:
    """Ten images of one scene differ alike: taken one by one, the interval is far too narrow."""
    sources = [scene for scene in range(12) for _ in range(10)]
    values = np.repeat(rng().normal(0, 1, (12, 300)), 10, axis=0) + rng(1).normal(
        0, 0.3, (120, 300)
    )
    low, high = paired_intervals([per_source(values, sources)], ["set"])
    assert 0.91 <= np.mean((low <= 0) & (high >= 0)) <= 0.99
    low, high = paired_intervals([values], ["set"])
    assert np.mean((low <= 0) & (high >= 0)) < 0.6


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 99))
def test_the_mean_over_sources_is_the_mean_over_images(sources: list[int], seed: int) -> None:
    values = rng(seed).normal(0, 1, (len(sources), 2))
    observations = per_source(values, sources)
    assert len(observations) == len(set(sources))
    assert observations.mean(axis=0) == pytest.approx(values.mean(axis=0))


def test_an_infinite_score_stays_one_observation() -> None:
    values = np.array([[math.inf, 1.0], [2.0, 2.0], [3.0, 3.0]])
    assert per_source(values, ["a", "a", "b"])[:, 0].tolist() == [math.inf, 3.0]


def test_infinite_scores_are_tied_with_each_other_and_ahead_of_finite_ones() -> None:
    perfect, good = np.full(5, math.inf), np.full(5, 30.0)
    assert not separated(perfect, perfect)
    assert separated(perfect, good)


@pytest.mark.parametrize(
    ("scores", "interval"),
    [
        ([math.inf], (math.nan, math.nan)),
        ([0.001, math.inf], (-math.inf, math.inf)),
        ([0.001] * 4 + [math.inf], (-math.inf, math.inf)),
        ([0.001] * 5 + [math.inf], (0.001, math.inf)),
        ([math.inf] * 2, (math.inf, math.inf)),
    ],
)
def test_a_few_images_decide_no_more_where_one_is_perfect(
    scores: list[float], interval: tuple[float, float]
) -> None:
    assert paired_interval([np.array(scores)], ["set"]) == pytest.approx(interval, nan_ok=True)


def test_ties_share_a_mark_and_lower_may_be_better() -> None:
    base = rng().normal(30, 3, 68)
    noise = rng(1).normal(0, 0.2, 68)
    scores = {"a": base + 1, "b": base + 1 + noise - noise.mean(), "c": base, "d": base - 1}
    assert groups(scores, higher=True) == ({"a", "b"}, {"c"})
    assert groups(scores, higher=False) == ({"d"}, {"c"})


@pytest.mark.parametrize(
    "scores",
    [
        {"a": np.array([30.0, 31.0]), "b": np.array([24.0, 33.0]), "c": np.array([12.0, 34.0])},
        {"a": np.array([30.0, 31.0])},
        {"a": np.array([30.0]), "b": np.array([20.0])},
        {},
    ],
    ids=["nothing is separated", "one method", "one image", "nothing"],
)
def test_nothing_is_marked_where_nothing_can_be_said(scores: dict[str, Values]) -> None:
    assert groups(scores, higher=True) == (set(), set())


def test_the_signed_rank_test_is_scipys_and_refused_for_few_sources() -> None:
    values = rng().normal(0.3, 1, 30)
    assert signed_rank(values) == wilcoxon(values).pvalue
    # By hand: all of six positive is one of 2^6 sign patterns, its mirror image another.
    assert signed_rank(np.array([1, 2, 3, 4, 5, 6]) / 10) == 2 / 2**6
    assert signed_rank(np.full(6, 0.1)) == 2 / 2**6  # equal ones, too
    assert signed_rank(np.array([0, 0, 0, 0, 0, 1.0])) == 1  # one image differs: either sign
    assert math.isnan(signed_rank(np.arange(1.0, 6.0)))
    assert signed_rank(np.zeros(10)) == 1.0
    assert math.isnan(signed_rank(np.array([1, math.nan, 2, 3, 4, 5, 6])))


def test_holm_by_hand() -> None:
    p = np.array([0.04, math.nan, 0.005, 0.03, 0.9])
    # In order 0.005 x 4, 0.03 x 3, 0.04 x 2 (below the one before), 0.9 x 1.
    assert holm(p) == pytest.approx([0.09, math.nan, 0.02, 0.09, 0.9], nan_ok=True)
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1]
    assert holm(np.array([])).tolist() == []


def test_a_family_of_equal_methods_is_rarely_told_apart() -> None:
    """Three methods, four columns, no difference: 12 tests; Holm lets any pass in 5 % only."""
    uncorrected, corrected = [], []
    for seed in range(150):
        scores = rng(seed).normal(0, 1, (3, 4, 20))
        p = np.array(
            [signed_rank(a[i] - b[i]) for a, b in combinations(scores, 2) for i in range(4)]
        )
        uncorrected.append((p < 0.05).any())
        corrected.append((holm(p) < 0.05).any())
    # 0.05 within three standard errors of 150 families.
    assert np.mean(corrected) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
    assert np.mean(uncorrected) > 0.3


@pytest.mark.parametrize("images", [15, 68])
def test_a_detectable_difference_is_found_in_four_of_five_draws(images: int) -> None:
    sample = rng(7).normal(0, 1, images)
    sample = sample / sample.std(ddof=1)  # a spread of exactly one
    difference = detectable([sample], ["set"])
    found = difference + draws(lambda each: each.normal(0, 1, images), 1000)
    low, _ = paired_intervals([found], ["set"])
    # 0.80 within three standard errors of 1,000 draws; and half of it is found far less often.
    assert 0.76 <= np.mean(low > 0) <= 0.84
    low, _ = paired_intervals([found - difference / 2], ["set"])
    assert np.mean(low > 0) < 0.4


def test_what_is_detectable_scales_with_spread_and_images() -> None:
    values = rng().normal(0, 1, 40)
    one = detectable([values], ["set"])
    assert detectable([10 * values + 3], ["set"]) == pytest.approx(10 * one)
    # Nearly (t + z) / sqrt(n) standard deviations: 2.02 + 0.85 for 39 degrees of freedom.
    assert one == pytest.approx(2.87 * values.std(ddof=1) / math.sqrt(40), rel=0.01)
    assert detectable([values, values], ["set", "set"]) == pytest.approx(one)
    assert detectable([values, values[::-1]], ["a", "b"]) < 0.75 * one
    assert detectable([np.full(9, 0.3)], ["set"]) == 0
    assert math.isnan(detectable([values[:3]], ["set"]))
    assert math.isnan(detectable([np.array([1.0, 2, 3, math.inf])], ["set"]))


def test_the_win_rate_by_hand() -> None:
    differences = np.array([0.1, 0.2, -0.3, 0.0, 0.0])
    assert win_rate(differences, higher=True) == pytest.approx((2 + 1) / 5)
    assert win_rate(differences, higher=False) == pytest.approx((1 + 1) / 5)
