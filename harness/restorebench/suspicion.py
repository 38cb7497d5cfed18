"""What is odd about a set of restored files: floored, or no restorations at all."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from restorebench.image import Pixels

Triple = tuple[Pixels, Pixels | None, Pixels | None]
"""A restored image, its target and its input as files hold them; ``None`` where there is none."""

FLAT = 2
"""Levels that the 3x3 neighbourhood of a flat pixel spans at most."""
ENOUGH = 1000
"""Flat pixels of an image from which its bias is taken; of all pixels if there are fewer."""


def remarks_on(images: Iterable[Triple]) -> tuple[str, ...]:
    """Return what a reader of the images' scores has to know; mostly nothing.

    Values that were cut off instead of rounded when they were stored are half a level too dark on
    average, on every image. So much bias of most images, about the same, is taken for that sign.

    Args:
        images: restored files with their pairs.
    """
    inputs = targets = count = 0
    biases = []
    for restored, clean, degraded in images:
        count += 1
        inputs += degraded is not None and np.array_equal(restored, degraded)
        targets += clean is not None and np.array_equal(restored, clean)
        if clean is not None:
            biases.append(bias(restored, clean))
    found = []
    if targets:
        found.append(f"equal to the target: {targets} of {count} files, whose PSNR is infinite")
    if inputs:
        found.append(f"equal to the input: {inputs} of {count} files")
    if biases and _like_floor(np.array(biases)):
        found.append(
            f"looks floored: the files are {-np.median(biases):.2f} levels darker than their "
            "targets, as if cut off to 8 bits instead of rounded; scored as they are"
        )
    return tuple(found)


def bias(restored: Pixels, clean: Pixels) -> float:
    """Return how much brighter than its target an image is where that is flat, in levels of 255.

    Args:
        restored: H x W x 3.
        clean: its target, same shape. Where it is near black or white, rounding is one-sided and
            does not count.
    """
    neighbours = (3, 3, 1)
    spread = maximum_filter(clean, neighbours) - minimum_filter(clean, neighbours)
    flat = (spread <= FLAT) & (clean >= 8) & (clean <= 247)
    difference = restored.astype(np.int16) - clean
    return float(np.mean(difference[flat] if flat.sum() >= ENOUGH else difference))


def _like_floor(biases: np.ndarray) -> bool:
    near = np.abs(biases + 0.5) <= 0.3
    return bool(abs(np.median(biases) + 0.5) <= 0.2 and near.mean() >= 0.75)
