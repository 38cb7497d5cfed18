"""Paired statistics with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from restorebench.statistics import leaders, paired_interval, separated


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interval_covers_the_truth_nearly_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(300):
        low, high = paired_interval([rng(seed).normal(0.3, 1, 68)], ["set"], seed=seed)
        covered += low <= 0.3 <= high
    assert 0.90 <= covered / 300 <= 0.99  # 0.95, within three standard errors of 300 trials


def test_no_difference_is_rarely_called_one() -> None:
    called = 0
    for seed in range(300):
        a = rng(seed).normal(30, 3, 68)
        called += separated([a + rng(seed + 1000).normal(0, 0.1, 68)], [a], ["set"])
    assert called / 300 < 0.10


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


@pytest.mark.parametrize(
    "scores",
    [{"a": [np.array([30.0, 31.0])]}, {"a": [np.array([30.0])], "b": [np.array([20.0])]}, {}],
    ids=["one method", "one image", "nothing"],
)
def test_nothing_is_marked_where_nothing_can_be_said(scores: dict[str, list[np.ndarray]]) -> None:
    assert leaders(scores, ["set"], higher=True) == (set(), set())
