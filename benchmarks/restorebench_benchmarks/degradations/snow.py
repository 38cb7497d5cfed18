"""Snow: opaque flakes in front of the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from restorebench.degradation import Image, Rng, Scene
from restorebench_benchmarks.degradations.interval import Interval, Ranged, check_interval
from restorebench_benchmarks.degradations.points import splat

Array = NDArray[np.float64]

LAYERS = (0.12, 0.2, 0.35, 0.6, 1.0)
"""Distances: size and motion of a flake against the nearest ones."""
NEARER = 0.5
"""How many flakes a layer has against the next farther one."""
ANGLE_SPREAD = 20.0
"""Largest deviation of a flake's path from the image's angle, in degrees."""
FAINTEST = 0.4
"""Least opacity of a flake, against the most opaque."""
STEPS_PER_PIXEL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snow(Ranged):
    """White flakes that hide what is behind them: ``K = J (1 - Z) + C Z`` with C = 1.

    Z in [0, 1] is the mask of the flakes: soft discs in five layers from many small and slow ones
    far away to few large and fast ones near by, each smeared along its own path, which makes it
    fainter. Where layers overlap, ``1 - Z`` is their product. With the same generator state a
    denser or more opaque snow contains the thinner one.

    Source:
        Liu et al., DesnowNet: Context-Aware Deep Network for Snow Removal, TIP 2018: the mask z
        and the blending of equation 1, there with a map of the flakes' colours for C.
    """

    size: Interval
    """Diameter of the nearest flakes at half their opacity, in pixels."""
    fall: Interval
    """How far the nearest flakes move while the shutter is open, in pixels."""
    angle: Interval
    """Degrees of the paths from the vertical, -90 to 90; positive leans like a slash."""
    opacity: Interval
    """How much the densest flakes hide, 0 to 1."""
    density: Interval
    """Flakes on an area of 100 x 100 pixels."""

    def __post_init__(self) -> None:
        check_interval("size", self.size, low=1, high=200)
        check_interval("fall", self.fall, high=500)
        check_interval("angle", self.angle, low=-90, high=90)
        check_interval("opacity", self.opacity, high=1)
        check_interval("density", self.density, high=1000)

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Cover the scene with flakes."""
        size, fall, angle, opacity, density = self.numbers(rng)
        shape = scene.image.shape[:2]
        margin = size + fall  # flakes whose middle lies outside reach in as well
        area = shape[0] + 2 * margin, shape[1] + 2 * margin
        count = round(density * area[0] * area[1] / 100**2)
        # One row for each flake, so that more flakes are those of before and some more.
        flakes = rng.uniform(0.0, 1.0, (count, 5))
        flakes[:, :2] = flakes[:, :2] * area - margin
        abundance = NEARER ** np.arange(len(LAYERS))
        layer = np.searchsorted(abundance.cumsum() / abundance.sum(), flakes[:, 4], side="right")
        clear = np.ones(shape)
        for index, scale in enumerate(LAYERS):
            mask = _mask(flakes[layer == index], shape, size * scale, fall * scale, angle)
            clear *= 1 - opacity * mask
        return 1 - (1 - scene.image) * clear[..., None]


def _mask(flakes: Array, shape: tuple[int, int], size: float, fall: float, angle: float) -> Array:
    """Draw the flakes of one layer, H x W in [0, 1].

    Args:
        flakes: N x 5: row and column of the middle in pixels; shares in [0, 1) of deviation from
            the angle and of opacity; the last is not used here.
        shape: height and width of the image.
        size: diameter of the flakes, in pixels.
        fall: length of their paths, in pixels.
        angle: degrees from the vertical.
    """
    flake = _flake(size)
    margin = flake.shape[0] // 2
    row, column, turn, opacity = flakes.T[:4, :, None]
    angles = np.deg2rad(angle + ANGLE_SPREAD * (2 * turn - 1))
    path = np.linspace(-fall / 2, fall / 2, math.ceil(fall * STEPS_PER_PIXEL) + 1)
    rows = row + margin + path * np.cos(angles)
    columns = column + margin - path * np.sin(angles)
    weights = np.broadcast_to(FAINTEST + (1 - FAINTEST) * opacity, rows.shape) / path.size
    points = splat(rows, columns, weights, (shape[0] + 2 * margin, shape[1] + 2 * margin))
    return fftconvolve(points, flake, mode="valid").clip(0, 1)


def _flake(size: float) -> Array:
    """Return a soft disc, 1 in the middle and 1/2 at the radius, as a square of odd size."""
    radius = math.ceil(size)
    offsets = np.arange(-radius, radius + 1)
    distance = np.hypot(offsets[:, None], offsets) / (size / 2)
    flake: Array = 0.5 ** (distance**3)
    return flake
