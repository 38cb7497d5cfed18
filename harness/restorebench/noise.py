"""Gaussian noise, and where its random numbers come from.

Papers add the noise while they evaluate, so the draw is part of the protocol. A `NoiseScheme` says
how; a `NoiseSource` hands out the generator of each image.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from restorebench.degradation import Degradation, Image, Rng, Scene
from restorebench.errors import ImageError
from restorebench.spec import Spec

Size = tuple[int, int]
"""Height and width after the protocol's crop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianNoise(Degradation):
    """Additive white Gaussian noise of standard deviation ``sigma`` on the 0-255 scale.

    ``y = clip(x + n, 0, 1)`` with ``n ~ N(0, (sigma / 255)^2)`` for every pixel and channel.
    """

    sigma: float

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < math.inf:
            raise ValueError(f"sigma must be at least 0 and finite, got {self.sigma}")
        # 25 and 25.0 are the same noise, and must give the same key.
        object.__setattr__(self, "sigma", float(self.sigma))

    def apply(self, scene: Scene, rng: Rng) -> Image:
        """Add the noise and clip to [0, 1]."""
        image: Image = np.clip(self.added(scene, rng), 0, 1)
        return image

    def added(self, scene: Scene, rng: Rng) -> Image:
        """Add the noise without clipping, as a scheme may demand."""
        # On the 0-255 scale, so that a later floor to 8 bit meets the values the scripts met.
        noise = rng.standard_normal(scene.image.shape)
        return (scene.image * 255 + noise * self.sigma) / 255


class NoiseScheme(Spec):
    """How a protocol draws and stores Gaussian noise."""

    name: str
    title: str
    draw: Literal["keyed", "per-image", "stream", "stream-continued"]
    """``keyed``: each image has a generator of its own, whatever else is run. ``per-image``: every
    image begins the same sequence anew. ``stream``: one sequence runs through the sorted images
    and starts anew for each task; ``stream-continued``: it runs on from task to task."""
    clip: bool
    """Whether the noisy image is clipped to [0, 1]."""
    quantise: Literal["floor", "round", "none"]
    """How the noisy image becomes 8 bit."""
    seed: int = 0

    @property
    def id(self) -> str:
        """Everything that moves the noise, in one word."""
        clip = "clip" if self.clip else "noclip"
        return f"{self.name}:{self.draw}:{clip}:{self.quantise}:{self.seed}"

    @property
    def streams(self) -> bool:
        """Whether an image's noise depends on the images before it."""
        return self.draw in ("stream", "stream-continued")

    @model_validator(mode="after")
    def _levels_end_at_black_and_white(self) -> Self:
        if not self.clip and self.quantise != "none":
            raise ValueError("noise that is not clipped cannot be quantised to 8 bit")
        return self


class NoiseSource:
    """The generators of one task's images under one scheme.

    Args:
        scheme: the protocol's scheme.
        dataset: name of the data set, part of an image's key.
        images: ids of the images of the whole set, in order; a stream runs through all of them,
            also those that a limit leaves out.
        sizes: their sizes after the crop, ``None`` for one that cannot be read; only a stream
            needs them.
        start: how many normal values earlier tasks have drawn from a continued stream; ``None``
            if nobody can tell.
    """

    def __init__(
        self,
        scheme: NoiseScheme,
        dataset: str,
        images: Sequence[str],
        sizes: Sequence[Size | None] = (),
        *,
        start: int | None = 0,
    ) -> None:
        self._scheme = scheme
        self._dataset = dataset
        self._images = list(images)
        self._sizes = list(sizes)
        self._start = start
        self._streams: dict[int, _Stream] = {}

    def generators(self, image: str, mix: Sequence[Degradation], draw: int = 0) -> list[Rng]:
        """Return one generator for each degradation of the mix.

        Args:
            image: which image.
            mix: what it is degraded with.
            draw: 0 for the benchmark; other numbers draw other noise, and nothing else anew.

        Raises:
            ImageError: if a stream passes an earlier image whose size is unknown, be it of this
                task or, if the stream continues, of an earlier one.
        """
        return [self._generator(image, mix, place, draw) for place in range(len(mix))]

    def _generator(self, image: str, mix: Sequence[Degradation], position: int, draw: int) -> Rng:
        degradation = mix[position]
        is_noise = isinstance(degradation, GaussianNoise)
        if self._scheme.draw == "per-image" and is_noise:
            return self._stream(draw).at(0)
        if self._scheme.streams and is_noise:
            if self._start is None:
                raise ImageError(
                    f"the {self._scheme.name} noise of this task depends on every image of the "
                    "tasks before it, and one cannot be read; mend that file or use the keyed noise"
                )
            return self._stream(draw).at(self._start + self._drawn_before(image))
        # Everything that defines the draw, and nothing that depends on what else is run.
        key = (self._scheme.seed, self._dataset, image, repr(degradation), position)
        return keyed(*key, draw if is_noise else 0)

    def _stream(self, draw: int) -> _Stream:
        return self._streams.setdefault(draw, _Stream(self._scheme.seed + draw))

    def _drawn_before(self, image: str) -> int:
        index = self._images.index(image)
        for name, size in zip(self._images[:index], self._sizes[:index], strict=True):
            if size is None:
                raise ImageError(
                    f"the {self._scheme.name} noise of {image} depends on {name}, "
                    "which cannot be read; mend that file or use the keyed noise"
                )
        return sum(values_of(size) for size in self._sizes[:index] if size is not None)


class _Stream:
    """numpy's legacy generator at any position of its sequence of normal values."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rewind()

    def _rewind(self) -> None:
        self._rng = np.random.RandomState(self._seed)
        self._position = 0

    def at(self, position: int) -> Rng:
        """Return a generator whose next normal value is number ``position`` of the sequence."""
        if position < self._position:
            self._rewind()
        while self._position < position:
            step = min(position - self._position, 1_000_000)
            self._rng.standard_normal(step)
            self._position += step
        twin = np.random.RandomState()
        twin.set_state(self._rng.get_state())
        return twin


def keyed(*key: int | str) -> np.random.Generator:
    """Return the generator that belongs to a key, on every machine the same."""
    digest = hashlib.sha256(json.dumps(key).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))


def draws_noise(mix: Sequence[Degradation]) -> bool:
    """Tell whether a mix adds Gaussian noise."""
    return any(isinstance(degradation, GaussianNoise) for degradation in mix)


def values_of(size: Size) -> int:
    """Return how many normal values the noise of an RGB image of this size takes."""
    return 3 * size[0] * size[1]


def degrade(
    scene: Scene, mix: Sequence[Degradation], rngs: Sequence[Rng], scheme: NoiseScheme
) -> Image:
    """Apply a mix in order, and store the result as the protocol says.

    A mix with Gaussian noise is clipped and quantised by the scheme; any other is rounded to 8 bit,
    as the files of the real sets are. Noise that another degradation follows is always clipped,
    since degradations take images in [0, 1].
    """
    for position, (degradation, rng) in enumerate(zip(mix, rngs, strict=True), start=1):
        last = position == len(mix)
        if isinstance(degradation, GaussianNoise) and last and not scheme.clip:
            scene = replace(scene, image=degradation.added(scene, rng))
        else:
            scene = replace(scene, image=degradation.apply(scene, rng))
    return quantised(scene.image, scheme.quantise if draws_noise(mix) else "round")


def quantised(image: Image, how: Literal["floor", "round", "none"]) -> Image:
    """Return the image with its values on the 256 levels of an 8-bit file.

    >>> quantised(np.array([[[0.5, 0.999, 1.0]]]), "floor") * 255
    array([[[127., 254., 255.]]])
    """
    if how == "none":
        return image
    # 1e-9 of a grey level undoes the rounding of the division by 255, for exact 8-bit values.
    levels = np.floor(image * 255 + 1e-9) if how == "floor" else np.rint(image * 255)
    return levels / 255
