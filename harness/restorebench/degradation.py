"""`Degradation`: what turns a clean photograph into the image a method is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
"""H x W x 3, RGB, in [0, 1]."""


class Rng(Protocol):
    """What numpy's `Generator` and the older `RandomState` have in common."""

    def standard_normal(self, size: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw normal values of mean 0 and standard deviation 1."""

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw values uniform in [low, high)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A clean photograph, and how far away each pixel is where that is known."""

    image: Image
    depth: NDArray[np.float64] | None = None
    """H x W, relative distance in [0, 1]: 0 nearest, 1 farthest."""


class Degradation(ABC):
    """One way to spoil a photograph; its parameters are fields of a frozen dataclass.

    Deterministic: the same scene, parameters and generator state give the same image.
    """

    @abstractmethod
    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Return the degraded image, in [0, 1], of the same shape; the scene is left alone.

        Args:
            scene: the photograph as it is before this degradation.
            rng: the only source of randomness.
        """
