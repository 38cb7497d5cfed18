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
        halo: rows beyond its own that a pixel of q, k or v depends on.
    """
    cut = bands(x, 3 * x.shape[1], halo)
    if not in_bands(x):
        q, k, v = queries_keys_values(next(cut))
        attended = channel_attention(q, k, v, temperature)
        return attended if project_out is None else project_out(attended)
    heads = temperature.shape[0]
    products, lengths, values = torch.zeros(()), [torch.zeros(()), torch.zeros(())], []
    for band in cut:
        q, k, v = queries_keys_values(band)
        q, k = _heads(q, heads), _heads(k, heads)
        products = products + q @ k.mT
        lengths = [s + t.square().sum(-1) for s, t in zip(lengths, (q, k), strict=True)]
        values.append(v)
    q_length, k_length = (s.clamp_min(LEAST_SQUARE).sqrt() for s in lengths)
    similar = products / q_length.unsqueeze(-1) / k_length.unsqueeze(-2)
    attention, v = (similar * temperature).softmax(dim=-1), join(values)
    if project_out is None:
        return _weighed(attention, v)
    by_head = project_out.weight.flatten(1).unflatten(1, (heads, -1)).transpose(0, 1)
    merged = (by_head @ attention).transpose(1, 2).flatten(2)  # B, out, C
    images = zip(merged[..., None, None], v.split(1), strict=True)
    return torch.cat([Kernel(weight, project_out.bias)(image) for weight, image in images])


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
