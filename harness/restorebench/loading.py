"""`load_method`, and what is known of methods and images that were made elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from restorebench.catalog import Catalog
from restorebench.data.dataset import readable
from restorebench.errors import ConfigError, UsageError, WeightsError, did_you_mean
from restorebench.inference import Inference
from restorebench.method import Method, Weights
from restorebench.plan import Row
from restorebench.precision import Precision
from restorebench.restored import RestoredFolder
from restorebench.weights.checkpoint import load_weights
from restorebench.weights.trained import Trained, read_trained


def load_method(
    name: str,
    weights: str | Path | None = None,
    device: str = "cpu",
    *,
    precision: Precision = "float32",
    inference: Inference = "optimised",
    strict: bool = True,
    catalog: Catalog | None = None,
    **config: Any,
) -> Method:
    """Build a method, with its weights if a file is given.

    Args:
        name: one of `list_methods`.
        weights: a checkpoint (.ckpt, .pth, .pt, .safetensors), or the name of weights that come
            with the method, such as ``small``; without any a network keeps its random
            initialisation, which is the same every time.
        device: a torch device.
        precision: ``float32``; ``tf32``, on CUDA; or the type of the autocast that the network
            runs under.
        inference: ``reference`` computes the authors' way, which is slower.
        strict: whether every tensor of the network must be in the file and the other way round.
        catalog: where names are looked up; what is installed, by default.
        config: constructor keywords of the network, such as ``dim=16``. A file that
            `restorebench train` wrote brings its own, which these replace.

    Raises:
        UnknownNameError: if no method has the name.
        ConfigError: if the network takes no such keyword or value.
        WeightsError: if the file cannot be read or does not fit.
        DeviceError: if the device does not exist.
    """
    catalog = catalog or Catalog.installed()
    cls = catalog.method(name)
    build = partial(cls, device=device, precision=precision, inference=inference)
    if weights is None:
        return build(**config)
    if not cls.info.needs_weights:
        raise UsageError(f"{name} takes no weights")
    path = _file(catalog, name, weights)
    trained = _trained(path, name)
    try:
        method = build(**{**trained.config, **config})
    except ConfigError as error:
        if config:
            raise
        raise WeightsError(f"{path}: its configuration builds no network: {error}") from error
    loaded = load_weights(method.network, path, strict=strict)
    method.weights = replace(loaded, variant=trained.variant, training=trained.training)
    method.loaded_state = _state_hash(method)
    return method


def _file(catalog: Catalog, name: str, weights: str | Path) -> Path:
    """Return the file that the weights given to a method mean."""
    shipped = catalog.shipped_weights(name)
    if str(weights) in shipped:
        return shipped[str(weights)]
    path = Path(weights).expanduser()
    # A bare word that is no file was most likely meant as a name.
    if path.name == str(weights) and not path.suffix and not path.exists():
        if others := catalog.methods_with(path.name):
            raise WeightsError(f"{name} comes with no {path} weights; {', '.join(others)} do")
        if hint := did_you_mean(path.name, shipped):
            raise WeightsError(f"{path}: no such file, nor weights that {name} comes with.{hint}")
    return path


def _trained(path: Path, name: str) -> Trained:
    """Return what the file says of its training; of any other file, that it says nothing."""
    trained = read_trained(path)
    if trained is None:
        return Trained(method=name)
    if trained.method != name:
        raise WeightsError(f"{path}: weights of {trained.method}, not of {name}")
    return trained


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
    found, content = f"{images.found} of {len(images.files)} images", images.fingerprint()
    return Row(
        label=images.name,
        card=images.info,
        weights=content,
        loaded=Weights(
            file=readable(images.folder.resolve().name),
            sha256=content,
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
