"""Operations as the authors' code computes them: the yardstick of `--inference reference`.

Each stands for an optimised one that names it by `optimises`, takes the same arguments and returns
the same but for rounding. Layouts are contiguous, intermediate results are written out in full.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from restorebench.inference import is_reference

P = ParamSpec("P")


def optimises(authors: Callable[P, Tensor]) -> Callable[[Callable[P, Tensor]], Callable[P, Tensor]]:
    """Mark a function as the faster equal of ``authors``, which `--inference reference` calls."""

    def decorate(optimised: Callable[P, Tensor]) -> Callable[P, Tensor]:
        @wraps(optimised)
        def either(*args: P.args, **kwargs: P.kwargs) -> Tensor:
            return (authors if is_reference() else optimised)(*args, **kwargs)

        return either

    return decorate


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Restormer's layer norm of (B, C, H, W) along C, on (B, HW, C)."""
    pixels = x.flatten(2).transpose(1, 2)
    mean = pixels.mean(dim=-1, keepdim=True)
    variance = pixels.var(dim=-1, keepdim=True, unbiased=False)
    normed = (pixels - mean) / torch.sqrt(variance + 1e-5) * weight + bias
    return cast(Tensor, normed.transpose(1, 2).unflatten(2, x.shape[-2:]))


def channel_attention(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor) -> Tensor:
    """Restormer's attention between the channels of (B, C, H, W)."""
    size, heads = q.shape[-2:], temperature.shape[0]
    q, k, v = (t.flatten(2).unflatten(1, (heads, -1)) for t in (q, k, v))
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    attention = (q @ k.transpose(-2, -1) * temperature).softmax(dim=-1)
    return cast(Tensor, (attention @ v).flatten(1, 2).unflatten(-1, size))


def gelu(x: Tensor) -> Tensor:
    """Exact GELU."""
    return F.gelu(x)


def gelu_gate(x: Tensor) -> Tensor:
    """Restormer's gate of (B, 2C, H, W)."""
    x1, x2 = x.chunk(2, dim=1)
    return F.gelu(x1) * x2


def low_rank_product(x: Tensor, channels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """NDR-Restore's gate: all (B, K, C, H, W) products of the vectors, and then their mean."""
    products = channels[..., None, None] * rows.unsqueeze(2) * columns.unsqueeze(2)
    return x * products.mean(dim=1)


def spectral_sum(a: Tensor, b: Tensor) -> Tensor:
    """AnyIR's sum of features (B, C, H, W) by way of their Fourier transforms."""
    total: Tensor = torch.fft.irfft2(torch.fft.rfft2(a) + torch.fft.rfft2(b), s=a.shape[-2:])
    return total


def deform_conv2d(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """AirNet's deformable convolution: sample all taps, (B, C, 9, H, W), then multiply them.

    The authors call a compiled kernel that works in the same two steps.
    """
    height, width = x.shape[-2:]
    step = torch.tensor([-1, 0, 1], device=x.device)
    down, right = offset.unflatten(1, (9, 2)).unbind(dim=2)  # B, 9, H, W
    y = torch.arange(height, device=x.device)[:, None] + step.repeat_interleave(3)[:, None, None]
    at_y = (y + down) * 2 / max(height - 1, 1) - 1
    x_ = torch.arange(width, device=x.device) + step.repeat(3)[:, None, None]
    at_x = (x_ + right) * 2 / max(width - 1, 1) - 1
    grid = torch.stack([at_x, at_y], dim=-1).flatten(1, 2)  # B, 9 H, W, 2
    samples = F.grid_sample(x, grid, align_corners=True).unflatten(2, (9, height))
    columns = (samples * mask.unsqueeze(1)).flatten(1, 2).flatten(2)  # B, 9 C, H W
    out = weight.flatten(2).flatten(1) @ columns
    return cast(Tensor, out.unflatten(-1, (height, width)))
