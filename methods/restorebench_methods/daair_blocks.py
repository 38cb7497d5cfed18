"""The blocks of DaAIR: experts, the degradation-aware learner, and the controlled attention.

Efficient Degradation-aware Any Image Restoration, Zamfir et al.; arXiv 2405.15475, section 3 and
figure 3. What the paper leaves open is listed in `restorebench_methods.daair.DaAIR`. Feature maps
are (B, C, H, W).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench_methods.attention import banded_attention
from restorebench_methods.bands import Band, kernel
from restorebench_methods.layers import (
    GDFN,
    LayerNorm,
    TransformerBlock,
    depthwise,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertShape:
    """What the experts of all levels have in common.

    Raises:
        ValueError: if a number is below 1 or the kernel is even.
    """

    count: int
    """Specialised experts N of each learner, one for each degradation."""
    reduction: int
    """Width of the features over width of the low-rank space (r)."""
    kernel_size: int
    """Side k of the depth-wise convolution, odd."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"num_experts must be at least 1, got {self.count}")
        if self.reduction < 1:
            raise ValueError(f"reduction must be at least 1, got {self.reduction}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, got {self.kernel_size}")

    def rank(self, dim: int) -> int:
        """Return the width of the low-rank space of features ``dim`` wide.

        Raises:
            ValueError: if ``reduction`` does not divide ``dim``.
        """
        if dim % self.reduction:
            raise ValueError(f"a width of {dim} is not a multiple of reduction {self.reduction}")
        return dim // self.reduction


class Expert(nn.Module):
    """Large-kernel gated convolution in a low-rank space (figure 3b; Conv2Former).

    With t the projection to c channels and ``q, v`` the halves of ``gelu(W t)``, the output is
    ``proj(dwconv(q) * v)``, still c channels wide.
    """

    def __init__(self, dim: int, shape: ExpertShape) -> None:
        super().__init__()
        rank = shape.rank(dim)
        self.proj_in = nn.Conv2d(dim, rank, 1, bias=False)
        self.to_qv = nn.Conv2d(rank, rank * 2, 1, bias=False)
        self.dwconv = depthwise(rank, shape.kernel_size)
        self.proj = nn.Conv2d(rank, rank, 1, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C/r, H, W)."""
        q, v = F.gelu(self.to_qv(self.proj_in(z))).chunk(2, dim=1)
        return cast(Tensor, self.proj(self.dwconv(q) * v))


class DaLe(nn.Module):
    """Degradation-aware learner: ``proj_out(x_D * x_A)`` (section 3.1, equations 1 to 3).

    x_A comes from the agnostic expert, which sees every image; x_D comes from the one specialised
    expert that the router gives an image to.
    """

    def __init__(self, dim: int, shape: ExpertShape) -> None:
        super().__init__()
        self.router = nn.Linear(dim, shape.count, bias=False)
        self.agnostic = Expert(dim, shape)
        self.experts = nn.ModuleList(Expert(dim, shape) for _ in range(shape.count))
        self.proj_out = nn.Conv2d(shape.rank(dim), dim, 1, bias=False)

    def forward(self, z: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return what the attention takes, and router logits (B, N), for ``z`` (B, C, H, W).

        The attention takes the modulated features, shaped as ``z``.
        """
        logits = self.router(z.mean(dim=(-2, -1)))
        specialised = self._dispatch(z, logits.argmax(dim=1))
        return (self.proj_out(specialised * self.agnostic(z)),), logits

    def _dispatch(self, z: Tensor, chosen: Tensor) -> Tensor:
        if z.is_cuda and torch.is_grad_enabled():
            return chosen_experts(self.experts, chosen, z)
        # A run for shapes alone has no values to route by; every expert costs the same.
        experts = [0] * len(z) if chosen.is_meta else chosen.tolist()
        if len(set(experts)) == 1:  # always so for one image, and it saves copies of the features
            return cast(Tensor, self.experts[experts[0]](z))
        order = sorted(range(len(experts)), key=experts.__getitem__)
        groups = groupby(order, key=experts.__getitem__)
        parts = [self.experts[n](z[list(images)]) for n, images in groups]
        return torch.cat(parts)[sorted(range(len(order)), key=order.__getitem__)]


def chosen_experts(experts: Iterable[nn.Module], chosen: Tensor, z: Tensor) -> Tensor:
    """Send each image through its expert without asking the device which one that is.

    So training on a GPU does not wait, and its steps can be captured as CUDA graphs. Experts that
    see no image get gradients of zero here, and none where experts run one by one. On the CPU,
    which need not wait, restoring takes an eighth to a fifth longer this way.

    Args:
        experts: N experts.
        chosen: the expert of each image, (B,), int64 in [0, N).
        z: (B, C, H, W).

    Returns:
        (B, C/r, H, W).
    """
    layers = [(e.proj_in, e.to_qv, e.dwconv, e.proj) for e in cast(Iterable[Expert], experts)]
    proj_in, to_qv, dwconv, proj = (
        torch.stack([conv.weight for conv in convs]).index_select(0, chosen)
        for convs in zip(*layers, strict=True)
    )

    def pointwise(weight: Tensor, x: Tensor) -> Tensor:
        return cast(Tensor, (weight.flatten(2) @ x.flatten(2)).unflatten(-1, x.shape[-2:]))

    q, v = F.gelu(pointwise(to_qv, pointwise(proj_in, z))).chunk(2, dim=1)
    # One image whose channels are those of all images, so that each has a kernel of its own.
    size = dwconv.shape[-1]
    apart = q.reshape(1, -1, *q.shape[-2:])
    convolved = F.conv2d(apart, dwconv.flatten(0, 1), padding=size // 2, groups=apart.shape[1])
    return pointwise(proj, convolved.view_as(q) * v)


class ControlledDaLe(DaLe):
    """The decoder's learner: a controller beside it makes the keys of the cross-attention.

    The controller has no gradients of its own: it follows an agnostic expert of the encoder.
    """

    def __init__(self, dim: int, shape: ExpertShape) -> None:
        super().__init__(dim, shape)
        self.controller = Expert(dim, shape).requires_grad_(False)
        self.controller_out = nn.Conv2d(shape.rank(dim), dim, 1, bias=False)

    def forward(self, z: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return modulated and controller features, each shaped as ``z``, and router logits."""
        modulated, logits = super().forward(z)
        return (*modulated, self.controller_out(self.controller(z))), logits


class ControlledAttention(nn.Module):
    """Channel attention with keys from the controller (section 3.2), otherwise as `MDTA`."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qv = nn.Conv2d(dim, dim * 2, 1, bias=False)
        self.qv_dwconv = depthwise(dim * 2)
        self.k = nn.Conv2d(dim, dim, 1, bias=False)
        self.k_dwconv = depthwise(dim)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor, control: Tensor) -> Tensor:
        """Mix the channels of ``x`` (B, C, H, W), guided by ``control``, same shape."""

        def queries_keys_values(band: Band) -> tuple[Tensor, ...]:
            q, v = band.of(x, self.qv, self.qv_dwconv).chunk(2, dim=1)
            return q, band.of(control, self.k, self.k_dwconv), v

        return banded_attention(x, queries_keys_values, self.temperature, kernel(self.project_out))


class DaLeBlock(nn.Module):
    """``x + attn(DaLe(norm(x)))``, then ``x + ffn(norm(x))`` (figure 3a, left and right).

    Args:
        dim: width of the features.
        expansion: hidden over outer width of the feed-forward network.
        dale: the learner; what it returns first is what ``attn`` takes.
        attn: `MDTA` for a `DaLe`, `ControlledAttention` for a `ControlledDaLe`.
    """

    def __init__(self, dim: int, expansion: float, dale: DaLe, attn: nn.Module) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.norm2 = LayerNorm(dim)
        self.dale = dale
        self.attn = attn
        self.ffn = GDFN(dim, expansion)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features, shaped as ``x`` (B, C, H, W), and router logits (B, N)."""
        features, logits = self.dale(self.norm1(x))
        x = x + self.attn(*features)
        return self.ffn(x, self.norm2), logits


class RefinementBlock(TransformerBlock):
    """Restormer's block, its tensors in the order of the other blocks of this network."""

    def __init__(self, dim: int, heads: int, expansion: float) -> None:
        super().__init__(dim, heads, expansion)
        # A checkpoint lists both norms first; only adding a module anew puts it last.
        attn, ffn = self.attn, self.ffn
        del self.attn, self.ffn
        self.attn, self.ffn = attn, ffn


class Level(nn.ModuleList):
    """Blocks of one width, run one after the other."""

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the features, shaped as ``x`` (B, C, H, W), and each block's logits (B, N)."""
        routing = []
        for block in self:
            x, logits = block(x)
            routing.append(logits)
        return x, routing
