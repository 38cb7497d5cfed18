"""What methods cost, as tables of their own: one for each setting that they were measured under."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from restorebench.board.table import (
    DASH,
    Fact,
    Notes,
    Table,
    TableCell,
    TableGroup,
    TableRow,
    printable,
)
from restorebench.costs.columns import SETTING, disagreement, setting_of
from restorebench.costs.record import COUNTERS, CostRecord, costs_frame
from restorebench.plan import Row
from restorebench.provenance import package_versions


@dataclass(frozen=True, slots=True)
class _Number:
    name: str
    """Column of `costs_frame`."""
    heading: str
    unit: float
    digits: int


PARTS = 4
"""How many parts of a network are named as untouched."""
GROUPS: Mapping[str, Sequence[_Number]] = {
    "Parameters (M)": (
        _Number("parameters", "all", 1e6, 3),
        _Number("trainable", "trainable", 1e6, 3),
        _Number("untouched", "untouched", 1e6, 3),
    ),
    "MACs (G)": tuple(_Number(f"macs_{counter}", counter, 1e9, 2) for counter in COUNTERS),
    "Restore (ms)": (
        _Number("latency_ms", "median", 1, 1),
        _Number("latency_p10", "p10", 1, 1),
        _Number("latency_p90", "p90", 1, 1),
    ),
    "Network (ms)": (_Number("network_ms", "median", 1, 1),),
    "Throughput": (_Number("throughput", "images/s", 1, 2),),
    "Energy": (_Number("energy", "J/megapixel", 1, 2),),
    "Memory (MiB)": (
        _Number("weights_memory", "weights", 2**20, 0),
        _Number("peak_memory", "peak", 2**20, 0),
        _Number("reserved_memory", "reserved", 2**20, 0),
    ),
}
LEGEND = {
    "Parameters (M)": "untouched: of no use to this forward pass, found by tracing it",
    "MACs (G)": "multiply-accumulates, 1 MAC = 2 FLOPs",
    "Restore (ms)": "one batch from memory of the CPU and back; median and percentiles of rounds "
    "that go through all methods in turn",
    "Network (ms)": "the network alone, its input on the device; by CUDA events on CUDA",
    "Energy": "of the whole device, by NVML",
    "Memory (MiB)": "in a process of its own; peak with the weights: allocated on CUDA, else "
    "growth of the process",
}


UNTRAINED = "untrained: random weights; a router may choose otherwise with trained ones"


def cost_tables(records: Sequence[CostRecord], rows: Mapping[str, Row]) -> Iterator[Table]:
    """Yield the costs of each size, batch and machine.

    Args:
        records: what was measured, or why it was not.
        rows: the methods, by the name in the records.
    """
    settings: dict[tuple[object, ...], list[CostRecord]] = {}
    for record in records:
        setting = tuple(getattr(record.identity, name) for name in SETTING)
        settings.setdefault(setting, []).append(record)
    for those in settings.values():
        yield _table(those, rows)


def _table(records: Sequence[CostRecord], rows: Mapping[str, Row]) -> Table:
    notes, costs = Notes(), costs_frame(records)
    shown = {
        title: [number for number in numbers if costs[number.name].notna().any()]
        for title, numbers in GROUPS.items()
    }
    shown = {title: numbers for title, numbers in shown.items() if numbers}
    lines = []
    for line, record in zip(costs.to_dict("records"), records, strict=True):
        row = rows[record.identity.method]
        words = [UNTRAINED if w.startswith("untrained") else w for w in row.words()]
        numbers = notes.add(*words, *_remarks(line, record))
        tag = ", ".join(word.partition(":")[0] for word in words)
        cells = tuple(tuple(_cell(line, n) for n in group) for group in shown.values())
        lines.append(TableRow(row.label, printable(row.card.title), tag, cells, numbers))
    size, where = setting_of(costs.iloc[0])
    facts = [(title, LEGEND[title]) for title in shown if title in LEGEND]
    facts += _facts(where, records)
    return Table(
        title=f"Costs at {size}",
        groups=tuple(
            TableGroup(title, (), tuple(n.heading for n in group), whole=True)
            for title, group in shown.items()
        ),
        rows=tuple(lines),
        notes=tuple(notes.texts),
        provenance=tuple((printable(label), printable(text)) for label, text in facts),
    )


def _cell(line: Mapping[Any, Any], number: _Number) -> TableCell:
    value = float(line[number.name])
    return TableCell(DASH if math.isnan(value) else f"{value / number.unit:.{number.digits}f}")


def _remarks(line: Mapping[Any, Any], record: CostRecord) -> list[str]:
    said = [f"not measured: {record.error}"] if record.error else []
    counted = record.complexity
    if counted is not None:
        said.append(disagreement(line))
        if counted.unused:
            said.append(f"untouched: {_some(counted.unused)}")
    return list(filter(None, said))


def _some(names: Sequence[str]) -> str:
    """Name the parts of a network that tensors belong to, with their count."""
    parts = dict.fromkeys(".".join(name.split(".")[:2]) for name in names)
    shown = ", ".join([*parts][:PARTS]) + (", ..." if len(parts) > PARTS else "")
    return f"{len(names)} tensors, of {shown}"


def _facts(where: str, records: Sequence[CostRecord]) -> Iterator[Fact]:
    own = records[0].identity
    versions = package_versions(("restorebench", "torch", "fvcore", "ptflops"))
    tf32 = "" if own.threads else f"; TF32 {'allowed' if own.tf32 else 'not allowed'}"
    yield "Machine", f"{where}{tf32}"
    yield "Versions", ", ".join(f"{name} {version}" for name, version in versions.items())
    states = dict.fromkeys(r.latency.state for r in records if r.latency)
    if states:
        yield "Run", "; ".join(states)
    uncounted = {op for r in records if r.complexity for op in r.complexity.uncounted}
    if uncounted:
        yield "Not counted", ", ".join(sorted(uncounted))
