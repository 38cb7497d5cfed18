"""The plan: which methods are scored on which images, decided before anything is computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from restorebench.column import Column
from restorebench.data.dataset import Item
from restorebench.metrics import Metric
from restorebench.protocol import Protocol
from restorebench.record import Identity
from restorebench.suite import Suite

if TYPE_CHECKING:
    from restorebench.method import Card, Method, Weights
    from restorebench.restored import RestoredFolder


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method with its weights, as a line of the table."""

    label: str
    card: Card
    weights: str
    """SHA-256 of the weights file, ``untrained``, or ``none needed``; empty if there are none."""
    code: str
    precision: str
    """What its numbers are computed in (`numbers_of`)."""
    device: str
    """``cpu``, or the name of the accelerator."""
    config: Mapping[str, object]
    build: Callable[[], Method | RestoredFolder]
    loaded: Weights | None = None
    """Where the weights come from, if they come from a file."""
    absent: str | None = None
    """Why the method is not scored at all."""
    reduction: str = ""
    """What reduced precision changes, as far as that is known."""
    remarks: tuple[str, ...] = ()
    """What else a reader has to know, each as ``a word or two: the rest``."""

    @property
    def method(self) -> str:
        """The method's name, without its checkpoint's."""
        return method_name(self.label)

    def words(self) -> list[str]:
        """Say whatever a reader of this row's numbers has to know."""
        said = [*self.remarks]
        if self.card.status == "reconstruction":
            said.append("reconstruction: built from the paper, no official code exists")
        if self.weights == "untrained":
            said.append("untrained: random weights, the numbers mean nothing")
        if self.weights.startswith("in memory"):
            said.append("weights in memory: they come from no file")
        if self.loaded is not None:
            said += self.loaded.words()
        if self.config:
            said.append(f"not the published size: {config_text(self.config)}")
        number, _, inference = self.precision.partition(", ")
        if number != "float32":
            said.append("; ".join(filter(None, [f"reduced precision: {number}", self.reduction])))
        if inference:
            said.append(f"{inference}: computed as the authors' code does")
        if self.absent:
            said.append(self.absent)
        return said


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of a table, which is of one protocol."""

    suite: Suite
    protocol: Protocol
    metrics: Mapping[str, Metric]
    """By the protocol's column names."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    device: str
    """Of all rows, as tables name it."""
    environment: str

    @cached_property
    def unavailable(self) -> dict[str, str]:
        """Why a metric cannot be computed here, by its column name."""
        reasons = {name: metric.unavailable() for name, metric in self.metrics.items()}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    @property
    def computable(self) -> tuple[str, ...]:
        """The column names of the metrics that can be computed here."""
        return tuple(name for name in self.metrics if name not in self.unavailable)

    def cells(self) -> Iterator[tuple[Row, Column]]:
        """Yield the cells that can be scored, row by row."""
        for row in self.rows:
            if row.absent is None:
                for column in self.columns:
                    yield row, column

    def part(self, method: str, task: str, images: range) -> Plan:
        """Return the plan of some images of one cell; what they are keyed by stays the same.

        Args:
            method: the row's name.
            task: the column's name.
            images: positions among the column's items.
        """
        rows = tuple(row for row in self.rows if row.label == method)
        columns = tuple(
            replace(column, first=images.start, limit=images.stop)
            for column in self.columns
            if column.task.name == task
        )
        return replace(self, rows=rows, columns=columns)

    def on(self, device: str) -> Plan:
        """Return the same plan for a device of that name, which need not be here."""
        rows = tuple(replace(row, device=device) for row in self.rows)
        return replace(self, rows=rows, device=device)

    def identity(self, row: Row, column: Column, item: Item) -> Identity:
        """Return everything that the score of one image depends on."""
        return Identity(
            method=row.label,
            config=config_text(row.config),
            weights=row.weights,
            code=row.code,
            precision=row.precision,
            device=row.device,
            environment=self.environment,
            task=column.task.name,
            mix=column.mix,
            data=column.origin,
            data_fingerprint=column.fingerprint,
            protocol=self.protocol.id,
            stream_start=-1 if column.start is None else column.start,
            image=item.image,
            draw=item.draw,
        )


def method_name(label: str) -> str:
    """Return the method in a row's name, which may be followed by ``@`` and a checkpoint's name.

    >>> method_name("hair@epoch_9"), method_name("hair")
    ('hair', 'hair')
    """
    return label.partition("@")[0]


def config_text(config: Mapping[str, object]) -> str:
    """Return a configuration as one line of JSON, the same for equal ones."""
    return json.dumps(dict(config), sort_keys=True, default=repr)
