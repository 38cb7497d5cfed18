"""`Protocol`: everything that moves a score without touching the method."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from restorebench.noise import NoiseScheme
from restorebench.spec import Name, Spec, digest


class ProtocolSpec(Spec):
    """A protocol as its YAML file states it; the noise scheme is named."""

    name: Name
    version: int
    """Raised whenever the same method would get another score."""
    title: str
    source: str
    """Whose evaluation code it reproduces."""
    colour: Literal["rgb"]
    """The space that scores are taken in."""
    value_range: Literal["float [0, 1], clamped"]
    """Range of the restored image and its target, and what happens to values outside."""
    rounding: Literal["none"]
    """Of the restored image, before it is scored."""
    centre_crop: int = Field(ge=1)
    """Input and target are cut to multiples of this; 1 keeps every pixel."""
    metrics: dict[str, str] = Field(min_length=1)
    """Column name to metric implementation, such as ``ssim: ssim_uniform7``."""
    noise: str
    """Name of the default noise scheme."""


class Protocol(Spec):
    """A protocol with the noise scheme that a run uses."""

    spec: ProtocolSpec
    noise: NoiseScheme

    @property
    def name(self) -> str:
        """The protocol's own name."""
        return self.spec.name

    @property
    def id(self) -> str:
        """Everything that moves the score, in one line; two scores compare only if it agrees."""
        s, metrics = self.spec, ",".join(f"{k}={v}" for k, v in self.spec.metrics.items())
        noise = f"{self.noise.name}:{self.noise.draw}:{self.noise.quantise}:{self.noise.seed}"
        return (
            f"{s.name}@{s.version}/{s.colour}/{s.value_range.replace(' ', '')}/"
            f"rounding={s.rounding}/crop{s.centre_crop}/{metrics}/noise={noise}"
        )

    @property
    def hash(self) -> str:
        """First 12 digits of the SHA-256 of the id."""
        return digest(self.id)[:12]

    def scored(self, restored: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the restored image as the metrics see it: clamped to [0, 1]."""
        return restored.clip(0, 1)
