"""Blur: the camera moves while the shutter is open, or its lens is set to another distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from restorebench.degradation import Image, Rng, Scene
from restorebench_benchmarks.degradations.interval import Interval, Ranged, check_interval
from restorebench_benchmarks.degradations.light import to_linear, to_stored
from restorebench_benchmarks.degradations.points import splat

Array = NDArray[np.float64]

BENDS = 3
"""Cosine waves that a path's heading is made of; more would tremble."""
POINTS_PER_PIXEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionBlur(Ranged):
    """Blur along the smooth random path of a shaken camera, the same for all pixels.

    ``B = g(k * g^-1(S))``: the kernel k averages linear light, since that is what a sensor
    collects while the shutter is open, so highlights smear as they do in photographs; g is the
    transfer function of sRGB. The border is reflected.

    Source:
        Nah et al., Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring,
        CVPR 2017, equations 1 and 2: GoPro averages frames of a film so. Paths as kernels:
        Boracchi and Foi, Modeling the Performance of Image Restoration from Motion Blur, TIP 2012.
    """

    length: Interval
    """Of the path, in pixels; 0 does not blur."""
    angle: Interval
    """Degrees between the path's mean heading and the horizontal, -180 to 180."""
    curvature: Interval
    """How far the heading typically strays from its mean, in degrees; 0 is a straight path."""

    def __post_init__(self) -> None:
        check_interval("length", self.length)
        check_interval("angle", self.angle, low=-180, high=180)
        check_interval("curvature", self.curvature)

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Blur the scene."""
        return _blurred(scene.image, self.kernel(rng))

    def kernel(self, rng: Rng) -> Array:
        """Return a square kernel of odd size that sums to 1, the path's mean at its centre."""
        length, angle, curvature = self.numbers(rng)
        bends = rng.standard_normal((BENDS,))
        time = np.linspace(0, 1, math.ceil(length * POINTS_PER_PIXEL) + 1)
        orders = np.arange(1, BENDS + 1)
        heading = np.cos(np.pi * time[:, None] * orders) @ (bends / orders)
        path = length * np.exp(1j * np.deg2rad(angle + curvature * heading)).cumsum() / time.size
        path -= path.mean()
        radius = math.ceil(max(abs(path.real).max(), abs(path.imag).max()))
        rows, columns = radius - path.imag, radius + path.real
        weights = np.full(time.size, 1 / time.size)
        return splat(rows, columns, weights, (2 * radius + 1, 2 * radius + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DefocusBlur(Ranged):
    """Blur by a lens out of focus, the same for all pixels: every point becomes a disc.

    ``B = g(k * g^-1(S))`` as for `MotionBlur`, with k constant over a disc, the image of the
    round aperture; pixels on its rim count by how far they lie inside. The border is reflected.

    Source:
        Potmesil and Chakravarty, A Lens and Aperture Camera Model for Synthetic Image Generation,
        SIGGRAPH 1981: the circle of confusion.
    """

    radius: Interval
    """Of the circle of confusion, in pixels; 0 does not blur."""

    def __post_init__(self) -> None:
        check_interval("radius", self.radius, high=100)

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Blur the scene."""
        (radius,) = self.numbers(rng)
        return _blurred(scene.image, disc(radius))


def disc(radius: float) -> Array:
    """Return a disc with a soft rim of one pixel, as a square of odd size that sums to 1.

    >>> disc(1).round(3)
    array([[0.026, 0.15 , 0.026],
           [0.15 , 0.299, 0.15 ],
           [0.026, 0.15 , 0.026]])
    """
    reach = math.ceil(radius)
    offsets = np.arange(-reach, reach + 1)
    inside = (radius + 0.5 - np.hypot(offsets[:, None], offsets)).clip(0, 1)
    kernel: Array = inside / inside.sum()
    return kernel


def _blurred(image: Image, kernel: Array) -> Image:
    """Average linear light by a square kernel of odd size."""
    radius = kernel.shape[0] // 2
    light = to_linear(image)
    padded = np.pad(light, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    blurred = fftconvolve(padded, kernel[..., None], mode="valid", axes=(0, 1))
    return to_stored(blurred.clip(0, 1)).clip(0, 1)
