"""Restormer, the backbone of most all-in-one networks.

Restormer: Efficient Transformer for High-Resolution Image Restoration, Zamir, Arora, Khan, Hayat,
Khan, Yang; CVPR 2022, arXiv 2111.09881. Figure 2 is `Restormer.forward`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from restorebench.method import Card, Method
from restorebench_methods.layers import (
    Downsample,
    PatchEmbed,
    Upsample,
    check_levels,
    transformer_level,
)


class Restormer(nn.Module):
    """A four-level U-Net of transformer blocks whose attention runs between channels.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        num_blocks: transformer blocks of levels 1 to 4; the decoder mirrors 1 to 3.
        num_refinement_blocks: blocks after the decoder, at full size and width 2C.
        heads: attention heads of levels 1 to 4.
        ffn_expansion_factor: gamma, hidden over outer width of the feed-forward networks.

    Raises:
        ValueError: if the widths and heads do not go together.
    """

    def __init__(
        self,
        dim: int = 48,
        num_blocks: Sequence[int] = (4, 6, 6, 8),
        num_refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2.66,
    ) -> None:
        super().__init__()
        check_levels(num_blocks, heads, dim)
        c, (n1, n2, n3, n4), (h1, h2, h3, h4) = dim, num_blocks, heads
        gamma = ffn_expansion_factor
        self.patch_embed = PatchEmbed(3, c)
        self.encoder_level1 = transformer_level(c, h1, gamma, n1)
        self.down1_2 = Downsample(c)
        self.encoder_level2 = transformer_level(2 * c, h2, gamma, n2)
        self.down2_3 = Downsample(2 * c)
        self.encoder_level3 = transformer_level(4 * c, h3, gamma, n3)
        self.down3_4 = Downsample(4 * c)
        self.latent = transformer_level(8 * c, h4, gamma, n4)

        self.up4_3 = Upsample(8 * c)
        self.reduce_chan_level3 = nn.Conv2d(8 * c, 4 * c, 1, bias=False)
        self.decoder_level3 = transformer_level(4 * c, h3, gamma, n3)
        self.up3_2 = Upsample(4 * c)
        self.reduce_chan_level2 = nn.Conv2d(4 * c, 2 * c, 1, bias=False)
        self.decoder_level2 = transformer_level(2 * c, h2, gamma, n2)
        self.up2_1 = Upsample(2 * c)
        self.decoder_level1 = transformer_level(2 * c, h1, gamma, n1)
        self.refinement = transformer_level(2 * c, h1, gamma, num_refinement_blocks)
        self.output = nn.Conv2d(2 * c, 3, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Restore (B, 3, H, W), RGB in [0, 1], sides multiples of 8; the output is not clipped."""
        e1 = self.encoder_level1(self.patch_embed(x))  # C, H
        e2 = self.encoder_level2(self.down1_2(e1))  # 2C, H/2
        e3 = self.encoder_level3(self.down2_3(e2))  # 4C, H/4
        z = self.latent(self.down3_4(e3))  # 8C, H/8

        d3 = self.decoder_level3(self.reduce_chan_level3(torch.cat([self.up4_3(z), e3], 1)))
        d2 = self.decoder_level2(self.reduce_chan_level2(torch.cat([self.up3_2(d3), e2], 1)))
        d1 = self.decoder_level1(torch.cat([self.up2_1(d2), e1], 1))  # 2C, H
        residual: Tensor = self.output(self.refinement(d1))
        return residual + x


class RestormerMethod(Method):
    """Restormer as the all-in-one comparison tables use it (layer norm with bias)."""

    network_class = Restormer
    info: ClassVar[Card] = Card(
        title="Restormer",
        paper=(
            "Zamir et al., Restormer: Efficient Transformer for High-Resolution Image Restoration, "
            "CVPR 2022, arXiv 2111.09881"
        ),
        cite="zamir2022restormer",
        status="parity-proven",
        code="github.com/swz30/Restormer at df766d5521af",
        code_licence="Academic Public License, non-commercial (this implementation is our own)",
        weights_licence="Academic Public License, non-commercial",
        checkpoint="deraining.pth of the authors' release (weights under 'params')",
        trained_on=("one degradation for each released checkpoint",),
        size_multiple=8,
        notes=(
            "The authors' checkpoints are single-task; all-in-one rows of papers are retrained.",
            "The authors' Gaussian denoising checkpoints use a layer norm without bias, "
            "which this configuration does not load.",
        ),
    )
