"""What reduced precision changes: its scores beside those in float32, image by image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from restorebench.plan import Plan, Row
from restorebench.record import Record

FULL = "float32"
UNKNOWN = "not compared with float32: run the same command in float32 into the same folder"


def beside_float32(plan: Plan, records: Iterable[Record], stored: Mapping[str, Record]) -> Plan:
    """Return the plan, each row of which says what its reduced precision changes.

    Args:
        plan: one in float32 is returned as it is.
        records: the plan's.
        stored: all records of the run folder, by key; among them may be the same images of the
            same methods, restored in float32.
    """
    if plan.protocol.precision == FULL:
        return plan
    scored = [record for record in records if record.error is None]
    rows = [replace(row, reduction=_reduction(plan, row, scored, stored)) for row in plan.rows]
    return replace(plan, rows=tuple(rows))


def _reduction(
    plan: Plan, row: Row, records: Iterable[Record], stored: Mapping[str, Record]
) -> str:
    pairs: dict[str, list[tuple[Record, Record]]] = {}
    for record in records:
        full = stored.get(_in_float32(plan, record))
        if record.identity.method == row.label and full is not None and full.error is None:
            pairs.setdefault(record.identity.task, []).append((record, full))
    said = [
        f"{column.source.title}: {_changes(plan, pairs[column.task.name])}"
        for column in plan.columns
        if column.task.name in pairs
    ]
    return f"against float32, on {'; on '.join(said)}" if said else UNKNOWN


def _in_float32(plan: Plan, record: Record) -> str:
    """Return the key that the record would have in float32."""
    full = plan.protocol.model_copy(update={"precision": FULL})
    precision = record.identity.precision.replace(plan.protocol.precision, FULL)
    return record.identity.model_copy(update={"protocol": full.id, "precision": precision}).key


def _changes(plan: Plan, pairs: list[tuple[Record, Record]]) -> str:
    said = []
    for name in plan.computable:
        metric = plan.metrics[name]
        both = [(r.scores[name], f.scores[name]) for r, f in pairs if name in f.scores]
        change = np.array([0.0 if a == b else a - b for a, b in both])  # both may be infinite
        if len(change):
            worst = change.min() if metric.higher_is_better else change.max()
            form = f"+.{metric.digits + 2}f"
            unit = f" {metric.unit}" if metric.unit else ""
            said.append(f"{metric.title} {change.mean():{form}}{unit} (worst {worst:{form}})")
    return f"{', '.join(said)}, {len(pairs)} images"
