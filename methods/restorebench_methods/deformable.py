"""Modulated deformable convolution: 3x3, stride 1, padding 1, one group.

Deformable ConvNets v2: More Deformable, Better Results (Zhu, Hu, Lin, Dai; CVPR 2019,
arXiv 1811.11168), section 3.2, equation 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench_methods import reference
from restorebench_methods.reference import optimises

TAPS = 9
# Their samples, 2.4 MB at 64 channels, stay in a CPU's cache.
PIXELS_AT_ONCE = 1024


@optimises(reference.deform_conv2d)
def deform_conv2d(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Convolve with a kernel whose nine taps are moved and weighted anew at every pixel.

    ``out(p) = sum_k W_k mask_k(p) x(p + p_k + offset_k(p))`` for the taps ``p_k`` of a 3x3 kernel
    in reading order, with bilinear sampling and zeros outside of the image.

    On CUDA it is torchvision's kernel, where torchvision is installed. On the CPU `gathered` is
    far faster than that.

    Args:
        x: features (B, C, H, W).
        offset: (B, 18, H, W) in pixels; channels 2k and 2k + 1 move tap k down and to the right.
        mask: factors of the taps, (B, 9, H, W).
        weight: kernel (O, C, 3, 3).

    Returns:
        (B, O, H, W) in the type of ``x``. Positions are computed in float32 at least.
    """
    operator = torchvision_operator() if x.is_cuda else None
    return (operator or gathered)(x, offset, mask, weight)


def gathered(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Compute `deform_conv2d` with torch alone; the result lies in ``channels_last``.

    The pixels of the image, framed by zeros, are the rows of a table. A sample is a weighted sum
    of four rows, and the samples times the kernel are one matrix product.
    """
    height, width = x.shape[-2:]
    exact = torch.promote_types(x.dtype, torch.float32)
    tables = F.pad(x.to(exact), (1, 1, 1, 1)).permute(0, 2, 3, 1).flatten(1, 2)
    offsets = offset.to(exact).permute(0, 2, 3, 1).flatten(1, 2).unflatten(-1, (TAPS, 2))
    masks = mask.to(exact).permute(0, 2, 3, 1).flatten(1, 2)
    kernel = weight.permute(0, 2, 3, 1).flatten(1)
    results = []
    for table, moves, factors in zip(tables, offsets, masks, strict=True):
        corners = _corners(moves, factors, height, width)
        for rows, shares in zip(*(t.split(TAPS * PIXELS_AT_ONCE) for t in corners), strict=True):
            samples = F.embedding_bag(rows, table, per_sample_weights=shares, mode="sum")
            columns = samples.to(x.dtype).unflatten(0, (-1, TAPS)).flatten(1)
            results.append(F.linear(columns, kernel))
    return torch.cat(results).view(len(x), height, width, -1).permute(0, 3, 1, 2)


def _corners(moves: Tensor, factors: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the four pixels around each sample, and the share of each in it.

    Args:
        moves: how far each tap moves down and to the right, (H W, 9, 2).
        factors: masks of the taps, (H W, 9).
        height: H of the image, without its frame.
        width: W, likewise.

    Returns:
        Numbers of the pixels, counted along the rows of the framed image, and shares; both
        (9 H W, 4).
    """
    pixels = torch.arange(height * width, device=moves.device)
    tap = torch.arange(TAPS, device=moves.device)
    # In the framed image tap 0 of pixel 0 is at (0, 0). All beyond the frame is zero like the
    # frame itself, so positions may be moved back onto it.
    y = ((pixels // width)[:, None] + tap // 3 + moves[..., 0]).clamp(0, height + 1)
    x = ((pixels % width)[:, None] + tap % 3 + moves[..., 1]).clamp(0, width + 1)
    # Clamped again, because NaN can become any integer; the shares stay NaN.
    top = y.to(torch.int32).clamp(0, height)
    left = x.to(torch.int32).clamp(0, width)
    y, x = y - top, x - left
    lower = factors * y
    upper = factors - lower
    shares = torch.stack([upper - upper * x, upper * x, lower - lower * x, lower * x], dim=-1)
    row = width + 2
    around = torch.tensor([0, 1, row, row + 1], dtype=torch.int32, device=moves.device)
    return ((top * row + left)[..., None] + around).view(-1, 4), shares.view(-1, 4)


@cache
def torchvision_operator() -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None:
    """Return `deform_conv2d` by torchvision's kernels, or None where it does not import."""
    try:
        from torchvision import ops
    # RuntimeError: a torchvision that was built for another torch.
    except (ImportError, RuntimeError):
        return None

    def fused(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
        exact = torch.promote_types(x.dtype, torch.float32)
        x_, offset, mask, weight = (t.to(exact) for t in (x, offset, mask, weight))
        out: Tensor = ops.deform_conv2d(x_, offset, weight, padding=1, mask=mask)
        return out.to(x.dtype)

    return fused


class GuidedDeformConv2d(nn.Module):
    """A modulated deformable convolution whose offsets and masks a second map helps to choose.

    Initially the taps do not move and their masks are 1/2, as the paper has it.

    Args:
        channels: C of the features, and of the result.
        guide_channels: G of the second map.
    """

    def __init__(self, channels: int, guide_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        bound = (TAPS * channels) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        self.conv_offset_mask = nn.Conv2d(channels + guide_channels, 3 * TAPS, 3, padding=1)
        nn.init.zeros_(self.conv_offset_mask.weight)
        assert self.conv_offset_mask.bias is not None
        nn.init.zeros_(self.conv_offset_mask.bias)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Map (B, C, H, W), guided by (B, G, H, W), to the same shape."""
        z = self.conv_offset_mask(torch.cat([x, guide], 1))
        offset, mask = z.split([2 * TAPS, TAPS], dim=1)
        return deform_conv2d(x, offset, mask.sigmoid(), self.weight)
