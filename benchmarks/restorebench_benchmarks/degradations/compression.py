"""JPEG: what is too fine or too faint for the file size is dropped."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import PIL.Image

from restorebench.degradation import Image, Rng, Scene
from restorebench_benchmarks.degradations.interval import Interval, Ranged, check_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class JPEG(Ranged):
    """JPEG compression: ``y = decode(encode(x, quality))``.

    In each block of 8 x 8 pixels the cosine coefficients of Y, Cb and Cr become multiples of the
    steps of a table that ``quality`` scales; Cb and Cr are halved in both directions (4:2:0).

    Source:
        ITU-T T.81; tables of its annex K, scaled by libjpeg's rule, through Pillow. The last bits
        depend on the version of libjpeg that Pillow carries.
    """

    quality: Interval
    """libjpeg's quality, 1 to 100, rounded to a whole number; less is a smaller, worse file."""

    def __post_init__(self) -> None:
        check_interval("quality", self.quality, low=1, high=100)

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Compress the scene, rounded to 8 bit, and read it back."""
        (quality,) = self.numbers(rng)
        file = BytesIO()
        pixels = np.rint(scene.image * 255).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(file, "JPEG", quality=round(quality), subsampling="4:2:0")
        with PIL.Image.open(file) as decoded:
            return np.asarray(decoded) / 255.0
