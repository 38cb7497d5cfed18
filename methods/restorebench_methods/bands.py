"""Convolving in bands of rows, so that features many times as wide as an image stay in the cache.

A transformer block widens its features five to tenfold before it narrows them again. At full size
these wide features are larger than a CPU's cache: written to memory and read back several times,
they cost more than the arithmetic. A band of some rows is widened, used up and forgotten before the
next one is begun. Depth-wise convolutions need a few rows more on either side, which neighbouring
bands compute twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench.inference import is_reference

Layer = Callable[[Tensor], Tensor]

VALUES_AT_ONCE = 3 << 19
"""Of the widest features of a band: 6 MB in float32, of which a few exist at the same time."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The weights of a convolution that keeps the size, stride 1, with an odd kernel."""

    weight: Tensor
    """(out, in / groups, k, k)."""
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve (B, in, H, W)."""
        inputs, size = self.weight.shape[1], self.weight.shape[-1]
        groups = x.shape[1] // inputs
        return F.conv2d(x, self.weight, self.bias, padding=size // 2, groups=groups)

    def part(self, channels: slice) -> Kernel:
        """Return what makes these output channels only."""
        return Kernel(self.weight[channels], None if self.bias is None else self.bias[channels])


def kernel(conv: nn.Conv2d) -> Kernel:
    """Return the weights of a convolution that keeps the size."""
    return Kernel(conv.weight, conv.bias)


class Band(NamedTuple):
    """Rows of features, and those around them that a convolution has to see."""

    seen: slice
    kept: slice
    """Among the rows that are seen."""

    def of(self, x: Tensor, *layers: Layer) -> Tensor:
        """Return these rows of what the layers, one after the other, make of (B, C, H, W)."""
        x = x[:, :, self.seen]
        for layer in layers:
            x = layer(x)
        return x[:, :, self.kept]


def in_bands(x: Tensor) -> bool:
    """Whether work on these features is to be done in bands: on the CPU, without gradients.

    Not in reduced precision, where sums over pixels would need more care.
    """
    plain = not (is_reference() or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"))
    return plain and x.is_cpu and x.dtype in (torch.float32, torch.float64)


def bands(x: Tensor, width: int, halo: int = 1) -> Iterator[Band]:
    """Cut features (B, C, H, W) into bands of rows.

    Args:
        x: the features; where `in_bands` is false, all rows are one band.
        width: channels of the widest features that are made of them.
        halo: rows that the convolutions see beyond a pixel's own.
    """
    batch, _, height, columns = x.shape
    most = VALUES_AT_ONCE // (batch * width * columns) if in_bands(x) else height
    count = -(-height // max(most, 1))
    edges = [n * height // count for n in range(count + 1)]
    for first, last in pairwise(edges):
        above = min(first, halo)
        yield Band(slice(first - above, last + halo), slice(above, above + last - first))


def join(parts: Iterable[Tensor], onto: Tensor | None = None) -> Tensor:
    """Put bands (B, C, rows, W) one below the other, added to ``onto`` (B, C, H, W) if given."""
    if onto is None:
        whole = list(parts)
        return whole[0] if len(whole) == 1 else torch.cat(whole, dim=2)
    if not in_bands(onto):
        (part,) = parts
        return onto + part
    total, first = torch.empty_like(onto), 0
    for part in parts:
        rows = slice(first, first := first + part.shape[2])
        torch.add(onto[:, :, rows], part, out=total[:, :, rows])
    return total


def image_of(pixels: Tensor, size: Sequence[int]) -> Tensor:
    """Return pixels (B, HW, C) as feature maps (B, C, H, W), in ``channels_last``, without a copy.

    Cutting HW first matters: done last, it gives a single image the strides of neither layout,
    and convolutions then leave ``channels_last``.
    """
    return cast(Tensor, pixels.unflatten(1, tuple(size))).movedim(-1, 1)
