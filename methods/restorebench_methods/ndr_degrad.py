"""NDR-Degrad, the training-time partner of NDR-Restore, and the injection that both share.

Neural Degradation Representation Learning for All-In-One Image Restoration, Yao, Xu, Guan, Huang,
Xiong; IEEE Transactions on Image Processing, 2024. Section III-C is `Injection`,
section III-D is `DegradationNet`. Where paper and released code differ, this is the released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from restorebench_methods import reference
from restorebench_methods.bands import image_of
from restorebench_methods.layers import Downsample, Upsample
from restorebench_methods.reference import optimises


class LowRankGate(nn.Module):
    """CP-Conv: weigh every value by a tensor of low CP rank (section III-C, equations 4 to 6).

    The gate is the mean over the ranks of the outer product of three vectors in (0, 1), which are
    projected from the means of the features: one over channels, one over rows, one over columns.

    Args:
        dim: channels C of the features.
        rank: number K of outer products.
    """

    def __init__(self, dim: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.conv_C = _projector(dim, rank * dim, (1, 1))
        self.conv_H = _projector(dim, rank, (None, 1))
        self.conv_W = _projector(dim, rank, (1, None))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) times its gate."""
        channels = self.conv_C(x).unflatten(1, (self.rank, -1)).flatten(2)  # B, K, C
        return low_rank_product(x, channels, self.conv_H(x), self.conv_W(x))


@optimises(reference.low_rank_product)
def low_rank_product(x: Tensor, channels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return (B, C, H, W) times the mean over k of the outer products of three vectors.

    Args:
        x: features.
        channels: (B, K, C).
        rows: (B, K, H, 1).
        columns: (B, K, 1, W).
    """
    pixels = (rows * columns).flatten(2)  # B, K, HW
    # A matrix product over the ranks, since (B, K, C, H, W) would be K times the features.
    gate = pixels.transpose(1, 2) @ (channels / channels.shape[1])
    return x * image_of(gate, x.shape[-2:])


def _projector(dim: int, out: int, size: tuple[int | None, int | None]) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Conv2d(dim, out, 1), nn.Sigmoid())


class Injection(nn.Module):
    """Degradation injection: scale and shift features by a degradation map (section III-C).

    The released code has no residual connection around it, unlike equation 7.

    Args:
        dim: channels C of the features.
        map_dim: channels M of the degradation map.
        rank: rank of both gates.
    """

    def __init__(self, dim: int, map_dim: int, rank: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(map_dim, map_dim, 1)
        self.f = nn.Conv2d(map_dim, dim, 1)
        self.g = nn.Conv2d(map_dim, dim, 1)
        self.low_rank_transform1 = LowRankGate(map_dim, rank)
        self.low_rank_transform3 = LowRankGate(dim, rank)

    def forward(self, features: Tensor, degradation: Tensor) -> Tensor:
        """Inject the map (B, M, H, W) into features (B, C, H, W)."""
        gated = self.low_rank_transform1(self.conv1(degradation))
        return cast(Tensor, self.f(gated) * self.low_rank_transform3(features) + self.g(gated))


class DoubleConv(nn.Module):
    """Two 3x3 convolutions with ReLUs around which the input is added."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv3x3(dim, dim), nn.ReLU(), _conv3x3(dim, dim), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return cast(Tensor, x + self.conv(x))


class _Residual(nn.Module):
    """The input plus what the layers make of it, under the key ``body``."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x + self.body(x))


class _ChannelAttention(nn.Module):
    """Weigh the channels by what their means tell (RCAN, Zhang et al., ECCV 2018, equation 8)."""

    def __init__(self, dim: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, dim // reduction)
        squeeze, excite = nn.Conv2d(dim, hidden, 1), nn.Conv2d(hidden, dim, 1)
        self.conv_du = nn.Sequential(squeeze, nn.ReLU(), excite, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x * self.conv_du(x.mean(dim=(-2, -1), keepdim=True)))


class DegradationNet(nn.Module):
    """A convolutional U-Net that degrades a clean image as three degradation maps tell it to.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        map_dim: channels M of the degradation maps.
        rank: rank of the gates in the injections.
    """

    def __init__(self, dim: int, map_dim: int, rank: int) -> None:
        super().__init__()
        c = dim
        self.extractor = _conv3x3(3, c)
        self.block1 = DoubleConv(c)
        self.pool1 = Downsample(c)
        self.block2 = DoubleConv(2 * c)
        self.pool2 = Downsample(2 * c)
        self.block3 = DoubleConv(4 * c)
        self.pool3 = Downsample(4 * c)
        self.bottom = DoubleConv(8 * c)

        self.inject_degradation1 = Injection(c, map_dim, rank)
        self.inject_degradation2 = Injection(2 * c, map_dim, rank)
        self.inject_degradation3 = Injection(4 * c, map_dim, rank)

        self.up3 = Upsample(8 * c)
        self.block_up3 = nn.Sequential(_conv1x1(8 * c, 4 * c), DoubleConv(4 * c))
        self.up2 = Upsample(4 * c)
        self.block_up2 = nn.Sequential(_conv1x1(4 * c, 2 * c), DoubleConv(2 * c))
        self.up1 = Upsample(2 * c)
        self.block_up1 = nn.Sequential(_conv1x1(2 * c, 2 * c), DoubleConv(2 * c))
        attention = _ChannelAttention(2 * c)
        block = _Residual(_conv3x3(2 * c, 2 * c), nn.ReLU(), _conv3x3(2 * c, 2 * c), attention)
        self.refinement = _Residual(block, _conv3x3(2 * c, 2 * c))
        self.reconstruction = _conv3x3(2 * c, 3)

    def forward(self, clean: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Degrade ``clean`` (B, 3, H, W); the output is not clipped.

        Args:
            clean: images in [0, 1], sides multiples of 8.
            maps: degradation maps (B, M, H, W), (B, M, H/2, W/2) and (B, M, H/4, W/4).
        """
        r1, r2, r3 = maps
        s1 = self.block1(self.extractor(clean))  # C, H
        s2 = self.block2(self.pool1(s1))  # 2C, H/2
        s3 = self.block3(self.pool2(s2))  # 4C, H/4
        z = self.bottom(self.pool3(s3))  # 8C, H/8

        t3 = self.inject_degradation3(s3, r3)
        d3 = self.block_up3(torch.cat([t3, self.up3(z)], 1))
        t2 = self.inject_degradation2(s2, r2)
        d2 = self.block_up2(torch.cat([t2, self.up2(d3)], 1))
        t1 = self.inject_degradation1(s1, r1)
        d1 = self.block_up1(torch.cat([t1, self.up1(d2)], 1))  # 2C, H
        return cast(Tensor, self.reconstruction(self.refinement(d1)) + clean)


def _conv3x3(dim: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(dim, out, 3, padding=1)


def _conv1x1(dim: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(dim, out, 1, bias=False)
