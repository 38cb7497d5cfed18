"""Paired statistics with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from restorebench.statistics import leaders, paired_interval, separated


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("images", [5, 15, 68, 100])
def test_the_interval_keeps_its_level_for_few_images_and_many(images: int) -> None:
    simulations = [rng(seed).normal(0, 1, images) for seed in range(1000)]
    bounds = np.array([paired_interval([values], ["set"]) for values in simulations])
    low, high = bounds.T
    # 0.95 and 0.025 within three standard errors of 1,000 trials.
    assert 0.929 <= np.mean((low <= 0) & (high >= 0)) <= 0.971
    assert np.mean(high < 0) <= 0.040


@pytest.mark.parametrize("images", [15, 68])
def test_the_interval_nearly_keeps_its_level_for_skewed_differences(images: int) -> None:
    simulations = [rng(seed).exponential(1, images) for seed in range(500)]
    bounds = np.array([paired_interval([values], ["set"]) for values in simulations])
    low, high = bounds.T
    assert 0.92 <= np.mean((low <= 1) & (high >= 1)) <= 0.98


def test_the_level_is_kept_over_columns_of_shared_and_of_other_images() -> None:
    covered = 0
    for seed in range(300):
        shared, other = rng(seed).normal(0, 1, 20), rng(seed + 1000).normal(0, 1, 8)
        again = shared + rng(seed + 2000).normal(0, 0.3, 20)
        low, high = paired_interval([shared, again, other], ["a", "a", "b"])
        covered += low <= 0 <= high
    assert 0.91 <= covered / 300 <= 0.99


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
    assert separated([better], [images], ["set"])


def test_a_constant_difference_is_a_difference_and_none_is_none() -> None:
    a = rng().normal(30, 3, 10)
    assert separated([a + 0.01], [a], ["set"])
    assert not separated([a], [a], ["set"])


def test_images_shared_by_columns_are_resampled_together() -> None:
    one = rng().normal(0.0, 1, 50)
    shared = paired_interval([one, one, one], ["set"] * 3)
    apart = paired_interval([one, one, one], ["a", "b", "c"])
    single = paired_interval([one], ["set"])
    assert shared == pytest.approx(single)
    assert apart[1] - apart[0] < 0.75 * (shared[1] - shared[0])


def test_infinite_scores_are_tied_with_each_other_and_ahead_of_finite_ones() -> None:
    perfect, good = np.full(5, math.inf), np.full(5, 30.0)
    assert not separated([perfect], [perfect], ["set"])
    assert separated([perfect], [good], ["set"])


def test_ties_share_a_mark_and_lower_may_be_better() -> None:
    base = rng().normal(30, 3, 68)
    noise = rng(1).normal(0, 0.2, 68)
    scores = {"a": [base + 1], "b": [base + 1 + noise - noise.mean()], "c": [base], "d": [base - 1]}
    assert leaders(scores, ["set"], higher=True) == ({"a", "b"}, {"c"})
    assert leaders(scores, ["set"], higher=False) == ({"d"}, {"c"})


def test_a_column_in_which_nothing_is_separated_has_no_marks() -> None:
    few = [np.array([30.0, 31.0]), np.array([24.0, 33.0]), np.array([12.0, 34.0])]
    scores = {name: [values] for name, values in zip("abc", few, strict=True)}
    assert leaders(scores, ["set"], higher=True) == (set(), set())


@pytest.mark.parametrize(
    "scores",
    [{"a": [np.array([30.0, 31.0])]}, {"a": [np.array([30.0])], "b": [np.array([20.0])]}, {}],
    ids=["one method", "one image", "nothing"],
)
def test_nothing_is_marked_where_nothing_can_be_said(scores: dict[str, list[np.ndarray]]) -> None:
    assert leaders(scores, ["set"], higher=True) == (set(), set())
