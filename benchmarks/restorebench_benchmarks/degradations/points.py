"""Drawing with points between the pixels, which is what makes streaks and paths smooth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def splat(rows: Array, columns: Array, weights: Array, shape: tuple[int, int]) -> Array:
    """Add weighted points to an empty grid, each shared bilinearly by its four nearest pixels.

    Args:
        rows: positions in pixels, any shape; whole numbers are the centres of pixels.
        columns: as ``rows``.
        weights: what each point adds in all, same shape; points outside the grid add nothing.
        shape: height and width of the grid.

    >>> splat(np.array([0.0]), np.array([0.25]), np.array([1.0]), (1, 2))
    array([[0.75, 0.25]])
    """
    height, width = shape
    grid = np.zeros(height * width)
    for y in (np.floor(rows), np.floor(rows) + 1):
        for x in (np.floor(columns), np.floor(columns) + 1):
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            share = weights * (1 - abs(rows - y)) * (1 - abs(columns - x))
            pixels = (y * width + x)[inside].astype(np.intp)
            grid += np.bincount(pixels, share[inside], minlength=grid.size)
    return grid.reshape(shape)
