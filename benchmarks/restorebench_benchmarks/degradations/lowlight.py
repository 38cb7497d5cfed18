"""Low light: too few photons, so the image is dark and noisy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorebench.degradation import Image, Rng, Scene
from restorebench_benchmarks.degradations.interval import Interval, Ranged, check_interval
from restorebench_benchmarks.degradations.light import to_linear, to_stored


@dataclass(frozen=True, slots=True, kw_only=True)
class LowLight(Ranged):
    """A short exposure with the noise of its sensor.

    In linear light, ``d = gain x^gamma`` and ``y = d + n`` with ``n ~ N(0, shot d + read^2)``
    for every pixel and channel; y is clipped to [0, 1] and stored as sRGB. Rounding to 8 bit is
    left to the protocol.

    Source:
        Noise: Foi et al., Practical Poissonian-Gaussian Noise Modeling and Fitting for
        Single-Image Raw-Data, TIP 2008, the normal approximation. What it imitates: LOL, Wei et
        al., Deep Retinex Decomposition for Low-Light Enhancement, BMVC 2018.
    """

    gain: Interval
    """Exposure against that of the clean photograph, in linear light, 0 to 1."""
    gamma: Interval
    """Contrast of the dark image; 1 keeps that of the scene, more darkens shadows further."""
    shot: Interval
    """Variance of the photon noise at full light, which is 1: the inverse of the full well."""
    read: Interval
    """Standard deviation of the sensor's own noise, in linear light."""

    def __post_init__(self) -> None:
        check_interval("gain", self.gain, high=1)
        check_interval("gamma", self.gamma, low=0.1)
        check_interval("shot", self.shot)
        check_interval("read", self.read)

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Darken the scene and add the noise."""
        gain, gamma, shot, read = self.numbers(rng)
        dark = gain * to_linear(scene.image) ** gamma
        deviation = np.sqrt(shot * dark + read**2)
        noisy = dark + deviation * rng.standard_normal(dark.shape)
        return to_stored(noisy.clip(0, 1)).clip(0, 1)
