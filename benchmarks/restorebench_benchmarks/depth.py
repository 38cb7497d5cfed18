"""How far away the pixels of a photograph are: measured by a stereo pair, or made up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from restorebench.degradation import Rng

Array = NDArray[np.float64]

WAVES = 4
"""Frequencies along each axis of the made-up depth, in half periods over the image."""
UNEVENNESS = 0.15
"""How far the made-up depth strays from its ramp."""


def depth_from_disparity(disparity: NDArray[np.floating], *, offset: float = 0.0) -> Array:
    """Return the relative distance of each pixel, 0 for the nearest and 1 for the farthest.

    Distance is proportional to ``1 / (disparity + offset)``, as in any rectified stereo pair.

    Args:
        disparity: H x W in pixels. Infinite or NaN values, and those that put a pixel behind the
            cameras, are holes; a hole takes the disparity of the nearest known pixel.
        offset: horizontal distance of the two principal points in pixels, where they differ.

    Raises:
        ValueError: if there are only holes.

    >>> depth_from_disparity(np.array([[4.0, 2.0, np.inf, 1.0]]))
    array([[0.        , 0.33333333, 0.33333333, 1.        ]])
    """
    known = np.isfinite(disparity) & (disparity + offset > 0)
    if not known.any():
        raise ValueError("the disparity map has no finite value in front of the cameras")
    rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return _relative(1 / (disparity[rows, columns].astype(np.float64) + offset))


def plausible_depth(shape: tuple[int, int], rng: Rng) -> Array:
    """Return a depth for a photograph of which none is known, H x W over [0, 1].

    A ramp from far at the top to near at the bottom, as of open ground under a sky, with smooth
    hills and hollows: the lowest waves of a cosine transform, of random heights.
    """
    height, width = shape
    order = np.arange(WAVES) + np.arange(WAVES)[:, None]
    heights = rng.standard_normal((WAVES, WAVES)) / (1 + order)
    hills = _waves(height) @ heights @ _waves(width).T
    ramp = 1 - (np.arange(height)[:, None] + 0.5) / height
    return _relative(ramp + UNEVENNESS * hills)


def _relative(distance: Array) -> Array:
    """Shift and scale to [0, 1]; where all is at one distance, all is nearest."""
    nearest, farthest = float(distance.min()), float(distance.max())
    return (distance - nearest) / ((farthest - nearest) or 1.0)


def _waves(size: int) -> Array:
    positions = (np.arange(size) + 0.5) / size
    waves: Array = np.cos(np.pi * positions[:, None] * np.arange(WAVES))
    return waves
