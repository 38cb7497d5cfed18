"""The building blocks of Restormer, which most all-in-one networks share.

Restormer: Efficient Transformer for High-Resolution Image Restoration (Zamir et al., CVPR 2022,
arXiv 2111.09881), section 3. Feature maps are (B, C, H, W); all convolutions pad with zeros. The
attribute names are those of the released checkpoints.

Every block works in either memory layout. In ``channels_last``, where these networks are fastest,
it stays there and makes no copies on the way. On the CPU without gradients, wide features are made
and used up in bands of rows that fit into the cache (`bands`). What the authors' code does instead
is in `reference`.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench_methods import reference
from restorebench_methods.attention import banded_attention
from restorebench_methods.bands import Band, Kernel, Layer, bands, in_bands, join, kernel
from restorebench_methods.reference import optimises

MAX_BLOCKS = 1000


class _Affine(nn.Module):
    """The scale and shift of a layer norm, under the key ``body`` of the checkpoints."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))


class LayerNorm(nn.Module):
    """Layer norm over the channels of every pixel, population variance, epsilon 1e-5."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = _Affine(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) along C."""
        return layer_norm(x, self.body.weight, self.body.bias)


@optimises(reference.layer_norm)
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalise (B, C, H, W) along C; the result lies in ``channels_last``."""
    return F.layer_norm(x.movedim(1, -1), weight.shape, weight, bias, 1e-5).movedim(-1, 1)


def depthwise(channels: int, kernel_size: int = 3, *, bias: bool = False) -> nn.Conv2d:
    """A depth-wise convolution that keeps the size."""
    padding = kernel_size // 2
    return nn.Conv2d(channels, channels, kernel_size, padding=padding, groups=channels, bias=bias)


class MDTA(nn.Module):
    """Multi-Dconv head transposed attention (Restormer, section 3.1)."""

    def __init__(self, dim: int, heads: int, *, bias: bool = False) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(dim, dim * 3, 1, bias=bias)
        self.qkv_dwconv = depthwise(dim * 3, bias=bias)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=bias)

    def forward(self, x: Tensor, norm: Layer | None = None) -> Tensor:
        """Mix the channels of (B, C, H, W); given a norm, return ``x + MDTA(norm(x))``."""
        qkv, qkv_dwconv, project_out = map(kernel, (self.qkv, self.qkv_dwconv, self.project_out))
        return mdta(x, qkv, qkv_dwconv, project_out, self.temperature, norm)


def mdta(
    x: Tensor,
    qkv: Kernel,
    qkv_dwconv: Kernel,
    project_out: Kernel,
    temperature: Tensor,
    norm: Layer | None = None,
) -> Tensor:
    """Compute `MDTA` of (B, C, H, W) with weights that are handed in."""
    layers = [layer for layer in (norm, qkv, qkv_dwconv) if layer is not None]

    def queries_keys_values(band: Band) -> tuple[Tensor, ...]:
        return band.of(x, *layers).chunk(3, dim=1)

    onto = None if norm is None else x
    return banded_attention(x, queries_keys_values, temperature, project_out, onto=onto)


@optimises(reference.gelu)
def gelu(x: Tensor) -> Tensor:
    """Exact (erf) GELU of (B, C, H, W), which may be a slice of channels."""
    if x.is_cpu and x.stride(1) == 1:
        # On the CPU it is vectorised over whole runs of memory only, so a copy is the lesser cost.
        x = x.contiguous(memory_format=torch.channels_last)
    return F.gelu(x)


@optimises(reference.gelu_gate)
def gelu_gate(x: Tensor) -> Tensor:
    """Halve the channels: ``gelu(first half) * second half``."""
    x1, x2 = x.chunk(2, dim=1)
    return gelu(x1).mul_(x2)


class GDFN(nn.Module):
    """Gated-Dconv feed-forward network (Restormer, section 3.2), ``int(dim * expansion)`` wide."""

    def __init__(self, dim: int, expansion: float, *, bias: bool = False) -> None:
        super().__init__()
        hidden = int(dim * expansion)
        self.project_in = nn.Conv2d(dim, hidden * 2, 1, bias=bias)
        self.dwconv = depthwise(hidden * 2, bias=bias)
        self.project_out = nn.Conv2d(hidden, dim, 1, bias=bias)

    def forward(self, x: Tensor, norm: Layer | None = None) -> Tensor:
        """Transform the pixels of (B, C, H, W); given a norm, return ``x + GDFN(norm(x))``."""
        convs = map(kernel, (self.project_in, self.dwconv, self.project_out))
        project_in, dwconv, project_out = convs
        return feed_forward(x, project_in, dwconv, project_out, norm)


def feed_forward(
    x: Tensor,
    project_in: Kernel,
    dwconv: Kernel,
    project_out: Kernel,
    norm: Layer | None = None,
) -> Tensor:
    """Compute `GDFN` of (B, C, H, W) with weights that are handed in."""
    hidden = project_out.weight.shape[1]
    # Each half by itself, so that neither has to be copied before GELU, which wants whole runs.
    halves = [(project_in.part(s), dwconv.part(s)) for s in (slice(hidden), slice(hidden, None))]

    def gated(rows: Tensor) -> Tensor:
        if not in_bands(x):
            return gelu_gate(dwconv(project_in(rows)))
        gate, passed = (local(into(rows)) for into, local in halves)
        return F.gelu(gate).mul_(passed)

    layers = [gated] if norm is None else [norm, gated]
    parts = (project_out(band.of(x, *layers)) for band in bands(x, hidden))
    return join(parts, None if norm is None else x)


class PreNormBlock(nn.Module):
    """``x + attn(norm(x))``, then ``x + GDFN(norm(x))`` (Restormer, figure 2).

    ``attn`` takes x and the norm, as `MDTA` does, so that it can normalise what it needs at a time.
    """

    def __init__(self, dim: int, attn: nn.Module, expansion: float, *, bias: bool = False) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = attn
        self.norm2 = LayerNorm(dim)
        self.ffn = GDFN(dim, expansion, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return cast(Tensor, self.ffn(self.attn(x, self.norm1), self.norm2))


class TransformerBlock(PreNormBlock):
    """Restormer's block: `PreNormBlock` around `MDTA`."""

    def __init__(self, dim: int, heads: int, expansion: float, *, bias: bool = False) -> None:
        super().__init__(dim, MDTA(dim, heads, bias=bias), expansion, bias=bias)


def transformer_level(dim: int, heads: int, expansion: float, blocks: int) -> nn.Sequential:
    """One level of the U-Net: ``blocks`` transformer blocks of the same width.

    Raises:
        ValueError: if the number of blocks is negative or beyond reason.
    """
    if not 0 <= blocks <= MAX_BLOCKS:
        raise ValueError(f"a level has 0 to {MAX_BLOCKS} blocks, got {blocks}")
    return nn.Sequential(*(TransformerBlock(dim, heads, expansion) for _ in range(blocks)))


class PatchEmbed(nn.Module):
    """The 3x3 convolution that turns the image into features."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, dim, H, W)."""
        return cast(Tensor, self.proj(x))


class Downsample(nn.Module):
    """Halve the size and double the width: 3x3 convolution, then pixel-unshuffle."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        conv = nn.Conv2d(dim, dim // 2, 3, padding=1, bias=False)
        self.body = nn.Sequential(conv, nn.PixelUnshuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, 2C, H/2, W/2)."""
        return cast(Tensor, self.body(x))


class Upsample(nn.Module):
    """Double the size and halve the width: 3x3 convolution, then pixel-shuffle."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        conv = nn.Conv2d(dim, dim * 2, 3, padding=1, bias=False)
        self.body = nn.Sequential(conv, nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C/2, 2H, 2W)."""
        return cast(Tensor, self.body(x))


def check_levels(num_blocks: object, heads: object, dim: int) -> None:
    """Refuse a U-Net whose blocks, heads and width do not go together.

    Raises:
        ValueError: if there are not four levels, a count is below 1 or beyond reason, or a
            level's width (dim, 2 dim, 4 dim, 8 dim) is not a multiple of its heads.
    """
    for name, levels in (("num_blocks", num_blocks), ("heads", heads)):
        if not isinstance(levels, (tuple, list)) or len(levels) != 4:
            raise ValueError(f"{name} needs four numbers, one for each level, got {levels!r}")
        if not all(isinstance(n, int) and 1 <= n <= MAX_BLOCKS for n in levels):
            raise ValueError(f"{name} needs whole numbers from 1 to {MAX_BLOCKS}, got {levels!r}")
    if dim < 2 or dim % 2:
        raise ValueError(f"dim must be an even number of at least 2, got {dim}")
    assert isinstance(heads, (tuple, list))
    for level, n in enumerate(heads):
        if (dim << level) % n:
            raise ValueError(
                f"level {level + 1} is {dim << level} wide, not a multiple of {n} heads"
            )
