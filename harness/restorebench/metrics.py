"""Metrics: how near a restored image is to its target.

Each works on one pair of images, H x W x C float32 in [0, 1], as the protocol shows them (RGB, or
luma with C = 1), and returns a float. A protocol chooses which implementation stands behind the
names ``psnr`` and ``ssim``; their source is the authors' evaluation code that it reproduces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from restorebench.errors import ImageError
from restorebench.similarity import GAUSS11, GAUSS11_SAMPLE, UNIFORM7, Window, similarity

if TYPE_CHECKING:
    from torch import Tensor

# Rows of an image that SSIM works on at once: they and what is made of them fit into a cache.
ROWS = 32

Float = NDArray[np.float32]


def _available() -> None:
    """Say that a metric which needs nothing beyond this package can be computed."""


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
    score: Callable[..., float]
    """``score(restored, clean)``; just ``score(restored)`` without a target."""
    of_tensors: Callable[..., float] | None = None
    """The same of tensors on a GPU, to 1e-6, if it can be computed there."""
    needs_target: bool = True
    """False for a no-reference metric."""
    unavailable: Callable[[], str | None] = _available
    """Returns why it cannot be computed on this machine and what to do, or ``None`` if it can."""
    tolerance: float = 0.0
    """Loss of a mean up to which nobody would call a method worse."""
    grave: float = math.inf
    """Loss of a task's mean that calls it worse whatever the spread of the images."""
    packages: tuple[str, ...] = ()
    """Distributions that compute it, whose versions may move the score."""


def psnr(restored: Float, clean: Float) -> float:
    """Peak signal-to-noise ratio over all pixels and channels.

    Args:
        restored: H x W x C in [0, 1].
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


def psnr_float32(restored: Float, clean: Float) -> float:
    """Peak signal-to-noise ratio computed in float32 throughout, over a C x H x W array.

    Args:
        restored: H x W x C in [0, 1].
        clean: the target, same shape.

    Returns:
        10 log10(1 / MSE) in dB, up to 3e-6 from `psnr`; ``inf`` for identical images.

    Raises:
        ImageError: if the shapes differ.

    Source:
        ``compute_psnr`` of NDR-Restore's test script.
    """
    _check_shapes("PSNR", restored, clean)
    channels_first = np.ascontiguousarray((restored - clean).transpose(2, 0, 1))
    error = np.mean(np.square(channels_first))
    return math.inf if error == 0 else float(10 * np.log10(1 / error))


def ssim_uniform7(restored: Float, clean: Float) -> float:
    """Structural similarity in a uniform 7x7 window with sample covariance.

    Args:
        restored: H x W x C in [0, 1], both sides at least 7.
        clean: the target, same shape.

    Returns:
        The mean over the channels and the interior (3 pixels cut at each border).

    Raises:
        ImageError: if the shapes differ.

    Source:
        scikit-image's defaults, which the AirNet family reports. Not comparable with the Gaussian
        11x11 window of Wang et al. (2004), which gives up to 0.03 less.
    """
    return _ssim(restored, clean, UNIFORM7)


def ssim_gauss11_sample(restored: Float, clean: Float) -> float:
    """Structural similarity in a Gaussian 11x11 window, sigma 1.5, with sample covariance.

    Args:
        restored: H x W x C in [0, 1], both sides at least 11.
        clean: the target, same shape.

    Returns:
        The mean over the channels and the interior (5 pixels cut at each border). Covariances are
        scaled by 121/120 as if the window were uniform.

    Raises:
        ImageError: if the shapes differ.

    Source:
        scikit-image with ``gaussian_weights=True``, which MoCE-IR's test script reports.
    """
    return _ssim(restored, clean, GAUSS11_SAMPLE)


def ssim_gauss11(restored: Float, clean: Float) -> float:
    """Structural similarity as Wang et al. define it: Gaussian 11x11, sigma 1.5, valid region.

    Args:
        restored: H x W x C in [0, 1], both sides at least 11.
        clean: the target, same shape.

    Returns:
        The mean over the channels and the interior (5 pixels cut at each border), in float64.

    Raises:
        ImageError: if the shapes differ.

    Source:
        Wang et al., Image Quality Assessment, TIP 2004, with its ``ssim_index.m``; the same in
        BasicSR, NDR-Restore and Restormer.
    """
    return _ssim(restored, clean, GAUSS11)


def ssim_matlab3d(restored: Float, clean: Float) -> float:
    """Structural similarity as MATLAB's ``ssim`` gives it for a colour image, taken as a volume.

    The Gaussian window, 11x11x11 with sigma 1.5, runs over the three channels as well; borders are
    replicated, and every voxel counts.

    Args:
        restored: H x W x C in [0, 1].
        clean: the target, same shape.

    Returns:
        The mean over all pixels and channels, in float64; much higher than channel by channel.

    Raises:
        ImageError: if the shapes differ.

    Source:
        ``ssim`` of MATLAB's Image Processing Toolbox, which the deblurring papers call on GoPro;
        constants and window of Wang et al., TIP 2004.
    """
    from scipy.ndimage import gaussian_filter

    _check_shapes("SSIM", restored, clean)
    x, y = restored.astype(np.float64), clean.astype(np.float64)

    def mean(z: NDArray[np.float64]) -> NDArray[np.float64]:
        return gaussian_filter(z, sigma=1.5, radius=5, mode="nearest")

    c1, c2 = 0.01**2, 0.03**2
    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(np.mean(luminance * (2 * covariance + c2) / (variances + c2)))


def _ssim(restored: Float, clean: Float, window: Window) -> float:
    _check_shapes("SSIM", restored, clean)
    if min(restored.shape[:2]) < window.side:
        raise ImageError(
            f"SSIM needs images of at least {window.side}x{window.side} pixels, "
            f"got {restored.shape[1]}x{restored.shape[0]}"
        )
    return similarity(restored, clean, window, lambda z: z.astype(np.float64), ROWS)


def _check_shapes(name: str, restored: NDArray[Any], clean: NDArray[Any]) -> None:
    if restored.shape != clean.shape:
        raise ImageError(f"{name} of {restored.shape} against {clean.shape}: the shapes must agree")


def _psnr_of_tensors(restored: Tensor, clean: Tensor) -> float:
    error = float((restored - clean).square().double().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def _ssim_of_tensors(window: Window) -> Callable[[Tensor, Tensor], float]:
    return lambda restored, clean: similarity(restored, clean, window, lambda z: z.double())


def _psnr(
    score: Callable[[Float, Float], float], of_tensors: Callable[..., float] | None = None
) -> Metric:
    return Metric(
        title="PSNR",
        unit="dB",
        digits=2,
        higher_is_better=True,
        score=score,
        of_tensors=of_tensors,
        tolerance=0.02,
        grave=0.2,
    )


def _similarity(score: Callable[[Float, Float], float], window: Window | None = None) -> Metric:
    return Metric(
        title="SSIM",
        unit="",
        digits=4,
        higher_is_better=True,
        score=score,
        of_tensors=_ssim_of_tensors(window) if window else None,
        tolerance=0.0005,
    )


PSNR = _psnr(psnr, _psnr_of_tensors)
PSNR_FLOAT32 = _psnr(psnr_float32)
SSIM_UNIFORM7 = _similarity(ssim_uniform7, UNIFORM7)
SSIM_GAUSS11_SAMPLE = _similarity(ssim_gauss11_sample, GAUSS11_SAMPLE)
SSIM_GAUSS11 = _similarity(ssim_gauss11, GAUSS11)
SSIM_MATLAB3D = _similarity(ssim_matlab3d)
