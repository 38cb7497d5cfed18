"""The type that networks compute in, and whether float32 products may be rounded on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Literal

import torch
from torch.backends import cudnn

from restorebench.errors import ConfigError

Precision = Literal["float32", "tf32", "bfloat16", "float16"]
"""``tf32``: float32, but CUDA may round the factors of products to ten bits behind the point."""

# Of torch.backends since torch 2.9, whose types torch does not declare.
ROUNDING_PARTS = attrgetter(
    *("cudnn.conv", "cudnn.rnn", "cuda.matmul", "mkldnn.conv", "mkldnn.rnn", "mkldnn.matmul")
)
COMMON_PRECISIONS = attrgetter("cudnn.fp32_precision", "mkldnn.conv.fp32_precision")


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse TF32 where nothing would be rounded, yet be called so.

    Raises:
        ConfigError: if the device knows no such precision.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigError(
            f"precision tf32 is CUDA's; on {device} it would be float32: ask for that"
        )


@contextmanager
def rounding(tf32: bool) -> Iterator[None]:
    """Allow TF32 inside, or not; whatever the process allows comes back.

    Torch allows it in convolutions by default. It is a setting of the whole process, so only one
    thread may be inside at a time.

    Args:
        tf32: whether float32 factors may be rounded.
    """
    if _sets_fp32_precision():
        parts = ROUNDING_PARTS(torch.backends)
        before = [part.fp32_precision for part in parts]
        try:
            for part in parts:
                part.fp32_precision = "tf32" if tf32 else "ieee"
            yield
        finally:
            for part, precision in zip(parts, before, strict=True):
                part.fp32_precision = precision
        return
    convolutions, products = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    cudnn.allow_tf32 = tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        yield
    finally:
        cudnn.allow_tf32 = convolutions
        torch.set_float32_matmul_precision(products)


def _sets_fp32_precision() -> bool:
    """Tell whether this process uses the newer settings, which torch mixes with no older ones.

    They came with torch 2.9. Elsewhere the older ones are right: a compiled network reads them.
    """
    if not hasattr(cudnn, "conv"):
        return False
    # What is set for all backends is said by each of them.
    if set(COMMON_PRECISIONS(torch.backends)) != {"none"}:
        return True
    try:
        _ = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    except RuntimeError:
        return True
    return False
