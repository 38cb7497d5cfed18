"""What is gained at what cost, with known fronts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.pareto import costs_at, on_front
from restorebench.errors import UsageError

from .boards import board_of, column, row, spread

COSTS = pd.DataFrame(
    [
        {"method": name, "size": size, "batch": 1, "precision": "float32", "device": "cpu",
         "threads": 1, "parameters": parameters, "macs": parameters * size, "latency_ms": None}
        for size in (128, 256)
        for name, parameters in (("a", 10.0), ("b", 20.0), ("c", 5.0))
    ]
).astype({"latency_ms": float})  # fmt: skip
POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8)


def test_the_front_by_hand() -> None:
    costs, scores = np.array([1.0, 2, 2, 3, 1]), np.array([20.0, 25, 24, 25, 20])
    assert on_front(costs, scores, higher=True).tolist() == [True, True, False, False, True]
    assert on_front(costs, -scores, higher=False).tolist() == [True, True, False, False, True]


@given(POINTS)
def test_no_point_of_the_front_is_beaten_and_every_other_is(points: list[tuple[int, int]]) -> None:
    costs, scores = (np.array(values, float) for values in zip(*points, strict=True))
    front = on_front(costs, scores, higher=True)
    for place, (cost, score) in enumerate(points):
        beaten = any(c <= cost and s >= score and (c < cost or s > score) for c, s in points)
        assert front[place] == (not beaten)


def test_costs_of_several_ways_must_be_told_apart() -> None:
    assert costs_at(COSTS, "parameters", {}).to_dict() == {"a": 10, "b": 20, "c": 5}
    assert costs_at(COSTS, "macs", {"size": 256})["a"] == 2560
    for cost, setting, message in (
        ("macs", {}, "macs was measured in several ways; say which: size 128; size 256"),
        ("energy", {}, "costs have no 'energy'"),
        ("macs", {"sise": 128}, "costs have no 'sise'"),
        ("latency_ms", {}, "no latency_ms is measured; run with --costs"),
        ("macs", {"size": 7}, "no macs is measured so"),
    ):
        with pytest.raises(UsageError, match=message):
            costs_at(COSTS, cost, setting)


def test_a_board_joins_costs_and_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    scores: dict[tuple[str, str], Any] = {
        ("a", "one"): spread(30, 0.9),
        ("b", "one"): spread(29, 0.8),
        ("c", "one"): spread(25, 0.7),
        ("d", "one"): spread(40, 0.9),
    }
    board = board_of([column("one")], [row(name) for name in "abcd"], scores)
    board = replace(board)
    monkeypatch.setattr(Leaderboard, "costs", COSTS)
    found = board.pareto("parameters")
    assert found.index.tolist() == ["c", "a", "b"]  # d has no cost, and is in no picture
    assert found["front"].tolist() == [True, True, False]
    assert found["psnr"].tolist() == pytest.approx([25, 30, 29])
    assert board.pareto("macs", "ssim", "one", {"size": 128})["macs"].tolist() == [640, 1280, 2560]
