"""AnyIR of 2024: attention and gated convolution crossed in every block. No code was released.

Any Image Restoration with Efficient Automatic Degradation Adaptation, Ren, Zamfir, Li, Wu, Paudel,
Timofte, Sebe, Van Gool; arXiv 2407.13372. The released version of 2025 is
`restorebench_methods.anyir_sf`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench.method import Card, Method
from restorebench_methods.anyir_blocks import AnyIRUNet, SkipSplitAttention, check_gate_kernel
from restorebench_methods.layers import Downsample, depthwise, gelu


@dataclass(frozen=True, slots=True, kw_only=True)
class GateShape:
    """What the gates of all levels have in common.

    Raises:
        ValueError: if a number is out of its range.
    """

    expansion: float
    """Hidden over outer width (r_expand)."""
    conv_ratio: float
    """Width of the convolved part over outer width (r_dconv)."""
    kernel_size: int
    """Side of the depth-wise convolution, odd."""
    drop_path: float
    """Probability, in [0, 1), with which training drops an image's update (W3 F'')."""

    def __post_init__(self) -> None:
        check_gate_kernel(self.kernel_size)
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path must lie in [0, 1), got {self.drop_path}")

    def widths(self, dim: int) -> tuple[int, int, int]:
        """Return the widths of gamma, beta and alpha for features ``dim`` wide.

        Raises:
            ValueError: if alpha has no channel, or more than gamma.
        """
        hidden, alpha = int(dim * self.expansion), int(dim * self.conv_ratio)
        if not 1 <= alpha <= hidden:
            raise ValueError(
                f"gate_conv_ratio {self.conv_ratio} convolves {alpha} channels of a gate {dim} "
                f"wide; gate_expansion_ratio {self.expansion} allows 1 to {hidden}"
            )
        return hidden, hidden - alpha, alpha


class StochasticDepth(nn.Module):
    """Drop a residual branch of whole images in training, each with the same probability.

    What survives is divided by the probability of surviving, so the mean stays.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) as it is, or in training with some images zero."""
        if not self.training:
            return x
        return x * F.dropout(x.new_ones(len(x), 1, 1, 1), self.probability)


class GatedDA(nn.Module):
    """Gated degradation adaption (section 3.2, figure 3): ``W4(W3 F'' + x)``, equation 5.

    ``W1 Norm(x)`` is cut into gamma (scaled), beta (ego) and alpha (shifted), equation 3, and
    ``F'' = GELU(gamma) * [beta, W2 alpha]``, equation 4. The paper names and joins alpha first;
    this order, a mere permutation, is that of a class that the authors' later code still holds.
    """

    def __init__(self, dim: int, shape: GateShape) -> None:
        super().__init__()
        self.pieces = hidden, _, alpha = shape.widths(dim)
        self.norm = nn.BatchNorm2d(dim)
        self.gic1 = nn.Conv2d(dim, hidden * 2, 1, bias=False)
        self.cconv = depthwise(alpha, shape.kernel_size, bias=True)
        self.gic2 = nn.Conv2d(hidden, dim, 1, bias=False)
        self.drop_path = StochasticDepth(shape.drop_path)
        self.proj_out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        gamma, beta, alpha = self.gic1(self.norm(x)).split(self.pieces, dim=1)
        modulated = gelu(gamma) * torch.cat([beta, self.cconv(alpha)], dim=1)
        return cast(Tensor, self.proj_out(self.drop_path(self.gic2(modulated)) + x))


class StridedDownsample(nn.Module):
    """Halve the size and double the width by a 3x3 convolution of stride 2."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        conv = nn.Conv2d(dim, dim * 2, 3, stride=2, padding=1, bias=False)
        self.body = nn.Sequential(conv)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, 2C, H/2, W/2)."""
        return cast(Tensor, self.body(x))


_DOWNSAMPLES: dict[str, Callable[[int], nn.Module]] = {
    "stride": StridedDownsample,
    "unshuffle": Downsample,
}


class AnyIR(AnyIRUNet):
    """AnyIR from the paper of 2024, of which no code was released.

    The paper gives the block (equations 1 to 5), the blocks of each level and, in table 4,
    6.29 M parameters and 19 G multiply-accumulates at 224x224. It leaves open, and chosen here is:

    - from the code of 2025: the width, the heads, the refinement blocks, the feed-forward factor
      and network, layer norms before attention and feed-forward, decoder levels that mirror the
      encoder, and the convolution and pixel-shuffle that upsample;
    - from that code, too, the attention: Restormer's, with a learned temperature where the paper
      prints the square root of d, and no projection before equation 2, whose results are
      concatenated;
    - from a class that it holds but does not use: the gate's ratios, kernel and stochastic depth,
      and biases in its depth-wise convolution alone;
    - by search, to meet both printed figures, which the U-Net of 2025 cannot: ``downsample`` and
      ``level1``.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        num_blocks: blocks of levels 1 to 4; the decoder mirrors 1 to 3.
        num_refinement_blocks: blocks after the decoder, at full size.
        heads: attention heads of levels 1 to 4; they share half of a level's width.
        ffn_expansion_factor: hidden over outer width of the feed-forward networks.
        gate_expansion_ratio: hidden over outer width of the gates.
        gate_conv_ratio: width of what a gate convolves over its outer width.
        gate_kernel_size: side of the gates' depth-wise convolutions, odd.
        drop_path: probability with which training drops a gate's update of an image, in [0, 1).
        downsample: ``stride``, a convolution of stride 2, or ``unshuffle``, as in 2025.
        level1: width of the first level's decoder and of the refinement: ``C``, or ``2C`` as in
            2025.

    Raises:
        ValueError: if the numbers do not go together, or a name is none of these.
    """

    def __init__(  # noqa: PLR0913 - every one is a value that the paper leaves open
        self,
        dim: int = 28,
        num_blocks: Sequence[int] = (3, 5, 5, 7),
        num_refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2,
        gate_expansion_ratio: float = 8 / 3,
        gate_conv_ratio: float = 1,
        gate_kernel_size: int = 7,
        drop_path: float = 0.1,
        downsample: Literal["stride", "unshuffle"] = "stride",
        level1: Literal["C", "2C"] = "C",
    ) -> None:
        if downsample not in _DOWNSAMPLES:
            raise ValueError(f"downsample must be 'stride' or 'unshuffle', got {downsample!r}")
        if level1 not in ("C", "2C"):
            raise ValueError(f"level1 must be 'C' or '2C', got {level1!r}")
        shape = GateShape(
            expansion=gate_expansion_ratio,
            conv_ratio=gate_conv_ratio,
            kernel_size=gate_kernel_size,
            drop_path=drop_path,
        )

        def attention(width: int, heads: int) -> SkipSplitAttention:
            return SkipSplitAttention(width, heads, GatedDA(width // 2, shape))

        super().__init__(
            attention,
            dim=dim,
            num_blocks=num_blocks,
            num_refinement_blocks=num_refinement_blocks,
            heads=heads,
            expansion=ffn_expansion_factor,
            downsample=_DOWNSAMPLES[downsample],
            narrow_level1=level1 == "C",
        )


class AnyIRMethod(Method):
    """AnyIR of 2024, reconstructed from its paper."""

    network_class = AnyIR
    info: ClassVar[Card] = Card(
        title="AnyIR (2024)",
        paper=(
            "Ren et al., Any Image Restoration with Efficient Automatic Degradation Adaptation, "
            "arXiv 2407.13372"
        ),
        cite="ren2024anyir",
        status="reconstruction",
        trained_on=("noise", "rain", "haze", "blur", "low light"),
        size_multiple=8,
        notes=(
            "Reconstructed from the paper and from parts of the authors' code of 2025; the values "
            "it is tested against come from an independent reconstruction, not from the authors.",
            "The paper leaves the down-sampling and the width of the last level open; the "
            "defaults meet its 6.29 M parameters and 19 G multiply-accumulates. "
            "downsample='unshuffle' and level1='2C' give the U-Net of 2025.",
            "The three-degradation setting has noise, rain and haze; the five-degradation setting "
            "also blur and low light. Weights of neither were published.",
        ),
    )
