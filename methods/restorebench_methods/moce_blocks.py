"""The transformer blocks of MoCE-IR and the frequency embedding that its routers read.

Complexity Experts are Task-Discriminative Learners for Any Image Restoration, Zamfir et al.;
CVPR 2025, arXiv 2411.18466. Feature maps are (B, C, H, W); the attribute names are those of the
released checkpoints.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from restorebench_methods.attention import banded_attention
from restorebench_methods.bands import Band, kernel
from restorebench_methods.layers import GDFN, MDTA, LayerNorm, depthwise
from restorebench_methods.moce_experts import ComplexityExperts, Mixture, Routing


class CrossAttention(nn.Module):
    """Channel attention with the queries of one feature map and the keys and values of another."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.q = nn.Conv2d(dim, dim, 1, bias=False)
        self.q_dwconv = depthwise(dim)
        self.kv = nn.Conv2d(dim, dim * 2, 1, bias=False)
        self.kv_dwconv = depthwise(dim * 2, 7)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Let x (B, C, H, W) ask y, of the same shape."""

        def queries_keys_values(band: Band) -> tuple[Tensor, ...]:
            k, v = band.of(y, self.kv, self.kv_dwconv).chunk(2, dim=1)
            return band.of(x, self.q, self.q_dwconv), k, v

        project_out = kernel(self.project_out)
        return banded_attention(x, queries_keys_values, self.temperature, project_out, halo=3)


def _norms(dim: int) -> nn.ModuleList:
    return nn.ModuleList([LayerNorm(dim), LayerNorm(dim)])


class EncoderBlock(nn.Module):
    """Restormer's transformer block with a bias in every convolution."""

    def __init__(self, dim: int, heads: int, expansion: float) -> None:
        super().__init__()
        self.norms = _norms(dim)
        self.mixer = MDTA(dim, heads, bias=True)
        self.ffn = GDFN(dim, expansion, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return cast(Tensor, self.ffn(self.mixer(x, self.norms[0]), self.norms[1]))


class DecoderBlock(nn.Module):
    """A transformer block whose attention is asked by the expert that suits the image."""

    def __init__(self, dim: int, heads: int, expansion: float, mixture: Mixture) -> None:
        super().__init__()
        self.norms = _norms(dim)
        self.proj = nn.ModuleList([nn.Conv2d(dim, dim, 1), nn.Conv2d(dim, dim, 1)])
        self.shared = MDTA(dim, heads)
        self.mixer = CrossAttention(dim, heads)
        self.ffn = GDFN(dim, expansion)
        self.adapter = ComplexityExperts(dim, mixture)

    def forward(self, x: Tensor, embedding: Tensor) -> tuple[Tensor, Routing]:
        """Map (B, C, H, W), with frequency embeddings (B, D), to the same shape."""
        normed = self.norms[0](x)
        shared = self.shared(self.proj[0](normed))
        adapted, routing = self.adapter(self.proj[1](normed), embedding, shared)
        x = x + self.mixer(adapted, shared)
        return self.ffn(x, self.norms[1]), routing


class EncoderStage(nn.Module):
    """Encoder blocks of one width."""

    def __init__(self, dim: int, heads: int, expansion: float, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(EncoderBlock(dim, heads, expansion) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return cast(Tensor, self.layers(x))


class DecoderStage(nn.Module):
    """Decoder blocks of one width."""

    def __init__(
        self, dim: int, heads: int, expansion: float, blocks: int, mixture: Mixture
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderBlock(dim, heads, expansion, mixture) for _ in range(blocks)
        )

    def forward(self, x: Tensor, embedding: Tensor) -> tuple[Tensor, list[Routing]]:
        """Map (B, C, H, W) to the same shape; also return how each block routed the images."""
        routings: list[Routing] = []
        for block in self.layers:
            x, routing = block(x, embedding)
            routings.append(routing)
        return x, routings


class _HighPass(nn.Module):
    """A depth-wise 3x3 convolution that starts as the Laplacian of the eight neighbours.

    The authors meant to keep it fixed but train it, so every checkpoint holds its own.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = depthwise(dim)
        kernel = torch.full((3, 3), -1.0)
        kernel[1, 1] = 8.0
        self.conv.weight = nn.Parameter(kernel.repeat(dim, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(x))


class FrequencyEmbedding(nn.Module):
    """One vector for each image, from the high frequencies of its deepest features."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.high_conv = nn.Sequential(_HighPass(dim), nn.GELU())
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, H, W) to (B, D)."""
        return cast(Tensor, self.mlp(self.high_conv(x).mean(dim=(-2, -1))))
