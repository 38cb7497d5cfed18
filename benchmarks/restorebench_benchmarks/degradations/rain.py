"""Rain: bright streaks in front of the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from restorebench.degradation import Image, Rng, Scene
from restorebench_benchmarks.degradations.interval import Interval, Ranged, check_interval
from restorebench_benchmarks.degradations.points import splat

Array = NDArray[np.float64]

NEAR_SHARE = 3
"""Every third streak is near, the others are far."""
FAR_SCALE = 0.55
"""Length, width and brightness of a far streak, against a near one."""
ANGLE_SPREAD = 3.0
"""Largest deviation of a streak from the image's angle, in degrees."""
SHORTEST, FAINTEST = 0.4, 0.15
"""Least length and brightness of a streak, against the longest and brightest of its layer."""
STEPS_PER_PIXEL = 1.5
"""Points along a streak; enough that the grid does not show through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RainStreaks(Ranged):
    """Semi-transparent rain streaks: ``O = clip(B + S, 0, 1)``, with S the same in R, G and B.

    S is a sum of straight streaks, bright in the middle and fading out to their ends and sides,
    of slightly different angle, length and brightness, in two layers: near ones, and twice as
    many smaller and fainter far ones. With the same generator state a denser or stronger rain
    contains the thinner or weaker one.

    Source:
        Yang et al., Deep Joint Rain Detection and Removal from a Single Image, CVPR 2017,
        equation 1 (``O = B + S``), by which Rain100L was made: the difference of its pairs is
        achromatic and does not depend on B, so nothing but addition is needed.
    """

    length: Interval
    """Of the longest near streaks, in pixels."""
    width: Interval
    """Of near streaks at half their brightness, in pixels."""
    angle: Interval
    """Degrees from the vertical, -90 to 90; positive leans like a slash."""
    strength: Interval
    """What the brightest streaks add at most, 0 to 1."""
    density: Interval
    """Streaks whose middle falls on an area of 100 x 100 pixels."""

    def __post_init__(self) -> None:
        check_interval("length", self.length, low=1)
        check_interval("width", self.width, low=0.5)
        check_interval("angle", self.angle, low=-90, high=90)
        check_interval("strength", self.strength, high=1)
        check_interval("density", self.density)

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Add the streaks and clip to [0, 1]."""
        shape = scene.image.shape[:2]
        length, width, angle, strength, density = self.numbers(rng)
        # Streaks that begin or end outside belong to the rain as well.
        area = shape[0] + 2 * length, shape[1] + 2 * length
        count = round(density * area[0] * area[1] / 100**2)
        # One row for each streak, so that more streaks are those of before and some more.
        streaks = rng.uniform(0.0, 1.0, (count, 5))
        streaks[:, :2] = streaks[:, :2] * area - length
        far = np.arange(count) % NEAR_SHARE != 0
        rain = _layer(streaks[~far], shape, length, width, angle)
        scale = FAR_SCALE
        rain += scale * _layer(streaks[far], shape, length * scale, width * scale, angle)
        return np.clip(scene.image + strength * rain[..., None], 0, 1)


def _layer(
    streaks: Array, shape: tuple[int, int], length: float, width: float, angle: float
) -> Array:
    """Draw streaks of one layer, H x W, the brightest reaching 1 where none overlap.

    Args:
        streaks: N x 5: row and column of the middle in pixels; shares in [0, 1) of length, angle
            and brightness.
        shape: height and width of the image.
        length: of the longest streak, in pixels.
        width: of all streaks at half their brightness, in pixels.
        angle: degrees from the vertical.
    """
    sigma = width / (2 * math.sqrt(2 * math.log(2)))
    margin = math.ceil(4 * sigma)  # streaks just outside reach into the image
    row, column, *shares = streaks.T[:, :, None]
    lengths = length * (SHORTEST + (1 - SHORTEST) * shares[0])
    angles = np.deg2rad(angle + ANGLE_SPREAD * (2 * shares[1] - 1))
    brightness = FAINTEST + (1 - FAINTEST) * shares[2] ** 2  # most streaks are faint

    along = np.linspace(-0.5, 0.5, math.ceil(length * STEPS_PER_PIXEL) + 1)
    profile = 1 - (2 * along) ** 4
    rows = row + margin + along * lengths * np.cos(angles)
    columns = column + margin - along * lengths * np.sin(angles)
    weights = brightness * lengths / along.size * profile
    lines = splat(rows, columns, weights, (shape[0] + 2 * margin, shape[1] + 2 * margin))
    # A line of density 1 has a peak of 1 / (sigma sqrt(2 pi)) after the blur.
    blurred = gaussian_filter(lines, sigma) * (sigma * math.sqrt(2 * math.pi))
    return blurred[margin : margin + shape[0], margin : margin + shape[1]]
