"""The transfer function of sRGB: between stored values and the light that a sensor counts."""

from __future__ import annotations

import numpy as np

from restorebench.degradation import Image


def to_linear(stored: Image) -> Image:
    """Return linear light in [0, 1] for stored values in [0, 1].

    Source:
        IEC 61966-2-1, the inverse of `to_stored`.

    >>> to_linear(np.array([0.0, 0.5, 1.0])).round(4)
    array([0.   , 0.214, 1.   ])
    """
    return np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)


def to_stored(linear: Image) -> Image:
    """Return the stored values in [0, 1] for linear light in [0, 1].

    Source:
        IEC 61966-2-1: ``12.92 x`` up to 0.0031308, else ``1.055 x^(1/2.4) - 0.055``.

    >>> to_stored(np.array([0.0, 0.214, 1.0])).round(4)
    array([0. , 0.5, 1. ])
    """
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
