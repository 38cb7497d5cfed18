"""What bundles will cost: seconds and memory, from MACs and pixels, corrected by earlier runs."""

from __future__ import annotations

import statistics
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from restorebench.costs.complexity import countable, macs, parameters
from restorebench.errors import BenchError
from restorebench.method import Method
from restorebench.plan import Plan, Row
from restorebench.record import Record

SIDE = 128
"""Height and width of the image that MACs and memory are counted on; both grow with its area."""
MACS_PER_SECOND = {"cpu": 2e10, "accelerator": 5e12}
"""Assumed where no earlier run tells: one CPU thread, and a GPU of 2020 in float32."""
SECONDS_PER_PIXEL = 1e-6
"""Assumed of a method without MACs that no earlier run tells of."""
SCORING_SECONDS_PER_PIXEL = 2e-7
"""Decoding, PSNR and SSIM of one protocol on one CPU thread, measured as 25 ms for 480x320."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one method is expected to cost."""

    seconds_per_pixel: float
    bytes_per_pixel: float
    fixed_bytes: int
    """Of its parameters."""
    basis: str
    """What the seconds rest on, in words."""

    def seconds(self, pixels: int) -> float:
        """Return the seconds from reading to storing an image."""
        return pixels * self.seconds_per_pixel

    def memory(self, pixels: int) -> int | None:
        """Return the bytes of weights and activations; ``None`` where nothing can be counted."""
        return round(self.fixed_bytes + pixels * self.bytes_per_pixel) or None


def forecast(plans: Iterable[Plan], earlier: Iterable[Record]) -> dict[str, Forecast]:
    """Return what each method that can be scored will cost, by the row's name.

    Args:
        plans: one for each protocol.
        earlier: records of this or other runs; those of the same device count.
    """
    plans = list(plans)
    rows = {row.label: row for row in plans[0].rows if row.absent is None}
    measured = _seconds_per_pixel(earlier)
    counted = {label: _counted(row) for label, row in rows.items()}
    speeds: dict[str, list[float]] = {}
    for label, row in rows.items():
        if (label, row.device) in measured and counted[label].macs:
            seconds = statistics.median(measured[label, row.device])
            speeds.setdefault(row.device, []).append(counted[label].macs / seconds)
    return {
        label: _forecast(
            counted[label], measured.get((label, row.device), []), speeds, row.device, len(plans)
        )
        for label, row in rows.items()
    }


@dataclass(frozen=True, slots=True)
class _Counted:
    """What one method costs on paper, for each pixel."""

    macs: float = 0.0
    activations: float = 0.0
    fixed: int = 0


def _forecast(
    counted: _Counted,
    seconds: list[float],
    speeds: Mapping[str, list[float]],
    device: str,
    protocols: int,
) -> Forecast:
    if seconds:
        restoring, basis = statistics.median(seconds), f"{len(seconds)} images of earlier runs"
    elif counted.macs and device in speeds:
        speed = statistics.median(speeds[device])
        restoring = counted.macs / speed
        basis = f"MACs, at the {speed / 1e9:.3g} GMAC/s of other methods' earlier runs"
    elif counted.macs:
        speed = MACS_PER_SECOND["cpu" if device == "cpu" else "accelerator"]
        restoring, basis = counted.macs / speed, f"MACs, at {speed / 1e9:.3g} GMAC/s (assumed)"
    else:
        restoring, basis = SECONDS_PER_PIXEL, "assumed: it has no MACs, and no earlier run tells"
    return Forecast(
        seconds_per_pixel=restoring + protocols * SCORING_SECONDS_PER_PIXEL,
        bytes_per_pixel=counted.activations,
        fixed_bytes=counted.fixed,
        basis=basis,
    )


def _seconds_per_pixel(records: Iterable[Record]) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for record in records:
        if record.seconds is not None and record.height and record.width:
            key = (record.identity.method, record.identity.device)
            found.setdefault(key, []).append(record.seconds / (record.height * record.width))
    return found


def _counted(row: Row) -> _Counted:
    """Count on shapes alone; a method that cannot be counted costs what is assumed of it."""
    try:
        method = row.build()
        if not isinstance(method, Method) or not parameters(method):
            return _Counted()
        area = SIDE * SIDE
        return _Counted(
            macs(method, SIDE) / area, peak_activations(method) / area, 4 * parameters(method)
        )
    except (BenchError, RuntimeError):  # it fails again, by name, when it is measured
        return _Counted()


def peak_activations(method: Method, side: int = SIDE) -> int:
    """Return the most bytes of activations that one forward pass holds at a time.

    Operators' own workspace is not in it. Counted on tensors without values; a network that looks
    at values is counted while it computes.

    Args:
        method: with its network.
        side: height and width of the image, in pixels.
    """
    network, image = countable(method.network, side)
    with torch.no_grad(), _Live() as live:
        network(image)
    peak: int = live.peak
    return peak


class _Live(TorchDispatchMode):
    """Follows how many bytes the tensors hold that were made inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak: int = 0
        self._bytes = 0
        self._owners: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = {
            leaf.untyped_storage()._cdata
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, Tensor)
        }
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf, given)
        return result

    def _add(self, tensor: Tensor, given: set[int]) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in given and key not in self._owners:  # a view of a weight or of the image
            return
        if key not in self._owners:
            self._owners[key] = 0
            self._bytes += size
            self.peak = max(self.peak, self._bytes)
        self._owners[key] += 1
        weakref.finalize(tensor, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self._owners[key] -= 1
        if not self._owners[key]:
            del self._owners[key]
            self._bytes -= size
