"""NDR-Restore: a dictionary of degradations that every pixel looks itself up in.

Neural Degradation Representation Learning for All-In-One Image Restoration, Yao, Xu, Guan, Huang,
Xiong; IEEE Transactions on Image Processing, 2024. Figure 2 is `RestorationNet`,
section III-B is `DegradationQuery`. Where paper and released code differ, this is the released
code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn

from restorebench.method import Card, Method
from restorebench_methods.bands import image_of
from restorebench_methods.layers import (
    Downsample,
    Upsample,
    check_levels,
    transformer_level,
)
from restorebench_methods.ndr_degrad import DegradationNet, Injection

Maps = tuple[Tensor, Tensor, Tensor]
"""Recognised degradations of levels 1 to 3: (B, M, H, W), (B, M, H/2, W/2), (B, M, H/4, W/4)."""


class Recognised(NamedTuple):
    """What one level finds in the dictionary of N entries."""

    affinity: Tensor
    """S (B, N, h, w): how much of each entry is at each pixel; sums to 1 over the entries."""
    degradation: Tensor
    """U (B, M, h, w): the degradation map."""


class DictionaryAttention(nn.Module):
    """Each pixel's weighted mean of the dictionary's entries (section III-B, equations 1 to 3)."""

    def __init__(self, map_dim: int, entry_dim: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(1))
        self.qkv = nn.Conv2d(map_dim, entry_dim, 1)  # only the query, whatever its name says
        self.project_out = nn.Conv2d(entry_dim, map_dim, 1)

    def forward(self, f: Tensor, dictionary: Tensor) -> Recognised:
        """Look features (B, M, h, w) up in ``dictionary`` (1, N, D)."""
        query = self.qkv(f).flatten(2).transpose(1, 2)  # B, hw, D
        affinity = (query @ dictionary[0].T * self.temperature).softmax(dim=-1)  # B, hw, N
        size = f.shape[-2:]
        found = image_of(affinity @ dictionary[0], size)
        return Recognised(image_of(affinity, size), self.project_out(found))


class DegradationQuery(nn.Module):
    """Attention to the dictionary, then one more 1x1 convolution."""

    def __init__(self, map_dim: int, entry_dim: int) -> None:
        super().__init__()
        self.attn = DictionaryAttention(map_dim, entry_dim)
        self.ffn = nn.Sequential(OrderedDict(project_out=nn.Conv2d(map_dim, map_dim, 1)))

    def forward(self, f: Tensor, dictionary: Tensor) -> Recognised:
        """Look features (B, M, h, w) up in ``dictionary`` (1, N, D)."""
        affinity, found = self.attn(f, dictionary)
        return Recognised(affinity, self.ffn(found))


class SkipConnection(nn.Module):
    """What a skip of the U-Net passes through: query the degradation, then inject it."""

    def __init__(self, dim: int, map_dim: int, entry_dim: int, rank: int) -> None:
        super().__init__()
        self.mapping = nn.Conv2d(dim, map_dim, 3, padding=1, bias=False)
        self.degradation_recog = DegradationQuery(map_dim, entry_dim)
        self.inject_degradation = Injection(dim, map_dim, rank)

    def recognise(self, features: Tensor, dictionary: Tensor) -> Recognised:
        """Find the degradation of features (B, C, h, w)."""
        return cast(Recognised, self.degradation_recog(self.mapping(features), dictionary))

    def forward(self, features: Tensor, dictionary: Tensor) -> tuple[Tensor, Tensor]:
        """Return the skip (B, C, h, w) and the degradation map (B, M, h, w) injected into it."""
        degradation = self.recognise(features, dictionary).degradation
        return self.inject_degradation(features, degradation), degradation


class RestorationNet(nn.Module):
    """Restormer's U-Net with a degradation query and injection on each skip.

    The arguments are those of `NDRN`, which checks them; ``dictionary`` is its parameter.
    """

    def __init__(
        self,
        dictionary: nn.Parameter,
        *,
        dim: int,
        num_blocks: Sequence[int],
        num_refinement_blocks: int,
        heads: Sequence[int],
        ffn_expansion_factor: float,
        rank: int,
        map_dim: int,
    ) -> None:
        super().__init__()
        c, (n1, n2, n3, n4), (h1, h2, h3, h4) = dim, num_blocks, heads
        gamma, entry_dim = ffn_expansion_factor, dictionary.shape[-1]
        self.dr = dictionary
        self.extractor = nn.Conv2d(3, c, 3, padding=1)
        self.block1 = transformer_level(c, h1, gamma, n1)
        self.pool1 = Downsample(c)
        self.block2 = transformer_level(2 * c, h2, gamma, n2)
        self.pool2 = Downsample(2 * c)
        self.block3 = transformer_level(4 * c, h3, gamma, n3)
        self.pool3 = Downsample(4 * c)
        self.bottom = transformer_level(8 * c, h4, gamma, n4)

        self.res_connect1 = SkipConnection(c, map_dim, entry_dim, rank)
        self.res_connect2 = SkipConnection(2 * c, map_dim, entry_dim, rank)
        self.res_connect3 = SkipConnection(4 * c, map_dim, entry_dim, rank)

        self.up3 = Upsample(8 * c)
        self.block_up3 = _joined(8 * c, transformer_level(4 * c, h3, gamma, n3), 4 * c)
        self.up2 = Upsample(4 * c)
        self.block_up2 = _joined(4 * c, transformer_level(2 * c, h2, gamma, n2), 2 * c)
        self.up1 = Upsample(2 * c)
        self.block_up1 = _joined(2 * c, transformer_level(2 * c, h1, gamma, n1), 2 * c)
        self.refinement = transformer_level(2 * c, h1, gamma, num_refinement_blocks)
        self.reconstruction = nn.Conv2d(2 * c, 3, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Maps]:
        """Return the restored images (B, 3, H, W) and the degradation maps found in them."""
        s1, s2, s3 = self._encode(x)
        t1, r1 = self.res_connect1(s1, self.dr)
        t2, r2 = self.res_connect2(s2, self.dr)
        t3, r3 = self.res_connect3(s3, self.dr)

        z = self.bottom(self.pool3(s3))  # 8C, H/8
        d3 = self.block_up3(torch.cat([t3, self.up3(z)], 1))  # 4C, H/4
        d2 = self.block_up2(torch.cat([t2, self.up2(d3)], 1))  # 2C, H/2
        d1 = self.block_up1(torch.cat([t1, self.up1(d2)], 1))  # 2C, H
        return self.reconstruction(self.refinement(d1)), (r1, r2, r3)

    def recognise(self, x: Tensor) -> tuple[Recognised, Recognised, Recognised]:
        """Return what levels 1 to 3 find in images (B, 3, H, W), without restoring them."""
        s1, s2, s3 = self._encode(x)
        return (
            self.res_connect1.recognise(s1, self.dr),
            self.res_connect2.recognise(s2, self.dr),
            self.res_connect3.recognise(s3, self.dr),
        )

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        s1 = self.block1(self.extractor(x))  # C, H
        s2 = self.block2(self.pool1(s1))  # 2C, H/2
        return s1, s2, self.block3(self.pool2(s2))  # 4C, H/4


def _joined(joined: int, level: nn.Sequential, dim: int) -> nn.Sequential:
    """A decoder level behind the 1x1 convolution that takes the ``joined`` channels to ``dim``."""
    return nn.Sequential(nn.Conv2d(joined, dim, 1, bias=False), *level)


class NDRN(nn.Module):
    """The restoration network, its degrading partner and the dictionary of degradations.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide in both networks.
        num_blocks: transformer blocks of levels 1 to 4; the decoder mirrors 1 to 3.
        num_refinement_blocks: blocks after the decoder, at full size and width 2C.
        heads: attention heads of levels 1 to 4.
        ffn_expansion_factor: hidden over outer width of the feed-forward networks.
        dictionary: entries N and their width D (the paper's N and M).
        rank: rank K of the gates in the injections.
        map_dim: channels M of the degradation maps.

    Raises:
        ValueError: if the widths and heads do not go together, or a size is below 1.
    """

    def __init__(
        self,
        dim: int = 48,
        num_blocks: Sequence[int] = (4, 6, 6, 8),
        num_refinement_blocks: int = 3,
        heads: Sequence[int] = (1, 2, 4, 6),
        ffn_expansion_factor: float = 2.66,
        dictionary: Sequence[int] = (32, 128),
        rank: int = 16,
        map_dim: int = 64,
    ) -> None:
        super().__init__()
        check_levels(num_blocks, heads, dim)
        if len(dictionary) != 2 or min(dictionary) < 1:
            raise ValueError(f"dictionary needs entries and width of at least 1, got {dictionary}")
        sizes = {"num_refinement_blocks": num_refinement_blocks, "rank": rank, "map_dim": map_dim}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if int(dim * ffn_expansion_factor) < 1:
            raise ValueError(f"ffn_expansion_factor {ffn_expansion_factor} leaves no channel")

        self.degradation_representations = nn.Parameter(torch.randn(1, *dictionary))
        self.degradation_net = DegradationNet(dim, map_dim, rank)
        # The same parameter under a second name, restoration_net.dr, as in the checkpoints.
        self.restoration_net = RestorationNet(
            self.degradation_representations,
            dim=dim,
            num_blocks=num_blocks,
            num_refinement_blocks=num_refinement_blocks,
            heads=heads,
            ffn_expansion_factor=ffn_expansion_factor,
            rank=rank,
            map_dim=map_dim,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Restore (B, 3, H, W), BGR in [0, 1], sides multiples of 8; the output is not clipped."""
        return self.restore(x)[0]

    def restore(self, x: Tensor) -> tuple[Tensor, Maps]:
        """Return the restored images, as `forward`, and the maps that `degrade` takes."""
        return cast(tuple[Tensor, Maps], self.restoration_net(x))

    def degrade(self, clean: Tensor, maps: Maps) -> Tensor:
        """Degrade ``clean`` (B, 3, H, W) as the images were in which `restore` found ``maps``.

        Training minimises the error of both (section III-D, equation 8); nothing is detached, so
        this one, too, trains the restoration network's encoder, queries and dictionary.
        """
        return cast(Tensor, self.degradation_net(clean, maps))

    def recognise(self, x: Tensor) -> tuple[Recognised, Recognised, Recognised]:
        """Return what levels 1 to 3 find in images (B, 3, H, W), as in figure 5 of the paper."""
        return self.restoration_net.recognise(x)


class NDRRestoreMethod(Method):
    """NDR-Restore as its authors test it, with the degradation network idle."""

    network: NDRN
    network_class = NDRN
    info: ClassVar[Card] = Card(
        title="NDR-Restore",
        paper=(
            "Yao et al., Neural Degradation Representation Learning for All-In-One Image "
            "Restoration, IEEE Transactions on Image Processing 2024"
        ),
        cite="yao2024ndr",
        status="parity-proven",
        code="github.com/mdyao/NDR-Restore at e4e043614f26",
        code_licence="MIT (this implementation is our own)",
        weights_licence="not stated separately; the repository is MIT",
        checkpoint="model_L.pth of the authors (Hugging Face, Mingde/pre-trained-models)",
        trained_on=("noise", "rain", "haze"),
        colour_order="bgr",
        size_multiple=8,
        notes=(
            "Built, the released code has 27.33 M parameters (restoration) and 9.63 M "
            "(degradation, idle at test time); the paper prints 28.4 M and 10.70 M.",
            "The released injection has no residual connection, unlike equation 7 of the paper.",
            "The authors' test script scores the first 10 images of the noise and haze sets only.",
        ),
    )

    def embedding(self, x: Tensor) -> dict[str, Tensor]:
        """Return what levels i = 1, 2, 3 recognise in the images, padded as for `restore`.

        ``affinity{i}`` (N, entries, h, w) and ``rep{i}`` (N, channels, h, w) are the affinities
        and degradation maps, ``affinity{i}_mean`` and ``rep{i}_mean`` their means over the pixels.
        """
        with self.inference():
            levels = self.network.recognise(self.prepare(x))
        named: dict[str, Tensor] = {}
        for i, (affinity, degradation) in enumerate(levels, start=1):
            named[f"affinity{i}"], named[f"rep{i}"] = affinity.float(), degradation.float()
        means = {f"{name}_mean": t.mean(dim=(-2, -1)) for name, t in named.items()}
        return named | means
