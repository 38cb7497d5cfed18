"""Motion blur: the camera moves while the shutter is open."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from restorebench.degradation import Degradation, Image, Rng, Scene
from restorebench_benchmarks.degradations.interval import Interval, check_interval, draw
from restorebench_benchmarks.degradations.light import to_linear, to_stored
from restorebench_benchmarks.degradations.points import splat

Array = NDArray[np.float64]

BENDS = 3
"""Cosine waves that a path's heading is made of; more would tremble."""
POINTS_PER_PIXEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionBlur(Degradation):
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
        kernel = self.kernel(rng)
        radius = kernel.shape[0] // 2
        light = to_linear(scene.image)
        padded = np.pad(light, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
        blurred = fftconvolve(padded, kernel[..., None], mode="valid", axes=(0, 1))
        return to_stored(blurred.clip(0, 1)).clip(0, 1)

    def kernel(self, rng: Rng) -> Array:
        """Return a square kernel of odd size that sums to 1, the path's mean at its centre."""
        length, angle = draw(self.length, rng), draw(self.angle, rng)
        curvature = draw(self.curvature, rng)
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
