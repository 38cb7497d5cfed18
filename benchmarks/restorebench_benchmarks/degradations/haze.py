"""Haze: the farther, the more the scene gives way to the light of the air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorebench.degradation import Image, Rng, Scene
from restorebench_benchmarks.degradations.interval import Interval, Ranged, check_interval
from restorebench_benchmarks.depth import plausible_depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Haze(Ranged):
    """Atmospheric scattering: ``I = J t + A (1 - t)`` with ``t = exp(-beta d)``.

    d is the scene's depth; a scene without one is given `plausible_depth`.

    Source:
        Koschmieder 1924; He et al., Single Image Haze Removal Using Dark Channel Prior, CVPR
        2009, equations 1 and 2; RESIDE (Li et al., TIP 2019) makes SOTS-outdoor by it, applied as
        here to the stored values, with a grey A of 0.8 to 1.
    """

    beta: Interval
    """Optical thickness of the air between the nearest and the farthest point; 0 is clear."""
    airlight: Interval
    """A, the grey of infinitely thick haze, 0 to 1."""

    def __post_init__(self) -> None:
        check_interval("beta", self.beta)
        check_interval("airlight", self.airlight, high=1)

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Mix the scene with the airlight."""
        beta, airlight = self.numbers(rng)
        depth = scene.depth
        if depth is None:
            depth = plausible_depth(scene.image.shape[:2], rng)
        transmission = np.exp(-beta * depth)[..., None]
        hazy: Image = scene.image * transmission + airlight * (1 - transmission)
        return hazy.clip(0, 1)  # against rounding at the ends only
