"""Attention between channels, the transposed attention of MDTA (Restormer, equation 1).

``A = softmax(q k^T * temperature)`` with q and k of unit length along the pixels, so each head has
a (C/h, C/h) map and the cost is linear in the number of pixels. Queries q, keys k and values v are
(B, C, H, W); channel ``head * C/h + i`` belongs to ``head``. The temperature, one factor for each
head, is (h, 1, 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from restorebench_methods import reference
from restorebench_methods.bands import Band, Kernel, bands, image_of, in_bands, join
from restorebench_methods.reference import optimises

LEAST_SQUARE = 1e-24
"""Of a length: ``F.normalize`` has 1e-12. On the square, it leaves a zero row a finite gradient."""


@optimises(reference.channel_attention)
def channel_attention(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor) -> Tensor:
    """Return ``A v`` as (B, C, H, W), in ``channels_last`` if ``v`` is, or is a slice of what is.

    Args:
        q: queries.
        k: keys, same shape.
        v: values, same shape.
        temperature: it multiplies.
    """
    heads = temperature.shape[0]
    q, k = (_unit_rows(_heads(t, heads)) for t in (q, k))
    return _weighed((q @ k.mT * temperature).softmax(dim=-1), v)


def banded_attention(
    x: Tensor,
    queries_keys_values: Callable[[Band], tuple[Tensor, ...]],
    temperature: Tensor,
    project_out: Kernel | None = None,
    *,
    onto: Tensor | None = None,
    halo: int = 1,
) -> Tensor:
    """Return ``A v``, projected, of queries, keys and values that are made band by band.

    Where bands are of use (`in_bands`), lengths and products are summed over them; dividing the
    (C/h, C/h) products by the lengths spares normalising q and k. The projection is merged with A
    into one kernel for each image.

    Args:
        x: features (B, C, H, W) of the size of q, k and v.
        queries_keys_values: returns q, k and v of a band of rows.
        temperature: it multiplies.
        project_out: a 1x1 convolution of the result; none leaves it as it is.
        onto: what the result is added to.
        halo: rows beyond its own that a pixel of q, k or v depends on.
    """
    cut = bands(x, 3 * x.shape[1], halo)
    if not in_bands(x):
        q, k, v = queries_keys_values(next(cut))
        attended = channel_attention(q, k, v, temperature)
        return join([attended if project_out is None else project_out(attended)], onto)
    similarity, values = _Similarity(temperature.shape[0]), []
    for band in cut:
        q, k, v = queries_keys_values(band)
        similarity.add(q, k)
        values.append(v)
    attention = (similarity.of_units() * temperature).softmax(dim=-1)
    if project_out is None:
        return join([_weighed(attention, join(values))], onto)
    merged = _after(project_out, attention)
    return join((_each(merged, v) for v in values), onto)


class _Similarity:
    """Products of queries and keys, (B, heads, C / heads, C / heads), summed over bands."""

    def __init__(self, heads: int) -> None:
        self.heads = heads
        self.products: Tensor | float = 0.0
        self.squares: list[Tensor | float] = [0.0, 0.0]

    def add(self, *qk: Tensor) -> None:
        """Add the pixels of queries and keys (B, C, rows, W)."""
        q, k = (_heads(t, self.heads) for t in qk)
        self.products = self.products + q @ k.mT
        added = (t.square().sum(dim=-1) for t in (q, k))
        self.squares = [s + t for s, t in zip(self.squares, added, strict=True)]

    def of_units(self) -> Tensor:
        """Return the products as if all rows of q and k had had the length 1."""
        q, k = (cast(Tensor, s).clamp_min(LEAST_SQUARE).sqrt() for s in self.squares)
        return self.products / q.unsqueeze(-1) / k.unsqueeze(-2)


def _after(project_out: Kernel, attention: Tensor) -> list[Kernel]:
    """Return what attends and then projects, for each image of (B, h, C/h, C/h)."""
    by_head = project_out.weight.flatten(1).unflatten(1, (attention.shape[1], -1)).transpose(0, 1)
    merged = (by_head @ attention).transpose(1, 2).flatten(2)  # B, out, C
    return [Kernel(weight, project_out.bias) for weight in merged[..., None, None]]


def _each(kernels: list[Kernel], x: Tensor) -> Tensor:
    """Convolve each image of (B, C, H, W) with a kernel of its own."""
    images = [kernel(image) for kernel, image in zip(kernels, x.split(1), strict=True)]
    return images[0] if len(images) == 1 else torch.cat(images)


def _heads(t: Tensor, heads: int) -> Tensor:
    """Return (B, C, H, W) as (B, heads, C / heads, pixels), without a copy."""
    return cast(Tensor, t.flatten(2).unflatten(1, (heads, -1)))


def _weighed(attention: Tensor, v: Tensor) -> Tensor:
    """Return values (B, C, H, W) summed with the weights (B, h, C/h, C/h)."""
    rows, size = _heads(v, attention.shape[1]), v.shape[-2:]
    if v.stride(1) == 1:
        # The same product, transposed, so that the channels of a pixel come to lie together.
        return image_of((rows.mT @ attention.mT).transpose(1, 2).flatten(2), size)
    return cast(Tensor, (attention @ rows).flatten(1, 2).unflatten(-1, size))


def _unit_rows(t: Tensor) -> Tensor:
    """Scale the rows of (..., pixels) to length 1, as ``F.normalize`` does.

    Four times as fast in ``channels_last``, where torch's vector norm is not vectorised.
    """
    wide = t.to(torch.promote_types(t.dtype, torch.float32))  # half precision would overflow
    length = wide.pow(2).sum(dim=-1, keepdim=True).clamp_min(LEAST_SQUARE).sqrt()
    return (wide / length).to(t.dtype)
