"""`check_method`: whether a method keeps the contract, for its author to run before anyone else."""

from __future__ import annotations

import torch
from torch import Tensor

from restorebench.errors import RestoreError
from restorebench.method import Method

SIZES = ((16, 16), (17, 23), (40, 32))
BATCH_TOLERANCE = 1e-4


def check_method(method: Method) -> None:
    """Check what the harness relies on: any size, the same shape back, and nothing hidden.

    Args:
        method: built, with or without weights.

    Raises:
        RestoreError: which names the first promise that is broken.
    """
    for height, width in SIZES:
        generator = torch.Generator().manual_seed(height * width)
        x = torch.rand(2, 3, height, width, generator=generator)
        _check_output(method, x)


def _check_output(method: Method, x: Tensor) -> None:
    name, shape, before = method.info.title, tuple(x.shape), x.clone()
    y = method.restore(x)
    _demand(torch.equal(x, before), f"{name} changes its input")
    _demand(y.shape == x.shape, f"{name} returns {tuple(y.shape)} for {shape}")
    _demand(y.dtype == torch.float32, f"{name} returns {y.dtype}, not float32")
    _demand(not y.requires_grad, f"{name} tracks gradients")
    _demand(bool(torch.isfinite(y).all()), f"{name} returns NaN or infinity for {shape}")
    _demand(torch.equal(y, method.restore(x)), f"{name} is not deterministic")
    alone = torch.cat([method.restore(image[None]) for image in x])
    apart = float((y - alone).abs().max())
    _demand(
        apart <= BATCH_TOLERANCE,
        f"{name} restores an image differently by {apart:.2g} when another is in the batch",
    )


def _demand(kept: bool, broken: str) -> None:
    if not kept:
        raise RestoreError(broken)
