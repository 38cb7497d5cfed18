"""Multiply-accumulates of operators that the counters miss, written once for all three.

Attention products behind one function, products added to something, and torchvision's deformable
convolution. Per-image kernels, as of hypernetworks, are convolutions like any other to all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

Shape = Sequence[int]
Handler = Callable[[Sequence[Any], Shape], int]
"""Multiply-accumulates, given an operator's inputs, tensors as shapes, and its output's shape."""


def _attention(inputs: Sequence[Any], out: Shape) -> int:
    query, key, value = inputs[:3]
    return int(prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))


def _batched_product(inputs: Sequence[Any], out: Shape) -> int:
    _, one, other = inputs[:3]
    return int(prod(one) * other[-1])


def _deformable_convolution(inputs: Sequence[Any], out: Shape) -> int:
    """Count the products with the kernel; the interpolation of the samples is left out."""
    kernel = inputs[1]
    return int(prod(out) * prod(kernel[1:]))


HANDLERS: Mapping[str, Handler] = {
    "aten::scaled_dot_product_attention": _attention,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten::_scaled_dot_product_flash_attention": _attention,
    "aten::_scaled_dot_product_efficient_attention": _attention,
    "aten::_scaled_dot_product_cudnn_attention": _attention,
    "aten::baddbmm": _batched_product,
    "aten::addbmm": _batched_product,
    "torchvision::deform_conv2d": _deformable_convolution,
}


def for_torch() -> dict[Any, Callable[..., int]]:
    """Return what ``FlopCounterMode`` takes, in FLOPs, for operators that it does not know."""

    def adapted(handler: Handler) -> Callable[..., int]:
        return lambda *inputs, out_shape, **_: 2 * handler(inputs, _first(out_shape))

    return {op: adapted(h) for op, h in _operators().items() if op not in flop_registry}


def for_ptflops() -> dict[Any, Callable[..., int]]:
    """Return what ptflops' aten backend takes."""

    def adapted(handler: Handler) -> Callable[..., int]:
        return lambda inputs, outs: handler([getattr(x, "shape", x) for x in inputs], outs[0].shape)

    return {op: adapted(handler) for op, handler in _operators().items()}


def for_fvcore() -> dict[str, Callable[..., int]]:
    """Return what fvcore takes, by operator name; it sees values of a trace."""

    def adapted(handler: Handler) -> Callable[..., int]:
        return lambda inputs, outs: handler(list(map(_traced, inputs)), _traced(outs[0]))

    return {name: adapted(handler) for name, handler in HANDLERS.items()}


def _operators() -> dict[Any, Handler]:
    found = {}
    for name, handler in HANDLERS.items():
        space, _, operator = name.partition("::")
        with suppress(AttributeError):  # torchvision's exist once it is imported
            found[getattr(getattr(torch.ops, space), operator)] = handler
    return found


def _first(shapes: Any) -> Shape:
    """Return the shape of an operator's only or first output."""
    first: Shape = shapes if isinstance(shapes, torch.Size) else shapes[0]
    return first


def _traced(value: Any) -> Any:
    return value.type().sizes() if value.isCompleteTensor() else None
