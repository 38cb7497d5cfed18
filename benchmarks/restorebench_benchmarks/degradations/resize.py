"""Bicubic resizing that gives what MATLAB's ``imresize`` gives, which the field's sets rest on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUPPORT = 4
"""Width of the cubic kernel, in samples."""


def imresize(image: NDArray[Any], scale: float) -> NDArray[Any]:
    """Resize by bicubic interpolation, antialiased where it shrinks.

    Sample i of the output lies at ``(i + 0.5) / scale - 0.5`` of the input and is the normalised
    mean of the input weighted by the cubic kernel, which is stretched by ``1 / scale`` where
    scale < 1. Beyond its border the image is mirrored, the border samples repeated. Rows are
    resized first. 8-bit images are rounded half up and clipped after each of the two passes, as
    MATLAB stores them; floating-point images are neither rounded nor clipped.

    Args:
        image: H x W x ..., uint8 or floating point of any range.
        scale: factor of both sides, above 0.

    Returns:
        ``ceil(H scale)`` x ``ceil(W scale)`` x ..., uint8 for uint8, else float64.

    Raises:
        ValueError: if the scale is not positive and finite.

    Source:
        The documented algorithm of MATLAB's imresize with 'bicubic': Keys, Cubic Convolution
        Interpolation for Digital Image Processing, TASSP 1981, equation 15 with a = -1/2.
    """
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be positive and finite, got {scale}")
    for axis in (0, 1):
        image = _resized(image, scale, axis)
    return image


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' kernel of a = -1/2.

    >>> cubic(np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    array([ 1.    ,  0.5625,  0.    , -0.0625,  0.    ])
    """
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _resized(image: NDArray[Any], scale: float, axis: int) -> NDArray[Any]:
    size = image.shape[axis]
    stretch = max(1.0, 1 / scale)
    centres = (np.arange(math.ceil(size * scale)) + 0.5) / scale - 0.5
    taps = math.ceil(SUPPORT * stretch) + 2
    positions = np.floor(centres - SUPPORT * stretch / 2)[:, None] + np.arange(taps)
    weights = cubic((centres[:, None] - positions) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    around = positions.astype(np.intp) % (2 * size)
    mirrored = np.minimum(around, 2 * size - 1 - around)

    rows = np.moveaxis(image, axis, 0)
    result = np.zeros((len(centres), *rows.shape[1:]))
    for tap in range(taps):
        share = weights[:, tap].reshape(-1, *[1] * (rows.ndim - 1))
        result += share * rows[mirrored[:, tap]]
    result = np.moveaxis(result, 0, axis)
    if image.dtype == np.uint8:
        return np.floor(result + 0.5).clip(0, 255).astype(np.uint8)
    return result
