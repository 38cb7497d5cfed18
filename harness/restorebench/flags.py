"""What is odd about a restored image, short enough to be counted below a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

EQUAL = "equals input"
WORSE = "worse than input"
CLIPPED = "out of range"

# Half a level of 8 bits is what rounding would hide, and a saturated sky may overshoot by more.
LEVEL = 0.5 / 255
SHARE = 0.1

WORDS = {
    EQUAL: "equal to its input",
    WORSE: "worse than its input",
    CLIPPED: f"over {SHARE:.0%} of the values out of range",
}


def flags_of(restored: Float, degraded: Float, clean: Float | None) -> tuple[str, ...]:
    """Return what is odd about one restored image; mostly nothing.

    Args:
        restored: H x W x 3, as the method returned it.
        degraded: H x W x 3, what the method was given.
        clean: H x W x 3 in [0, 1], or ``None`` if there is no target.

    Returns:
        Each a kind, or a kind, a colon and a figure. ``worse than input`` is by the mean squared
        error over RGB, whatever the protocol's own space is.

    >>> grey = np.full((2, 2, 3), 0.5, np.float32)
    >>> flags_of(grey, grey, grey), flags_of(grey * 3, grey, None)
    (('equals input',), ('out of range: 100 % of values clipped',))
    """
    if np.array_equal(restored, degraded):
        return (EQUAL,)
    found = []
    if clean is not None and _error(restored, clean) > _error(degraded, clean):
        found.append(WORSE)
    share = np.mean((restored < -LEVEL) | (restored > 1 + LEVEL))
    if share > SHARE:
        found.append(f"{CLIPPED}: {100 * share:.0f} % of values clipped")
    return tuple(found)


def counted(flags: Iterable[str], images: int) -> list[str]:
    """Return a cell's flags in words, such as ``worse than its input on 3 of 5 images``.

    Args:
        flags: those of all images, one after the other.
        images: how many images the cell has.
    """
    kinds = Counter(flag.partition(":")[0] for flag in flags)
    return [f"{WORDS.get(kind, kind)} on {n} of {images} images" for kind, n in kinds.items()]


def _error(image: Float, clean: Float) -> float:
    return float(np.mean(np.square(image.clip(0, 1) - clean), dtype=np.float64))
