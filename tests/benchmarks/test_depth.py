"""Depth: known planes, holes, order, and the stereo pair that scikit-image ships."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from restorebench_benchmarks.depth import depth_from_disparity, plausible_depth

disparities = arrays(np.float64, (4, 5), elements=st.floats(1, 100))


def test_a_plane_that_recedes_evenly_has_an_even_depth() -> None:
    distance = np.linspace(2, 6, 30)  # metres, along a wall that runs away from the camera
    depth = depth_from_disparity(np.tile(80 / distance, (20, 1)))
    np.testing.assert_allclose(depth, np.tile(np.linspace(0, 1, 30), (20, 1)), atol=1e-12)


def test_the_offset_of_the_principal_points_is_added() -> None:
    distance = np.linspace(2, 6, 30)[None]
    depth = depth_from_disparity(80 / distance - 5, offset=5)
    np.testing.assert_allclose(depth, np.linspace(0, 1, 30)[None], atol=1e-12)


@settings(deadline=None)
@given(disparity=disparities, offset=st.floats(0, 50))
def test_a_larger_disparity_is_never_farther(
    disparity: np.ndarray[tuple[int, int], np.dtype[np.float64]], offset: float
) -> None:
    depth = depth_from_disparity(disparity, offset=offset)
    nearest_first = np.argsort(-disparity, axis=None)
    assert (np.diff(depth.ravel()[nearest_first]) >= 0).all()
    assert depth.min() == 0
    assert depth.max() == (1 if np.ptp(1 / (disparity + offset)) > 0 else 0)


@pytest.mark.parametrize("unknown", [np.inf, -np.inf, np.nan, 0.0, -3.0])
def test_a_hole_takes_the_depth_of_its_nearest_neighbour(unknown: float) -> None:
    disparity = np.repeat([[40.0, 40.0, 40.0, 20.0, 10.0, 10.0, 10.0]], 5, axis=0)
    holes = disparity.copy()
    holes[2, [0, 1, 6]] = unknown
    np.testing.assert_array_equal(depth_from_disparity(holes), depth_from_disparity(disparity))


def test_the_disparity_is_left_alone() -> None:
    disparity = np.array([[3.0, np.inf], [np.nan, 1.0]])
    before = disparity.copy()
    depth_from_disparity(disparity)
    np.testing.assert_array_equal(disparity, before)


def test_a_map_of_holes_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite value in front of the cameras"):
        depth_from_disparity(np.array([[np.inf, np.nan, -1.0]]))


def test_the_motorcycle_stands_before_the_wall_of_its_garage() -> None:
    _, _, disparity = skimage.data.stereo_motorcycle()
    depth = depth_from_disparity(disparity, offset=32.778)
    tank, wall = depth[210:230, 430:460], depth[20:80, 20:60]
    assert tank.max() < 0.2
    assert wall.min() > 0.7


@settings(deadline=None, max_examples=30)
@given(height=st.integers(16, 60), width=st.integers(16, 60), seed=st.integers(0, 2**32))
def test_a_made_up_depth_falls_from_top_to_bottom_and_is_smooth(
    height: int, width: int, seed: int
) -> None:
    depth = plausible_depth((height, width), np.random.default_rng(seed))
    assert depth.shape == (height, width)
    assert depth.min() == 0
    assert depth.max() == 1
    assert depth[: height // 4].mean() > depth[-(height // 4) :].mean()
    assert max(np.abs(np.diff(depth, axis=a)).max() * depth.shape[a] for a in (0, 1)) < 5
