"""HAIR: each image is decoded by convolutions whose weights were computed from it.

HAIR: Hypernetworks-based All-in-One Image Restoration, Cao, Cao, Pang, Meng, Cao; arXiv
2408.08091. Figure 3 is `HAIR.forward`; later versions of the paper call this network Res-HAIR.
Sections 3.1 and 3.2 are `Classifier` and `HyperLevel` in `hair_blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from restorebench.method import Card, Method
from restorebench_methods.hair_blocks import Classifier, HyperLevel
from restorebench_methods.layers import (
    Downsample,
    PatchEmbed,
    Upsample,
    check_levels,
    transformer_level,
)

MIN_BOXES = 4
"""A Weights Box never has fewer rows than this, however few blocks share it."""


class HAIR(nn.Module):
    """Restormer's U-Net; all blocks from the bottom on take their weights from the image.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        num_blocks: transformer blocks of levels 1 to 4; the decoder mirrors 1 to 3.
        num_refinement_blocks: blocks after the decoder, at full size and width 2C.
        heads: attention heads of levels 1 to 4.
        ffn_expansion_factor: hidden over outer width of the feed-forward networks.
        classifier_dim: width of the classifier, a multiple of ``classifier_groups``.
        classifier_groups: groups of the classifier's group norms.
        giv_dim: length of the Global Information Vector, a multiple of 8.
        spare_boxes: rows that the Weights Boxes of levels 1 to 4 have beyond their number of
            blocks, or beyond 4 where that is larger; the refinement counts as level 1. The paper
            (section 4.1) has one everywhere, the authors' code none in level 3.

    Raises:
        ValueError: if the numbers do not go together.
    """

    def __init__(
        self,
        dim: int = 48,
        num_blocks: Sequence[int] = (4, 6, 6, 8),
        num_refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2.66,
        classifier_dim: int = 72,
        classifier_groups: int = 24,
        giv_dim: int = 96,
        spare_boxes: Sequence[int] = (1, 1, 0, 1),
    ) -> None:
        super().__init__()
        check_levels(num_blocks, heads, dim)
        _check_decoder(num_refinement_blocks, spare_boxes, int(dim * ffn_expansion_factor))
        _check_classifier(classifier_dim, classifier_groups, giv_dim)
        c, (n1, n2, n3, n4), gamma = dim, num_blocks, ffn_expansion_factor
        h1, h2, h3, _ = heads

        def hyper_level(width: int, level: int, blocks: int) -> HyperLevel:
            boxes = max(MIN_BOXES, blocks) + spare_boxes[level - 1]
            n_heads = heads[level - 1]
            return HyperLevel(width, n_heads, gamma, blocks=blocks, boxes=boxes, giv_dim=giv_dim)

        self.patch_embed = PatchEmbed(3, c)
        self.encoder_level1 = transformer_level(c, h1, gamma, n1)
        self.down1_2 = Downsample(c)
        self.encoder_level2 = transformer_level(2 * c, h2, gamma, n2)
        self.down2_3 = Downsample(2 * c)
        self.encoder_level3 = transformer_level(4 * c, h3, gamma, n3)
        self.down3_4 = Downsample(4 * c)
        self.latent = hyper_level(8 * c, 4, n4)
        self.reduce_latent = nn.Conv2d(8 * c, 4 * c, 3, padding=1)
        self.feature = Classifier(8 * c, classifier_dim, classifier_groups, giv_dim)

        self.up4_3 = Upsample(4 * c)
        self.reduce_chan_level3 = nn.Conv2d(6 * c, 4 * c, 1, bias=False)
        self.decoder_level3 = hyper_level(4 * c, 3, n3)
        self.up3_2 = Upsample(4 * c)
        self.reduce_chan_level2 = nn.Conv2d(4 * c, 2 * c, 1, bias=False)
        self.decoder_level2 = hyper_level(2 * c, 2, n2)
        self.up2_1 = Upsample(2 * c)
        self.decoder_level1 = hyper_level(2 * c, 1, n1)
        self.refinement = hyper_level(2 * c, 1, num_refinement_blocks)
        self.output = nn.Conv2d(2 * c, 3, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Restore (B, 3, H, W), RGB in [0, 1]; the output is not clipped.

        Height and width are multiples of 8 and at least 32.
        """
        e1, e2, e3, f_g = self._encode(x)
        v_g = self.feature(f_g)
        z = self.reduce_latent(self.latent(f_g, v_g))  # 4C, H/8

        d3 = self.reduce_chan_level3(torch.cat([self.up4_3(z), e3], 1))
        d3 = self.decoder_level3(d3, v_g)  # 4C, H/4
        d2 = self.reduce_chan_level2(torch.cat([self.up3_2(d3), e2], 1))
        d2 = self.decoder_level2(d2, v_g)  # 2C, H/2
        d1 = self.decoder_level1(torch.cat([self.up2_1(d2), e1], 1), v_g)  # 2C, H
        residual: Tensor = self.output(self.refinement(d1, v_g))
        return residual + x

    def selections(self, x: Tensor) -> dict[str, Tensor]:
        """Return V_g (B, giv_dim) of images, and what it selects, (B, blocks, boxes) a level."""
        v_g = self.feature(self._encode(x)[-1])
        levels = {n: m for n, m in self.named_children() if isinstance(m, HyperLevel)}
        return {"giv": v_g} | {f"selection/{n}": m.selection(v_g) for n, m in levels.items()}

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        e1 = self.encoder_level1(self.patch_embed(x))  # C, H
        e2 = self.encoder_level2(self.down1_2(e1))  # 2C, H/2
        e3 = self.encoder_level3(self.down2_3(e2))  # 4C, H/4
        return e1, e2, e3, self.down3_4(e3)  # 8C, H/8


def _check_decoder(num_refinement_blocks: int, spare_boxes: Sequence[int], hidden: int) -> None:
    if num_refinement_blocks < 1:
        raise ValueError(f"num_refinement_blocks must be at least 1, got {num_refinement_blocks}")
    if len(spare_boxes) != 4 or min(spare_boxes) < 0:
        raise ValueError(f"spare_boxes needs four numbers of at least 0, got {spare_boxes}")
    if hidden < 1:
        raise ValueError("ffn_expansion_factor leaves the feed-forward networks no channel")


def _check_classifier(dim: int, groups: int, giv_dim: int) -> None:
    if groups < 1 or dim < 1 or dim % groups:
        raise ValueError(f"classifier_dim {dim} is not a multiple of {groups} classifier_groups")
    if giv_dim < 8 or giv_dim % 8:
        raise ValueError(f"giv_dim must be a multiple of 8, got {giv_dim}")


class HAIRMethod(Method):
    """HAIR in Restormer, as its authors test it."""

    network: HAIR
    network_class = HAIR
    info: ClassVar[Card] = Card(
        title="HAIR",
        paper=(
            "Cao et al., HAIR: Hypernetworks-based All-in-One Image Restoration, arXiv 2408.08091"
        ),
        cite="cao2024hair",
        status="parity-proven",
        code="github.com/toummHus/HAIR (now jin-cao-tma/HAIR) at 2a7af063a51d",
        code_licence="none stated by the authors (this implementation is our own)",
        weights_licence="none stated by the authors",
        checkpoint="hair3d.ckpt of the authors (Lightning, prefix 'net.')",
        trained_on=("noise", "rain", "haze"),
        size_multiple=8,
        size_minimum=32,
        notes=(
            "The decoder's weights depend on the whole image: tiling or cropping changes the "
            "result.",
            "The third decoder level has six weight boxes as in the authors' code, not the seven "
            "of the paper.",
            "Users of the authors' code report unexpected keys net.feature.mid.attn_1.* in the "
            "released checkpoint (their issue 7), most likely because that code builds no such "
            "attention where xformers is installed. Here it always exists and takes the keys.",
        ),
    )

    def embedding(self, x: Tensor) -> dict[str, Tensor]:
        """Return V_g as ``giv`` (N, giv_dim) and ``selection/<level>`` (N, blocks, boxes)."""
        with self.inference():
            return self.network.selections(self.prepare(x))
