"""The blocks of HAIR: the classifier, and decoder levels whose weights are selected for each image.

HAIR: Hypernetworks-based All-in-One Image Restoration, Cao, Cao, Pang, Meng, Cao; arXiv
2408.08091, sections 3.1 and 3.2. Feature maps are (B, C, H, W); the attribute names are those of
the released checkpoint.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench_methods.bands import Kernel, Layer
from restorebench_methods.layers import LayerNorm, feed_forward, mdta


def _group_norm(dim: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, dim, eps=1e-6)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with bias, each after group norm and swish, added to their input."""

    def __init__(self, dim: int, groups: int) -> None:
        super().__init__()
        self.norm1 = _group_norm(dim, groups)
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.norm2 = _group_norm(dim, groups)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        return cast(Tensor, x + self.conv2(F.silu(self.norm2(hidden))))


class PixelAttention(nn.Module):
    """Attention of every pixel to all pixels, with a single head, added to its input."""

    def __init__(self, dim: int, groups: int) -> None:
        super().__init__()
        self.norm = _group_norm(dim, groups)
        self.q = nn.Conv2d(dim, dim, 1)
        # The bias of k adds the same to all logits of a pixel, which softmax takes away again;
        # the authors' checkpoints hold it.
        self.k = nn.Conv2d(dim, dim, 1)
        self.v = nn.Conv2d(dim, dim, 1)
        self.proj_out = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        n = self.norm(x)
        # Cloned: `contiguous` leaves the strides of a single pixel, for which CUDA has no kernel.
        q, k, v = (
            conv(n).flatten(2).mT.clone(memory_format=torch.contiguous_format).unsqueeze(1)
            for conv in (self.q, self.k, self.v)
        )
        attended = F.scaled_dot_product_attention(q, k, v).squeeze(1)
        return cast(Tensor, x + self.proj_out(attended.mT.unflatten(-1, x.shape[-2:])))


class Classifier(nn.Module):
    """Condenses features into the Global Information Vector (section 3.1, equations 1 and 2).

    The paper halves the size three times; the authors' code, and so this, halves it twice.

    Args:
        in_dim: channels of the features.
        dim: channels inside.
        groups: of the group norms.
        giv_dim: length of the vector.
    """

    def __init__(self, in_dim: int, dim: int, groups: int, giv_dim: int) -> None:
        super().__init__()

        def level(*, halve: bool) -> nn.Sequential:
            blocks = (ResidualBlock(dim, groups) for _ in range(3))
            parts = OrderedDict[str, nn.Module](block=nn.Sequential(*blocks))
            if halve:
                # Pads on the right and at the bottom only, so that (H, W) becomes their half.
                pad, conv = nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(dim, dim, 3, stride=2)
                parts["downsample"] = nn.Sequential(OrderedDict(pad=pad, conv=conv))
            return nn.Sequential(parts)

        self.conv_in = nn.Conv2d(in_dim, dim, 3, padding=1)
        self.down = nn.Sequential(level(halve=True), level(halve=True), level(halve=False))
        self.mid = nn.Sequential(
            OrderedDict(
                block_1=ResidualBlock(dim, groups),
                attn_1=PixelAttention(dim, groups),
                block_2=ResidualBlock(dim, groups),
            )
        )
        self.norm_out = _group_norm(dim, groups)
        self.conv_out = nn.Conv2d(dim, giv_dim, 3, padding=1)

    def forward(self, f_g: Tensor) -> Tensor:
        """Return V_g (B, giv_dim) of features (B, C, H, W), H and W at least 4."""
        hidden = self.norm_out(self.mid(self.down(self.conv_in(f_g))))
        return cast(Tensor, self.conv_out(F.silu(hidden)).mean(dim=(-2, -1)))


class HyperAttention(nn.Module):
    """`MDTA` whose convolutions are handed in; only the temperature is its own."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(
        self, x: Tensor, qkv: Kernel, qkv_dwconv: Kernel, project_out: Kernel, norm: Layer
    ) -> Tensor:
        """Return x (1, C, H, W) plus its normalised, then mixed channels."""
        return mdta(x, qkv, qkv_dwconv, project_out, self.temperature, norm)


class HyperBlock(nn.Module):
    """A transformer block without convolutions of its own (HyperTrans Block, equation 5)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = HyperAttention(heads)
        self.norm2 = LayerNorm(dim)

    def forward(self, x: Tensor, kernels: Sequence[Kernel]) -> Tensor:
        """Map (1, C, H, W) to the same shape, with kernels of the shapes of `kernel_shapes`."""
        qkv, qkv_dwconv, attn_out, project_in, dwconv, project_out = kernels
        x = self.attn(x, qkv, qkv_dwconv, attn_out, self.norm1)
        return feed_forward(x, project_in, dwconv, project_out, self.norm2)


def kernel_shapes(dim: int, expansion: float) -> tuple[tuple[int, int, int, int], ...]:
    """Return (out, in / groups, k, k) of a transformer block's convolutions, as a box holds them.

    >>> kernel_shapes(2, 1.5)[:3]
    ((6, 2, 1, 1), (6, 1, 3, 3), (2, 2, 1, 1))
    """
    hidden = int(dim * expansion)
    attention = (3 * dim, dim, 1, 1), (3 * dim, 1, 3, 3), (dim, dim, 1, 1)
    return *attention, (2 * hidden, dim, 1, 1), (2 * hidden, 1, 3, 3), (dim, hidden, 1, 1)


class HyperSelectingNet(nn.Module):
    """Turns V_g into the Selecting Vector V_s (section 3.2, equation 3)."""

    def __init__(self, giv_dim: int, boxes: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(giv_dim, giv_dim // 2),
            nn.GELU(),
            nn.Linear(giv_dim // 2, giv_dim // 4),
            nn.GELU(),
            nn.Linear(giv_dim // 4, giv_dim // 8),
            nn.GELU(),
            nn.Linear(giv_dim // 8, boxes),
        )

    def forward(self, v_g: Tensor) -> Tensor:
        """Map (B, giv_dim) to weights (B, boxes) that sum to 1."""
        return cast(Tensor, self.net(v_g).softmax(dim=-1))


class HyperLevel(nn.Module):
    """One level of the decoder: blocks that share a Weights Box, each with its own selection.

    Args:
        dim: width of the features.
        heads: of the attention.
        expansion: hidden over outer width of the feed-forward networks.
        blocks: their number.
        boxes: rows N of the Weights Box; each holds the weights of a whole block.
        giv_dim: length of the Global Information Vector.
    """

    def __init__(
        self, dim: int, heads: int, expansion: float, *, blocks: int, boxes: int, giv_dim: int
    ) -> None:
        super().__init__()
        self.shapes = kernel_shapes(dim, expansion)
        self.sizes = [prod(shape) for shape in self.shapes]
        self.kernel_box = nn.Parameter(torch.empty(boxes, sum(self.sizes)))
        self.blocks = nn.ModuleList(HyperBlock(dim, heads) for _ in range(blocks))
        self.extracts = nn.ModuleList(HyperSelectingNet(giv_dim, boxes) for _ in range(blocks))
        self.reset_box()

    @torch.no_grad()
    def reset_box(self) -> None:
        """Start every kernel in the box as PyTorch starts a convolution without bias."""
        for part, shape in zip(self.kernel_box.split(self.sizes, dim=1), self.shapes, strict=True):
            bound = prod(shape[1:]) ** -0.5
            part.uniform_(-bound, bound)

    def selection(self, v_g: Tensor) -> Tensor:
        """Return the Selecting Vectors (B, blocks, boxes) of all blocks."""
        return torch.stack([extract(v_g) for extract in self.extracts], dim=1)

    def forward(self, x: Tensor, v_g: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape, with weights made from V_g (B, giv_dim)."""
        # Image by image, since their kernels differ: plain convolutions of single images are
        # faster than one convolution with B times the groups, and exact in every memory layout.
        images = zip(x.split(1), self.selection(v_g), strict=True)
        return torch.cat([self._forward_one(x1, selected) for x1, selected in images])

    def _forward_one(self, x: Tensor, selected: Tensor) -> Tensor:
        weights = selected @ self.kernel_box  # equation 4, for all blocks at once
        for block, w in zip(self.blocks, weights, strict=True):
            parts = zip(w.split(self.sizes), self.shapes, strict=True)
            x = block(x, [Kernel(part.view(shape)) for part, shape in parts])
        return x
