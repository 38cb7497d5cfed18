"""`load_method`, and what is known of methods and images that were made elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

from restorebench.catalog import Catalog
from restorebench.checkpoint import load_weights
from restorebench.dataset import readable
from restorebench.errors import UsageError
from restorebench.method import Method, Precision, Weights
from restorebench.plan import Row
from restorebench.restored import RestoredFolder


def load_method(
    name: str,
    weights: str | Path | None = None,
    device: str = "cpu",
    *,
    precision: Precision = "float32",
    strict: bool = True,
    catalog: Catalog | None = None,
    **config: Any,
) -> Method:
    """Build a method, with its weights if a file is given.

    Args:
        name: one of `list_methods`.
        weights: a checkpoint (.ckpt, .pth, .pt, .safetensors); without one a network keeps its
            random initialisation, which is the same every time.
        device: a torch device.
        precision: ``float32``, or the type of the autocast that the network runs under.
        strict: whether every tensor of the network must be in the file and the other way round.
        catalog: where names are looked up; what is installed, by default.
        config: constructor keywords of the network, such as ``dim=16``.

    Raises:
        UnknownNameError: if no method has the name.
        ConfigError: if the network takes no such keyword or value.
        WeightsError: if the file cannot be read or does not fit.
        DeviceError: if the device does not exist.
    """
    cls = (catalog or Catalog.installed()).method(name)
    method = cls(device=device, precision=precision, **config)
    if weights is not None:
        if not cls.info.needs_weights:
            raise UsageError(f"{name} takes no weights")
        method.weights = load_weights(method.network, weights, strict=strict)
        method.loaded_state = _state_hash(method)
    return method


def carried_weights(method: Method) -> tuple[str, Weights | None]:
    """Return what a built method's weights are, and the file they come from.

    Weights that were changed after they were loaded come from no file any more.

    Returns:
        The file's hash and description; or ``none needed``, ``untrained`` or ``in memory`` with
        the weights' own hash, and ``None``.
    """
    if not method.info.needs_weights:
        return "none needed", None
    state = _state_hash(method)
    if method.weights is not None and state == method.loaded_state:
        return method.weights.sha256, method.weights
    fresh = type(method)(device=str(method.device), precision=method.precision, **method.config)
    return ("untrained" if state == _state_hash(fresh) else f"in memory {state}"), None


def folder_row(images: RestoredFolder) -> Row:
    """Return the row of images that were restored elsewhere: nothing but their files is known."""
    found = f"{images.found} of {len(images.files)} images"
    return Row(
        label=images.name,
        card=images.info,
        weights=images.fingerprint(),
        loaded=Weights(
            file=readable(images.folder.resolve().name),
            sha256=images.fingerprint(),
            container="external images",
            coverage=found,
        ),
        code="not run here",
        precision="8-bit files",
        device="not run here",
        config={},
        build=lambda: images,
        remarks=(f"external images: made elsewhere, method unknown; {found}", *images.remarks),
    )


def _state_hash(method: Method) -> str:
    whole = hashlib.sha256()
    for key, tensor in method.network.state_dict().items():
        whole.update(key.encode())
        whole.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return whole.hexdigest()
