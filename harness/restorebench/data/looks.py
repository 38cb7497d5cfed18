"""Looks: a hash of what an image shows, which re-encoding, resizing and flipping leave alone.

The signs of the 16 x 16 lowest frequencies of the image's brightness, squeezed to a square. Scaling
leaves them alone; a flip changes the sign of odd frequencies, a transposition swaps rows with
columns, so that one hash serves all eight orientations. After Zauner, "Implementation and
Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.2, with signs for the median.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from scipy.fft import dctn

from restorebench.image import Pixels

SIDE = 16
SQUARE = 64
ALIKE = 48
"""Bits of 255 by which two hashes of one photograph may differ. Measured on the 307 images of
BSD68, Kodak24, LOL-v1 and Rain100L: up to 21 after JPEG of quality 40, halving, or a cut to
multiples of 16; different photographs differ by 87 and more."""

Bits = NDArray[np.bool_]


def look(pixels: Pixels) -> str:
    """Return the hash of an image as 64 hexadecimal digits.

    Args:
        pixels: H x W x 3, RGB, 8 bit.
    """
    small = PIL.Image.fromarray(pixels).convert("L")
    small = small.resize((SQUARE, SQUARE), PIL.Image.Resampling.BOX)
    frequencies = dctn(np.asarray(small, np.float64), norm="ortho")[:SIDE, :SIDE]
    bits = frequencies > 0
    bits[0, 0] = False  # the mean, which says nothing
    return np.packbits(bits).tobytes().hex()


def distances(ours: Sequence[str], theirs: Sequence[str]) -> NDArray[np.int64]:
    """Return by how many bits hashes differ, in the nearest of the eight orientations.

    Args:
        ours: n hashes.
        theirs: m hashes.

    Returns:
        n x m numbers of 0 to 255.
    """
    fixed = _signs(_bits(theirs))
    nearest = np.full((len(ours), len(theirs)), -1, np.float32)
    for bits in _orientations(_bits(ours)):
        np.maximum(nearest, _signs(bits) @ fixed.T, out=nearest)
    return ((SIDE * SIDE - nearest) // 2).astype(np.int64)


def _bits(hashes: Sequence[str]) -> Bits:
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8)
    return np.unpackbits(packed).astype(np.bool_).reshape(-1, SIDE, SIDE)


def _orientations(bits: Bits) -> list[Bits]:
    odd = np.arange(SIDE) % 2 == 1
    still = np.zeros(SIDE, np.bool_)
    masks = [rows[:, None] ^ columns for rows in (still, odd) for columns in (still, odd)]
    return [way ^ mask for way in (bits, bits.transpose(0, 2, 1)) for mask in masks]


def _signs(bits: Bits) -> NDArray[np.float32]:
    # Products of -1 and 1 count equal minus different bits. The mean's bit is the same in all.
    signs: NDArray[np.float32] = np.where(bits.reshape(len(bits), SIDE * SIDE), 1, -1)
    return signs.astype(np.float32)
