"""Metrics: how near a restored image is to its target.

Each works on one pair of images, H x W x 3, RGB float32 in [0, 1], already clamped by the
protocol, and returns a float. A protocol chooses which implementation stands behind the names
``psnr`` and ``ssim``; their source is the authors' evaluation code that it reproduces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorebench.errors import ImageError

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A named score with a direction."""

    title: str
    """How tables print it, for instance ``PSNR``."""
    unit: str
    """``dB``, or empty."""
    digits: int
    """Decimals in a table; data keep full precision."""
    higher_is_better: bool
    score: Callable[[Float, Float], float]
    """``score(restored, clean)``."""


def psnr(restored: Float, clean: Float) -> float:
    """Peak signal-to-noise ratio over all pixels and the three RGB channels.

    Args:
        restored: H x W x 3 in [0, 1].
        clean: the target, same shape.

    Returns:
        10 log10(1 / MSE) in dB; ``inf`` for identical images, never capped.

    Raises:
        ImageError: if the shapes differ.

    Source:
        skimage.metrics.peak_signal_noise_ratio with data_range=1, which AirNet, PromptIR, HAIR
        and MoCE-IR report. The difference is taken in the images' precision, its mean in float64.

    >>> black, grey = np.zeros((2, 2, 3), np.float32), np.full((2, 2, 3), 0.1, np.float32)
    >>> round(psnr(grey, black), 4)
    20.0
    """
    _check_shapes("PSNR", restored, clean)
    error = float(np.mean(np.square(restored - clean), dtype=np.float64))
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim_uniform7(restored: Float, clean: Float) -> float:
    """Structural similarity in a uniform 7x7 window with sample covariance.

    Args:
        restored: H x W x 3 in [0, 1], both sides at least 7.
        clean: the target, same shape.

    Returns:
        The mean over the three channels and the interior (3 pixels cut at each border).

    Raises:
        ImageError: if the shapes differ.

    Source:
        scikit-image's defaults, which the AirNet family reports. Not comparable with the Gaussian
        11x11 window of Wang et al. (2004), which gives up to 0.03 less.
    """
    from skimage.metrics import structural_similarity  # heavy, and not needed to name metrics

    _check_shapes("SSIM", restored, clean)
    return float(structural_similarity(restored, clean, data_range=1, channel_axis=-1))


def _check_shapes(name: str, restored: Float, clean: Float) -> None:
    if restored.shape != clean.shape:
        raise ImageError(f"{name} of {restored.shape} against {clean.shape}: the shapes must agree")


PSNR = Metric(title="PSNR", unit="dB", digits=2, higher_is_better=True, score=psnr)
SSIM_UNIFORM7 = Metric(title="SSIM", unit="", digits=4, higher_is_better=True, score=ssim_uniform7)
