"""Non-local means: a classical denoiser that needs no weights."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from skimage.restoration import denoise_nl_means
from torch import Tensor, nn

from restorebench.method import Card, Method

MAX_SIZE = 99


class NonLocalMeans(nn.Module):
    """scikit-image's fast non-local means on colour patches, one image after another.

    Args:
        h: cut-off of the patch distance, for intensities in [0, 1].
        patch_size: side of the patches that are compared, in pixels.
        patch_distance: how far away patches are looked for, in pixels.
    """

    def __init__(self, h: float = 0.08, patch_size: int = 5, patch_distance: int = 6) -> None:
        super().__init__()
        if not 0 < h < math.inf:
            raise ValueError(f"h must be above 0, got {h}")
        sizes = {"patch_size": patch_size, "patch_distance": patch_distance}
        for name, size in sizes.items():
            if size not in range(1, MAX_SIZE + 1):
                raise ValueError(f"{name} must be a whole number from 1 to {MAX_SIZE}, got {size}")
        self.h, self.patch_size, self.patch_distance = h, patch_size, patch_distance

    def forward(self, x: Tensor) -> Tensor:
        """Denoise (B, 3, H, W) in [0, 1] on the CPU; the same shape comes back."""
        restored = [
            denoise_nl_means(
                image.permute(1, 2, 0).contiguous().cpu().numpy(),
                h=self.h,
                patch_size=self.patch_size,
                patch_distance=self.patch_distance,
                fast_mode=True,
                channel_axis=-1,
            )
            for image in x
        ]
        return torch.stack([torch.from_numpy(r).permute(2, 0, 1) for r in restored]).to(x)


class NLMeans(Method):
    """Non-local means with one fixed setting for every degradation."""

    network_class = NonLocalMeans
    info: ClassVar[Card] = Card(
        title="NL-means",
        paper=(
            "Buades, Coll, Morel, A non-local algorithm for image denoising, CVPR 2005; "
            "scikit-image's denoise_nl_means, fast mode"
        ),
        cite="buades2005nonlocal",
        status="baseline",
        code="scikit-image",
        code_licence="BSD-3-Clause",
        trained_on=("noise",),
        needs_weights=False,
        notes=("Fixed for every task: h 0.08, patches 5x5, search distance 6.",),
    )
