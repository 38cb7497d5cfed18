"""`Protocol`: everything that moves a score without touching the method."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from restorebench.noise import NoiseScheme
from restorebench.record import Identity, Record
from restorebench.spec import Name, Spec, digest
from restorebench.tiling import Tiling

Float = NDArray[np.float32]


def _a_free_column(name: str) -> str:
    taken = Identity.model_fields.keys() | Record.model_fields.keys()
    if name in taken or not name.isidentifier():
        raise ValueError("a metric's column is one plain word, and none that the records use")
    return name


class ProtocolSpec(Spec):
    """A protocol as its YAML file states it; the noise scheme is named."""

    name: Name
    version: int
    """Raised whenever the same method would get another score."""
    title: str
    source: str
    """Whose evaluation code it reproduces."""
    colour: Literal["rgb", "y_limited"]
    """The space that scores are taken in: RGB, or luma of BT.601 in 16-235."""
    value_range: Literal["float [0, 1], clamped"]
    """Range of the restored image and its target, and what happens to values outside."""
    rounding: Literal["none", "uint8"]
    """Of the restored image and its target before they are scored, and of their luma."""
    centre_crop: int = Field(ge=1)
    """Input and target are cut to multiples of this; 1 keeps every pixel, and methods pad."""
    metrics: dict[Annotated[str, AfterValidator(_a_free_column)], str] = Field(min_length=1)
    """Column name to metric implementation, such as ``ssim: ssim_uniform7``."""
    noise: str
    """Name of the default noise scheme."""


class Protocol(Spec):
    """A protocol with the noise scheme, the precision and the tiling that a run uses."""

    spec: ProtocolSpec
    noise: NoiseScheme
    precision: str = "float32"
    """The type that networks compute in."""
    tiling: Tiling | None = None

    @property
    def name(self) -> str:
        """The protocol's own name."""
        return self.spec.name

    @property
    def id(self) -> str:
        """Everything that moves the score, in one line; two scores compare only if it agrees."""
        marks = [] if self.precision == "float32" else [self.precision]
        marks += [self.tiling.id] if self.tiling else []
        return "/".join([self._published_id, *marks])

    @property
    def title(self) -> str:
        """What a reader is told of it; whatever no paper does is named."""
        marks = [] if self.precision == "float32" else [f"in {self.precision}"]
        marks += [self.tiling.words] if self.tiling else []
        return ", ".join([self.spec.title, *marks])

    @property
    def _published_id(self) -> str:
        s, metrics = self.spec, ",".join(f"{k}={v}" for k, v in self.spec.metrics.items())
        return (
            f"{s.name}@{s.version}/{s.colour}/{s.value_range.replace(' ', '')}/"
            f"rounding={s.rounding}/crop{s.centre_crop}/{metrics}/noise={self.noise.id}"
        )

    @property
    def hash(self) -> str:
        """First 12 digits of the SHA-256 of the id."""
        return digest(self.id)[:12]

    def seen(self, image: Float) -> Float:
        """Return an image, restored or target, as the metrics see it.

        Args:
            image: H x W x 3, RGB; values outside [0, 1] are clamped.

        Returns:
            H x W x 3, or H x W x 1 for luma, in [0, 1], where 1 is level 255.
        """
        rounded = self.spec.rounding == "uint8"
        shown: Float = image.clip(0, 1)
        if rounded:
            shown = np.rint(shown * np.float32(255)) / np.float32(255)
        if self.spec.colour == "y_limited":
            shown = luma(shown, rounded=rounded)
        return shown


def luma(rgb: Float, *, rounded: bool = False) -> Float:
    """Return the luma of an image as MATLAB's ``rgb2ycbcr`` has it, in 16/255 .. 235/255.

    Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255 with R, G, B in [0, 1] (ITU-R BT.601).

    Args:
        rgb: H x W x 3 in [0, 1].
        rounded: to whole levels, halves up, as MATLAB does for 8-bit images.

    Returns:
        H x W x 1.

    >>> (luma(np.array([[[0, 0, 0], [1, 1, 1]]], np.float32)) * 255).ravel().tolist()
    [16.0, 235.0]
    """
    levels = rgb.astype(np.float64) @ [65.481, 128.553, 24.966] + 16
    if rounded:
        levels = np.floor(levels + 0.5)
    return (levels[..., None] / 255).astype(np.float32)
