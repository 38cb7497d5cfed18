"""A mix applied to one photograph that belongs to no data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image

from restorebench.degradation import Degradation, Scene
from restorebench.image import Pixels
from restorebench.noise import NoiseScheme, degrade, keyed
from restorebench.store import write_atomically
from restorebench_benchmarks.degradations import Ranged

ROUNDED = NoiseScheme(
    name="rounded", title="rounded to 8 bit", draw="keyed", clip=True, quantise="round"
)


def mixed(pixels: Pixels, mix: Sequence[Degradation], seed: int) -> Pixels:
    """Return the photograph after all degradations in order, rounded to 8 bit.

    The random numbers depend on the pixels, the seed, and each step's kind and position: not on
    the file's name, and not on the parameters, so that a stronger rain is the same rain.
    """
    image = degrade(Scene(pixels / 255.0), mix, list(_generators(pixels, mix, seed)), ROUNDED)
    result: Pixels = np.rint(image * 255).astype(np.uint8)
    return result


def drawn(pixels: Pixels, mix: Sequence[Degradation], seed: int) -> list[dict[str, float]]:
    """Return the parameters that `mixed` draws, for each degradation that can draw them."""
    return [
        dict(zip([f.name for f in fields(degradation)], degradation.numbers(rng), strict=True))
        if isinstance(degradation, Ranged)
        else {}
        for degradation, rng in zip(mix, _generators(pixels, mix, seed), strict=True)
    ]


def written(pixels: Pixels, path: Path) -> None:
    """Write an 8-bit RGB PNG; a file that is there is replaced.

    Raises:
        OutputFolderError: if it cannot be written.
    """
    file = BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    write_atomically(path, file.getvalue())


def _generators(
    pixels: Pixels, mix: Sequence[Degradation], seed: int
) -> Iterator[np.random.Generator]:
    photograph = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
    for position, degradation in enumerate(mix):
        yield keyed(seed, photograph, position, type(degradation).__name__)
