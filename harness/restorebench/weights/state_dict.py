"""Finding a network's tensors in what a checkpoint holds, and judging how they fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from restorebench.errors import WeightsError

# Entries that wrap a state_dict and, followed by a dot, modules that wrap a network. The same with
# an ``ema`` joined on by an underscore, or ``ema`` alone, holds averaged weights.
WRAPPERS = frozenset(
    [
        "state_dict",
        "model_state_dict",
        "params",
        "model",
        "net",
        "netG",
        "generator",
        "module",
        "_orig_mod",
    ]
)
# Deeper than any tool nests.
MAX_NESTING = 6

NAMES_SHOWN = 3
NAME_LENGTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One reading of a checkpoint: the tensors under some entries and a key prefix."""

    entries: tuple[str, ...]
    """The entries from the outside in, such as ``("state_dict",)``."""
    prefix: str
    """What was taken off every key, such as ``module.net.``; may be empty."""
    tensors: dict[str, Tensor]
    """Without the prefix."""
    outside: tuple[str, ...]
    """Keys that lack the prefix, as they stand in the file."""
    remark: str = ""
    """Why these were taken, if the file holds both averaged and raw weights."""

    @property
    def ema(self) -> bool:
        """Whether these are averaged weights."""
        parts = (*self.entries, *self.prefix.split("."))
        return any("ema" in part.split("_") for part in parts)

    @property
    def place(self) -> str:
        """Where in the file these tensors are, such as ``state_dict > net.``; empty at its top."""
        return " > ".join(part for part in (*self.entries, self.prefix) if part)

    def describe(self) -> str:
        """Return the place and the remark."""
        return f"{self.place or 'top level'} ({self.remark})" if self.remark else self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a file's tensors fit a network."""

    tensors: dict[str, Tensor]
    """Those that can be loaded."""
    total: int
    """Tensors of the network."""
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: dict[str, tuple[torch.Size, torch.Size]]
    """Shape in the file and in the network, where they differ."""

    @property
    def complete(self) -> bool:
        """Whether every tensor fits and none is left over."""
        return not (self.missing or self.unexpected or self.reshaped)

    @property
    def filled(self) -> int:
        """How many of the network's tensors get a value."""
        return self.total - len(self.missing) - len(self.reshaped)


def choose(content: object, expected: Mapping[str, Tensor]) -> Choice:
    """Return the reading of a checkpoint that fits best; of equal ones the averaged weights.

    Args:
        content: what the file holds.
        expected: the network's ``state_dict``.

    Raises:
        WeightsError: if there are no tensors where weights are kept, or none are expected.
    """
    if not expected:
        raise WeightsError("the network has no weights, so none can be loaded")
    found = _state_dicts(content, (), set())
    choices = [choice for entries, tensors in found for choice in _peel(entries, tensors)]
    if not choices:
        raise WeightsError(f"holds no weights in any known entry; it is {_outline(content)}")

    def rank(choice: Choice) -> tuple[int, ...]:
        named = choice.tensors.keys() & expected.keys()
        fitting = sum(choice.tensors[key].shape == expected[key].shape for key in named)
        left_over = len(choice.tensors) - len(named)
        wrapping = len(choice.prefix) + len(choice.entries)
        return len(named), fitting, choice.ema, -left_over, -wrapping

    best = max(choices, key=rank)
    rivals = [c for c in choices if c.ema != best.ema and c.tensors.keys() & expected.keys()]
    if not rivals:
        return best
    rival = max(rivals, key=rank).place or "the top level"
    return replace(best, remark=f"EMA, rather than {rival}" if best.ema else f"{rival} fits less")


def _state_dicts(
    content: object, entries: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Yield every dict with tensors that is reached through wrappers, and the way to it."""
    # A file can hold a dict that contains itself.
    if not isinstance(content, Mapping) or id(content) in seen or len(entries) > MAX_NESTING:
        return
    seen.add(id(content))
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    if tensors := {key: value for key, value in named.items() if _is_plain(value)}:
        yield entries, tensors
    for key, value in named.items():
        if _is_wrapper(key):
            yield from _state_dicts(value, (*entries, key), seen)


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"  # not "meta", which has a shape but no values
        and not (value.is_quantized or value.is_nested)
    )


def _is_wrapper(name: str) -> bool:
    plain = "_".join(part for part in name.split("_") if part != "ema")
    return plain in WRAPPERS or name == "ema"


def _peel(entries: tuple[str, ...], found: dict[str, Tensor]) -> Iterator[Choice]:
    """Yield a choice for every sequence of wrappers that some key begins with."""
    prefixes = {""}
    for key in found:
        prefix = ""
        for part in key.split(".", MAX_NESTING)[:-1]:
            if not _is_wrapper(part):
                break
            prefix += f"{part}."
            prefixes.add(prefix)
    for prefix in sorted(prefixes):
        inside = {k.removeprefix(prefix): t for k, t in found.items() if k.startswith(prefix)}
        outside = tuple(key for key in found if not key.startswith(prefix))
        yield Choice(entries=entries, prefix=prefix, tensors=inside, outside=outside)


def _outline(content: object) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    return f"a dict of: {_listed(str(key) for key in content)}" if content else "an empty dict"


def check_values(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse values that the network cannot compute with.

    Raises:
        WeightsError: which names the first tensor that holds NaN or infinity (as it stands or in
            the network's type), or integers where the network has fractions or the reverse.
    """
    for key in (key for key in tensors if key in expected):
        tensor, dtype = tensors[key], expected[key].dtype
        if tensor.is_floating_point() != dtype.is_floating_point or tensor.is_complex():
            raise WeightsError(f"{key} is {tensor.dtype}, the network has {dtype} there")
        if dtype.is_floating_point and not bool(tensor.to(dtype).isfinite().all()):
            raise WeightsError(f"{key} holds NaN or infinity; the training or the file is broken")


def try_on(network: nn.Module, tensors: dict[str, Tensor]) -> Fit:
    """Load tensors into a copy of the network and return how that went.

    A copy, because torch loads what it can before it complains; and loading rather than comparing
    shapes, because a network's hooks may adapt it to the file first.

    Raises:
        WeightsError: if the network refuses the tensors for a reason other than names and shapes.
    """
    trial = deepcopy(network)
    reshaped: dict[str, tuple[torch.Size, torch.Size]] = {}
    try:
        try:
            keys = trial.load_state_dict(tensors, strict=False)
        except RuntimeError:
            reshaped = _reshaped(tensors, trial.state_dict())
            tensors = {key: tensor for key, tensor in tensors.items() if key not in reshaped}
            keys = trial.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"the network refuses it: {' '.join(str(error).split())}") from error
    adapted = trial.state_dict()
    # A tensor under two names may be stored under one of them.
    given = {(t.data_ptr(), t.shape) for key, t in adapted.items() if key in tensors}
    missing = (key for key in keys.missing_keys if key not in reshaped)
    return Fit(
        tensors=tensors,
        total=len(adapted),
        missing=tuple(k for k in missing if (adapted[k].data_ptr(), adapted[k].shape) not in given),
        unexpected=tuple(keys.unexpected_keys),
        reshaped=reshaped,
    )


def _reshaped(
    tensors: Mapping[str, Tensor], adapted: Mapping[str, Tensor]
) -> dict[str, tuple[torch.Size, torch.Size]]:
    return {
        key: (tensor.shape, adapted[key].shape)
        for key, tensor in tensors.items()
        if key in adapted and tensor.shape != adapted[key].shape
    }


def coverage(fit: Fit, choice: Choice) -> str:
    """Return how much of the network the file fills and what of it was left aside."""
    parts = [f"{fit.filled} of {fit.total} tensors"]
    if choice.outside:
        parts.append(f"ignored outside {choice.prefix}: {_listed(choice.outside)}")
    if not fit.complete:
        parts += _differences(fit)
    return "; ".join(parts)


def misfit(fit: Fit, choice: Choice) -> str:
    """Return, in one line, what does not fit, what is near, and what the user may do."""
    place = f" under {choice.place}" if choice.place else ""
    share = 100 * fit.filled / fit.total
    parts = [f"{fit.filled} of {fit.total} tensors ({share:.1f} %) fit{place}"]
    parts += _differences(fit)
    parts += _hint(fit)
    if 2 * fit.filled >= fit.total:
        parts.append("strict=False would load what fits")
    return "; ".join(parts)


def _differences(fit: Fit) -> Iterator[str]:
    if fit.missing:
        yield f"missing: {_listed(fit.missing)}"
    if fit.unexpected:
        near = [_with_nearest(key, fit.missing) for key in fit.unexpected[:NAMES_SHOWN]]
        yield f"unexpected: {_listed([*near, *fit.unexpected[NAMES_SHOWN:]])}"
    if fit.reshaped:
        shapes = fit.reshaped.items()
        texts = (f"{key} file {tuple(a)} network {tuple(b)}" for key, (a, b) in shapes)
        yield f"other shape: {_listed(texts)}"


def _with_nearest(key: str, missing: Iterable[str]) -> str:
    near = get_close_matches(key[:NAME_LENGTH], missing, n=1)
    return f"{key} (near: {near[0]})" if near else key


def _hint(fit: Fit) -> Iterator[str]:
    """Tell the same network built otherwise from another network, by names without numbers."""

    def kinds(keys: Iterable[str]) -> set[str]:
        return {re.sub(r"\d+", "#", key) for key in keys}

    common = kinds((fit.tensors.keys() | fit.reshaped.keys()) - set(fit.unexpected))
    if not common:
        yield "these look like the weights of another network"
    elif kinds(fit.missing + fit.unexpected) <= common:
        other = ["widths"] if fit.reshaped else []
        other += ["numbers of blocks"] if fit.missing or fit.unexpected else []
        yield (
            "the file looks like this network in another configuration "
            f"(other {' and '.join(other)}): build the method as it was trained"
        )


def _listed(names: Iterable[str]) -> str:
    """Join the first few names and count the rest; control characters are escaped."""
    texts = [name if name.isprintable() else ascii(name) for name in names]
    more = f", ... ({len(texts) - NAMES_SHOWN} more)" if len(texts) > NAMES_SHOWN else ""
    return ", ".join(text[: 2 * NAME_LENGTH] for text in texts[:NAMES_SHOWN]) + more
