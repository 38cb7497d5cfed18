"""`Method`: one network or classical algorithm behind one contract, and the card that names it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from restorebench.errors import (
    ConfigError,
    DeviceError,
    MethodBuildError,
    RestoreError,
    did_you_mean,
)
from restorebench.inference import Inference, computing
from restorebench.precision import Precision, check_precision, rounding

Status = Literal["baseline", "parity-proven", "reconstruction", "external"]

MIN_SIDE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known about a method, whatever weights it carries."""

    title: str
    """How tables print it, for instance ``PromptIR``."""
    paper: str
    """Authors, title, venue, arXiv number; for a classical algorithm its reference."""
    cite: str = ""
    """Key of the paper's BibTeX entry, which a package provides; see `references`."""
    status: Status
    """``parity-proven``: equal to the authors' code; ``reconstruction``: from the paper alone."""
    code: str = "none released"
    """The authors' repository and the commit that the golden values came from."""
    code_licence: str = "not applicable"
    weights_licence: str = "not applicable"
    checkpoint: str = ""
    """What would give weights: the name under which the authors publish them. Empty: none exist."""
    trained_on: tuple[str, ...] = ()
    """Degradations that the published checkpoints were trained on."""
    colour_order: Literal["rgb", "bgr"] = "rgb"
    """What the network itself is fed; `Method.restore` always takes and returns RGB."""
    size_multiple: int = 1
    """Of height and width, as the network needs it; `Method.restore` pads and cuts back."""
    size_minimum: int = 1
    needs_weights: bool = True
    """False for an algorithm that restores without any learned weights."""
    returns_input: bool = False
    """True for the degraded input itself, to which nothing odd can be said about its output."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers has to know: defects of the official code, open choices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where a network's weights come from. Travels with every number they produce."""

    file: str
    """Name of the file, without its folder."""
    sha256: str
    """Hash of the file as it lay on disk."""
    container: str
    """The entries that were unwrapped to reach the tensors, such as ``state_dict > net.``"""
    ema: bool = False
    """Whether the file's exponential moving average was taken."""
    strict: bool = True
    """False when tensors were missing or left over and the user allowed it."""
    coverage: str = ""
    """How many of the network's tensors the file filled."""
    variant: str = ""
    """What tables print behind the method's title, such as ``small``, as the file states it."""
    training: str = ""
    """How the file says it was trained, if this project's trainer wrote it."""

    def words(self) -> list[str]:
        """Say whatever a reader of the numbers has to know."""
        said = [] if self.strict else [f"weights not strict: {self.coverage}"]
        if self.training:
            who = ", ".join(filter(None, [self.variant, "trained by restorebench"]))
            said.append(f"{who}: not to be compared with published numbers; {self.training}")
        return said

    def titled(self, card: Card) -> Card:
        """Return the card under a title that tells a variant from the published network."""
        return replace(card, title=f"{card.title} ({self.variant})") if self.variant else card


class Method:
    """A restoration method. Blind: it is given an image and never told the task.

    A subclass names its card and its network; the constructor keywords of the network are the
    method's configuration. Only methods with special needs override more.

    Args:
        device: a torch device, such as ``cpu`` or ``cuda:0``.
        precision: ``float32``; ``tf32``, on CUDA; or the type of the autocast that the network
            runs under.
        inference: ``optimised``, or ``reference``, the authors' way: slower, and equal but for
            rounding.
        config: keywords of the network's constructor, such as ``dim=16``.

    Raises:
        ConfigError: for a keyword or value that the network does not take, or a precision that
            the device does not have.
        DeviceError: if the device does not exist here.
        MethodBuildError: if the network cannot even be built with its defaults.
    """

    info: ClassVar[Card]
    network_class: ClassVar[Callable[..., nn.Module]]

    def __init__(
        self,
        *,
        device: str = "cpu",
        precision: Precision = "float32",
        inference: Inference = "optimised",
        **config: Any,
    ) -> None:
        _check_known("precision", precision, get_args(Precision))
        _check_known("inference", inference, get_args(Inference))
        self.device = find_device(device)
        check_precision(precision, self.device)
        self.precision = precision
        self.way = inference
        self.config = config
        self.weights: Weights | None = None
        self.loaded_state: str | None = None
        """Hash of the network's tensors as they were loaded from the weights' file."""
        self.network = self._build(config).eval().requires_grad_(False).to(self.device)
        last = inference == "optimised" and _use_channels_last(self.network)
        self._layout = torch.channels_last if last else torch.contiguous_format

    def _build(self, config: dict[str, Any]) -> nn.Module:
        parameters = inspect.signature(self.network_class).parameters
        known = [
            n for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        for key in config:
            if key not in known:
                raise ConfigError(
                    f"{self.info.title} takes no {key!r}.{did_you_mean(key, known)} "
                    f"It takes: {', '.join(known) or 'nothing'}."
                )
        # Untrained networks must be the same everywhere, and must not disturb the caller's stream.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                network = self.network_class(**config)
            except Exception as error:  # what a wrong value leads to, torch decides
                wrong = ConfigError if config else MethodBuildError
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise wrong(f"{self.info.title} cannot be built: {reason}") from error
        for name, parameter in network.named_parameters() if config else ():
            if parameter.numel() == 0:
                raise ConfigError(
                    f"{self.info.title} cannot be built: {name} would be empty, "
                    f"of shape {tuple(parameter.shape)}; choose larger values"
                )
        return network

    def forward(self, x: Tensor) -> Tensor:
        """Run the network on padded images in its own colour order; override for other outputs."""
        restored: Tensor = self.network(x)
        return restored

    def restore(self, x: Tensor) -> Tensor:
        """Restore a batch of images.

        Args:
            x: degraded images (N, 3, H, W), RGB, float32 in [0, 1], H and W at least 16.

        Returns:
            Restored images of the same shape, float32, on the CPU or device that ``x`` was on;
            not clamped, since that is the protocol's business.

        Raises:
            RestoreError: if ``x`` is no such batch, or the network returns another shape.
        """
        padded = self.prepare(x)
        with self.inference():
            restored: object = self.forward(padded)
        if not isinstance(restored, Tensor):
            kind = type(restored).__name__
            raise RestoreError(f"{self.info.title} returned a {kind}, not a tensor of images")
        if restored.shape != padded.shape:
            raise RestoreError(
                f"{self.info.title} returned {tuple(restored.shape)} for {tuple(padded.shape)}"
            )
        if not restored.is_floating_point():
            raise RestoreError(f"{self.info.title} returned {restored.dtype}, not values in [0, 1]")
        height, width = x.shape[-2:]
        return _owned(self._in_order(restored[..., :height, :width]), x.device)

    def embedding(self, x: Tensor) -> dict[str, Tensor]:
        """Return the method's representation of the degradation in ``x``, named arrays (N, ...).

        Args:
            x: degraded images as for `restore`.

        Raises:
            RestoreError: if the method has no such representation.
        """
        raise RestoreError(f"{self.info.title} has no degradation embedding")

    def prepare(self, x: Tensor) -> Tensor:
        """Return ``x`` as the network takes it: in its colour order, padded, on its device.

        Raises:
            RestoreError: if ``x`` is no batch of images.
        """
        check_batch(x)
        multiple, minimum = self.info.size_multiple, self.info.size_minimum
        padded = reflect_to_multiple(self._in_order(x).to(self.device), multiple, minimum)
        return padded.contiguous(memory_format=self._layout)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Run what is inside without gradients, in the method's precision and way.

        Only one thread may be inside at a time, see `rounding`.
        """
        tf32 = self.precision == "tf32"
        dtype = torch.float32 if tf32 else getattr(torch, self.precision)
        autocast = torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32)
        with torch.inference_mode(), autocast, rounding(tf32), computing(self.way):
            yield

    def _in_order(self, x: Tensor) -> Tensor:
        return x.flip(1) if self.info.colour_order == "bgr" else x


def find_device(name: str) -> torch.device:
    """Return the torch device called ``name``.

    Raises:
        DeviceError: if torch knows no such device or this machine has none.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device).cpu()  # the device "meta" holds nothing that comes back
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0].rstrip(":.")
        raise DeviceError(f"device {name!r} cannot be used: {reason}; try --device cpu") from error
    return device


def check_batch(x: object) -> None:
    """Refuse anything but (N, 3, H, W) float32 with sides of at least 16 pixels.

    Raises:
        RestoreError: which says what was found.
    """
    if not isinstance(x, Tensor):
        kind = f"{type(x).__module__}.{type(x).__qualname__}"
        raise RestoreError(f"restore takes (N, 3, H, W) float32 in [0, 1], got a {kind}")
    if x.ndim != 4 or x.shape[1] != 3 or x.dtype != torch.float32:
        raise RestoreError(
            f"restore takes (N, 3, H, W) float32 in [0, 1], got {tuple(x.shape)} {x.dtype}"
        )
    if min(x.shape[-2:]) < MIN_SIDE:
        raise RestoreError(
            f"restore takes images of at least {MIN_SIDE}x{MIN_SIDE} pixels, "
            f"got {x.shape[-1]}x{x.shape[-2]}"
        )


def reflect_to_multiple(x: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """Pad (N, C, H, W) at the right and bottom by reflection, without repeating the edge.

    Args:
        x: images; unlike torch's own padding, any amount may be added, by reflecting on.
        multiple: what height and width become a multiple of.
        minimum: the least height and width.
    """
    for axis in (-2, -1):
        size = x.shape[axis]
        target = -(-max(size, minimum) // multiple) * multiple
        if target != size:
            # Positions walk 0 .. size-1 and back again, with period 2 (size - 1).
            walk = torch.arange(target, device=x.device) % (2 * (size - 1))
            x = x.index_select(axis, torch.where(walk < size, walk, 2 * (size - 1) - walk))
    return x


def _check_known(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name} cannot be {value!r}. Known: {', '.join(known)}")


def _use_channels_last(network: nn.Module) -> bool:
    """Lay kernels out so that the channels of a pixel are neighbours; tell if there are any."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    # Module.to(memory_format=...) refuses networks that hold tensors of other ranks.
    for kernel in kernels:
        kernel.data = kernel.data.contiguous(memory_format=torch.channels_last)
    return bool(kernels)


def _owned(y: Tensor, device: torch.device) -> Tensor:
    """Copy images to memory of the caller's own, as float32.

    That is not the input's memory, and open to in-place operations, which tensors that were made in
    inference mode refuse.
    """
    own = torch.empty(y.shape, dtype=torch.float32, device=device)
    if device.type == "cpu":
        # By numpy: after a copy torch's threads wait busily for more, on cores that others need.
        np.copyto(own.numpy(), y.detach().to(device, torch.float32).numpy())
        return own
    with torch.no_grad():
        return own.copy_(y)
