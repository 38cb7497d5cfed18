"""Structural similarity in a sliding window, on arrays of numpy or torch alike.

Nothing here but slices and arithmetic, so the same lines run on the CPU and on a GPU. Images are
two-dimensional, H x (W C) with the channels of a pixel beside one another: a window's neighbour is
C columns away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp
from typing import Any, TypeAlias

Array: TypeAlias = Any
"""A numpy array or a torch tensor, float64: no type stands for both and their operators."""

C1, C2 = 0.01**2, 0.03**2


@dataclass(frozen=True, slots=True)
class Window:
    """A separable window, and how it estimates a variance."""

    side: int
    total: Callable[[Array, int], Array]
    """Weighted sum of ``side`` values of every row, each some columns from the last."""
    weight: float
    """What all weights of a window add up to."""
    sample: bool
    """Whether covariances are of a sample, as if all pixels of the window weighed the same."""


def similarity(
    x: Array, y: Array, window: Window, double: Callable[[Array], Array], rows: int = 0
) -> float:
    """Return the mean structural similarity over all places where the window fits.

    Args:
        x: H x W x C in [0, 1].
        y: the other image, same shape.
        window: both sides of the images are at least its own.
        double: converts to float64.
        rows: how many rows are worked on at once, so that they stay in a cache; 0 for all.

    Returns:
        The mean over channels and places.

    Source:
        Wang et al., Image Quality Assessment, TIP 2004, with K1 = 0.01 and K2 = 0.03.
    """
    height, width, channels = x.shape
    inner = height - window.side + 1
    x, y = x.reshape(height, -1), y.reshape(height, -1)
    total: float = 0.0
    for top in range(0, inner, rows or inner):
        strip = slice(top, min(top + (rows or inner), inner) + window.side - 1)
        total += float(_map(double(x[strip]), double(y[strip]), window, channels).sum())
    return total / float(inner * (width - window.side + 1) * channels)


def _map(x: Array, y: Array, window: Window, channels: int) -> Array:
    # Sum and difference need four filters, where the two images need five. Both sides of either
    # quotient are left multiplied by the squared weight and by what else would be divided by.
    sums, differences = x + y, x - y
    mean_sum, mean_difference = (_total(z, window, channels) for z in (sums, differences))
    sums *= sums
    differences *= differences
    power_sum, power_difference = (_total(z, window, channels) for z in (sums, differences))
    mean_sum *= mean_sum
    mean_difference *= mean_difference
    power_sum *= window.weight
    power_difference *= window.weight
    power_sum -= mean_sum
    power_difference -= mean_difference
    scale = 2 * window.weight**2
    # Covariances of a sample are larger by n / (n - 1).
    pixels = window.side**2
    quotient = _quotient(mean_sum, mean_difference, C1 * scale)
    quotient *= _quotient(
        power_sum, power_difference, C2 * scale * ((pixels - 1) / pixels if window.sample else 1.0)
    )
    return quotient


def _quotient(a: Array, b: Array, constant: float) -> Array:
    """Return (a - b + constant) / (a + b + constant); ``a`` is overwritten."""
    quotient = a - b
    quotient += constant
    a += b
    a += constant
    quotient /= a
    return quotient


def _total(z: Array, window: Window, channels: int) -> Array:
    """Return the window's weighted sum at every place where it fits."""
    # One row after the other is so many columns, if the rows lie end to end.
    columns = z.shape[-1]
    down = window.total(z.reshape(1, -1), columns).reshape(-1, columns)
    return window.total(down, channels)


def _uniform7(z: Array, step: int) -> Array:
    length = z.shape[-1] - 6 * step
    pairs = z[:, : 4 * step + length] + z[:, step : 5 * step + length]
    total = pairs[:, :length] + pairs[:, 2 * step : 2 * step + length]
    total += pairs[:, 4 * step :]
    total += z[:, 6 * step :]
    return total


def _gaussian11(z: Array, step: int) -> Array:
    length = z.shape[-1] - 10 * step
    total = z[:, 5 * step : 5 * step + length] * GAUSSIAN[5]
    for i, weight in enumerate(GAUSSIAN[:5]):
        near, far = i * step, (10 - i) * step
        total += (z[:, near : near + length] + z[:, far : far + length]) * weight
    return total


def _gaussian(side: int, sigma: float) -> tuple[float, ...]:
    weights = [exp(-((i - side // 2) ** 2) / (2 * sigma**2)) for i in range(side)]
    return tuple(weight / sum(weights) for weight in weights)


GAUSSIAN = _gaussian(11, 1.5)
UNIFORM7 = Window(7, _uniform7, weight=49, sample=True)
GAUSS11_SAMPLE = Window(11, _gaussian11, weight=1, sample=True)
GAUSS11 = Window(11, _gaussian11, weight=1, sample=False)
