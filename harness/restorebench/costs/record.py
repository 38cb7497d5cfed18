"""`CostRecord`: what one method costs on one kind of machine; and costs as a frame.

    RUN/costs/<key>.json    one file a record, replaced whole when more of it is measured

So a kill loses at most the one that is being measured, and folders can be merged by copying.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from restorebench.costs.complexity import Complexity
from restorebench.spec import digest

COUNTERS = ("torch", "ptflops", "fvcore")
HEADLINE = "torch"
"""The counter whose MACs stand in tables where there is room for one."""


class CostIdentity(BaseModel):
    """Everything that a cost depends on; two records with the same key measure the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    """The row's name."""
    config: str
    weights: str
    """Routers choose by the weights, so that what is computed depends on them."""
    code: str
    precision: str
    environment: str
    size: int
    """Height and width of the image, in pixels."""
    batch: int
    device: str
    """The accelerator's name, or ``cpu:`` and the processor's: what times are comparable on."""
    threads: int | None
    """Of the CPU; ``None`` on an accelerator."""
    tf32: bool
    """Whether an accelerator may round the factors of float32 products."""

    @property
    def key(self) -> str:
        """SHA-256 of the identity."""
        return digest(self.model_dump())


class Latency(BaseModel):
    """Times of one batch in milliseconds, one a round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    restore: tuple[float, ...] = Field(min_length=1)
    """Of `Method.restore`, from memory of the CPU and back to it."""
    network: tuple[float, ...] | None
    """Of the network alone; ``None`` for a method without one."""
    state: str
    """How it was run, such as ``eager, channels_last``."""
    energy: float | None = None
    """Joules a megapixel, of the whole accelerator; ``None`` where nothing counts them."""


class Memory(BaseModel):
    """Bytes that a process of its own holds for one batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: int
    """Of the network's parameters and buffers."""
    peak: int
    """Most at once, with the weights: allocated on CUDA; on the CPU, growth of the process."""
    reserved: int | None
    """What CUDA's allocator took for that; ``None`` on the CPU."""


class CostRecord(BaseModel):
    """One method's costs, as far as they were asked for; what is measured is never replaced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    key: str
    identity: CostIdentity
    complexity: Complexity | None = None
    """Of one image."""
    latency: Latency | None = None
    memory: Memory | None = None
    error: str | None = None
    """Why something could not be measured, in one line."""


SETTING = ("method", "size", "batch", "precision", "device", "threads", "tf32")
NUMBERS = (
    "parameters",
    "trainable",
    "untouched",
    "macs",
    *(f"macs_{counter}" for counter in COUNTERS),
    "latency_ms",
    "latency_p10",
    "latency_p90",
    "network_ms",
    "throughput",
    "energy",
    "weights_memory",
    "peak_memory",
    "reserved_memory",
)


def in_threads(count: int) -> str:
    """Return a count of threads in words."""
    return f"{count} thread" if count == 1 else f"{count} threads"


def costs_frame(records: Iterable[CostRecord]) -> pd.DataFrame:
    """Return costs as numbers, one row a record; what was not measured is NaN.

    Columns: ``method``, the row's name on the board; ``size``, height and width in pixels;
    ``batch``, ``precision``, ``device``, ``threads``, ``tf32``. ``parameters``, of these
    ``trainable``, and ``untouched`` by a forward pass. ``macs`` of one image, as torch counts, and
    each counter's own (1 MAC = 2 FLOPs). ``latency_ms``, the median time of `Method.restore` on
    the batch, with the 10th and 90th percentile; ``network_ms``, the network's part of it;
    ``throughput`` in images a second; ``energy`` in joules a megapixel; ``weights_memory``,
    ``peak_memory`` with the weights, and ``reserved_memory`` of CUDA, in bytes. ``state``, how it
    was run, such as ``eager, channels_last``. ``error``, why something is missing.
    """
    frame = pd.DataFrame(
        [_line(record) for record in records],
        columns=[*SETTING, *NUMBERS, "state", "error"],
    )
    types = {"size": "int64", "batch": "int64", "threads": "Int64", "tf32": "bool"}
    texts = dict.fromkeys(["state", "error"], "string")
    return frame.astype({**types, **texts, **dict.fromkeys(NUMBERS, "float64")})


def _line(record: CostRecord) -> dict[str, Any]:
    own = record.identity
    line = {name: getattr(own, name) for name in SETTING} | {"error": record.error}
    if record.complexity is not None:
        line |= _counts(record.complexity)
    if record.latency is not None:
        low, middle, high = np.percentile(record.latency.restore, (10, 50, 90))
        line |= {"latency_ms": middle, "latency_p10": low, "latency_p90": high}
        line |= {"throughput": 1000 * own.batch / middle, "energy": record.latency.energy}
        line["state"] = record.latency.state
        if record.latency.network is not None:
            line["network_ms"] = np.median(record.latency.network)
    if record.memory is not None:
        line |= {f"{name}_memory": size for name, size in record.memory.model_dump().items()}
    return line


def _counts(counted: Complexity) -> dict[str, Any]:
    macs = {f"macs_{counter}": count for counter, count in counted.macs.items()}
    return {
        "parameters": counted.parameters,
        "trainable": counted.trainable,
        "untouched": counted.unused_count,
        "macs": counted.macs.get(HEADLINE),
        **macs,
    }
