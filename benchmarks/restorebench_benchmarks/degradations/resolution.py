"""Low resolution: a smaller image, enlarged again so that networks that keep the size take it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorebench.degradation import Image, Rng, Scene
from restorebench_benchmarks.degradations.interval import Interval, Ranged, check_interval
from restorebench_benchmarks.degradations.resize import imresize


@dataclass(frozen=True, slots=True, kw_only=True)
class LowResolution(Ranged):
    """Bicubic down-sampling by ``scale``, and bicubic up-sampling back to the size it had.

    ``y = U_s(Q(D_s(Q(x))))``: D and U are MATLAB's imresize, Q the rounding to 8 bit of an image
    file. D_s makes ``ceil(H / s)`` rows; U_s is cut to the first H, which keeps the images aligned.

    Source:
        NDR-Restore (Yao et al., TIP 2024), tables IV and VI, scores 2x super-resolution alone and
        on top of noise, rain and haze, but has released no protocol for it. Going down and up
        again is this harness's own, as is the order (degrade first, then shrink), which paired
        sets leave no choice in. Numbers do not compare with that paper's.
    """

    scale: Interval
    """By how much each side shrinks; 1 changes nothing but the rounding."""

    def __post_init__(self) -> None:
        check_interval("scale", self.scale, low=1, high=16)

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Shrink the scene and enlarge it again."""
        (scale,) = self.numbers(rng)
        height, width = scene.image.shape[:2]
        small = imresize(np.rint(scene.image * 255).astype(np.uint8), 1 / scale)
        image: Image = imresize(small, scale)[:height, :width] / 255.0
        return image
