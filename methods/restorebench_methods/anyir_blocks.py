"""What the two versions of AnyIR share: the skip-split attention and the U-Net.

Any Image Restoration with Efficient Automatic Degradation Adaptation, Ren et al.; arXiv
2407.13372, section 3. Attribute names are those of the authors' checkpoints of 2025.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from restorebench_methods.attention import banded_attention
from restorebench_methods.bands import Band, Layer
from restorebench_methods.layers import (
    Downsample,
    PatchEmbed,
    PreNormBlock,
    Upsample,
    check_levels,
    depthwise,
)


class SkipSplitAttention(nn.Module):
    """Degradation adaptation: attention on every other channel, a gate on the rest (section 3.1).

    Args:
        dim: width of the features, even.
        heads: attention heads; they share half of the width.
        gate: maps the other half of the features to the same shape.
    """

    def __init__(self, dim: int, heads: int, gate: nn.Module) -> None:
        super().__init__()
        half = dim // 2
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(half, half * 3, 1, bias=False)
        self.qkv_dwconv = depthwise(half * 3)
        self.gatedcnn = gate
        self.project_out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor, norm: Layer) -> Tensor:
        """Return x (B, C, H, W) plus its channels, normalised and mixed by attention and gate."""
        # Equation 1 counts channels from 1, so its odd ones are 0, 2, 4, ... here.
        normed = norm(x)
        attending, gated = normed[:, ::2], self.gatedcnn(normed[:, 1::2])

        def queries_keys_values(band: Band) -> tuple[Tensor, ...]:
            return band.of(attending, self.qkv, self.qkv_dwconv).chunk(3, dim=1)

        attended = banded_attention(attending, queries_keys_values, self.temperature)
        return cast(Tensor, x + self.project_out(self.fuse(attended, gated)))

    def fuse(self, attended: Tensor, gated: Tensor) -> Tensor:
        """Join the branches, (B, C/2, H, W) each, to (B, C, H, W): cross-sigmoid, equation 2."""
        return torch.cat([attended + gated.sigmoid(), gated + attended.sigmoid()], dim=1)


class AnyIRUNet(nn.Module):
    """AnyIR's four-level U-Net (figure 2a), for any attention in its blocks.

    Args:
        attention: makes the attention of a block, given its width and heads.
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        num_blocks: blocks of levels 1 to 4; the decoder mirrors 1 to 3.
        num_refinement_blocks: blocks after the decoder, at full size.
        heads: attention heads of levels 1 to 4; they share half of a level's width.
        expansion: hidden over outer width of the feed-forward networks.
        downsample: makes what halves the size and doubles the given width.
        narrow_level1: whether the first level's decoder and the refinement are C wide, by a
            projection of what they are given, and not 2C.

    Raises:
        ValueError: if the widths and heads do not go together.
    """

    def __init__(
        self,
        attention: Callable[[int, int], nn.Module],
        *,
        dim: int,
        num_blocks: Sequence[int],
        num_refinement_blocks: int,
        heads: Sequence[int],
        expansion: float,
        downsample: Callable[[int], nn.Module] = Downsample,
        narrow_level1: bool = False,
    ) -> None:
        super().__init__()
        _check(dim, num_blocks, num_refinement_blocks, heads, expansion)
        c, (n1, n2, n3, n4), (h1, h2, h3, h4) = dim, num_blocks, heads

        def level(width: int, heads: int, blocks: int) -> nn.Sequential:
            attentions = (attention(width, heads) for _ in range(blocks))
            return nn.Sequential(*(PreNormBlock(width, a, expansion) for a in attentions))

        self.patch_embed = PatchEmbed(3, c)
        self.encoder_level1 = level(c, h1, n1)
        self.down1_2 = downsample(c)
        self.encoder_level2 = level(2 * c, h2, n2)
        self.down2_3 = downsample(2 * c)
        self.encoder_level3 = level(4 * c, h3, n3)
        self.down3_4 = downsample(4 * c)
        self.latent = level(8 * c, h4, n4)

        self.up4_3 = Upsample(4 * c)
        self.reduce_chan_level3 = nn.Conv2d(6 * c, 4 * c, 1, bias=False)
        self.reduce_dim_level3 = nn.Conv2d(8 * c, 4 * c, 1, bias=False)
        self.decoder_level3 = level(4 * c, h3, n3)
        self.up3_2 = Upsample(4 * c)
        self.reduce_chan_level2 = nn.Conv2d(4 * c, 2 * c, 1, bias=False)
        self.decoder_level2 = level(2 * c, h2, n2)
        self.up2_1 = Upsample(2 * c)
        narrow = nn.Conv2d(2 * c, c, 1, bias=False) if narrow_level1 else nn.Identity()
        self.reduce_chan_level1: nn.Module = narrow
        last = c if narrow_level1 else 2 * c
        self.decoder_level1 = level(last, h1, n1)
        self.refinement = level(last, h1, num_refinement_blocks)
        self.output = nn.Conv2d(last, 3, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Restore (B, 3, H, W), RGB in [0, 1], sides multiples of 8; the output is not clipped."""
        e1 = self.encoder_level1(self.patch_embed(x))  # C, H
        e2 = self.encoder_level2(self.down1_2(e1))  # 2C, H/2
        e3 = self.encoder_level3(self.down2_3(e2))  # 4C, H/4
        z = self.latent(self.down3_4(e3))  # 8C, H/8

        up = self.up4_3(self.reduce_dim_level3(z))  # 2C, H/4: half of what Restormer passes up
        d3 = self.decoder_level3(self.reduce_chan_level3(torch.cat([up, e3], 1)))
        d2 = self.decoder_level2(self.reduce_chan_level2(torch.cat([self.up3_2(d3), e2], 1)))
        d1 = self.decoder_level1(self.reduce_chan_level1(torch.cat([self.up2_1(d2), e1], 1)))
        residual: Tensor = self.output(self.refinement(d1))
        return residual + x


def check_gate_kernel(kernel_size: int) -> None:
    """Refuse a gate whose depth-wise convolution would change the size.

    Raises:
        ValueError: if the kernel is even or not positive.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"gate_kernel_size must be odd and positive, got {kernel_size}")


def _check(
    dim: int, num_blocks: object, refinement: int, heads: Sequence[int], expansion: float
) -> None:
    check_levels(num_blocks, heads, dim)
    for level, n in enumerate(heads):
        half = (dim << level) // 2
        if half % n:
            raise ValueError(
                f"attention of level {level + 1} is {half} wide, not a multiple of {n} heads"
            )
    if refinement < 0:
        raise ValueError(f"num_refinement_blocks must be at least 0, got {refinement}")
    if int(dim * expansion) < 1:
        raise ValueError(f"ffn_expansion_factor {expansion} leaves no channel of {dim}")
