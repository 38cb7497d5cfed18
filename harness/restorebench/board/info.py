"""What a board says beside its numbers: tasks, methods, protocol, sessions; kept as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from restorebench.column import Column, draws_of
from restorebench.costs.record import CostRecord
from restorebench.method import Weights
from restorebench.metrics import Metric
from restorebench.plan import Plan, Row
from restorebench.provenance import package_versions
from restorebench.published import AVERAGE


class Info(BaseModel):
    """Base of what a board's JSON file holds."""

    # JSON has no infinity, which is the PSNR of a perfect image: it stands as a text.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class MetricInfo(Info):
    """A metric as tables print it."""

    name: str
    title: str
    unit: str
    digits: int
    higher_is_better: bool
    unavailable: str | None = None
    """Why it could not be computed where the run was made."""
    computed_by: str = ""
    """Packages that computed it, with their versions; empty for the harness itself."""


class ColumnInfo(Info):
    """A task, and which images it was scored on."""

    name: str
    title: str
    kind: str
    dataset: str
    origin: str
    count: int
    """Images that each method is scored on."""
    fingerprint: str
    extent: str
    tag: str
    words: tuple[str, ...]
    mix: str
    where: str
    repeats: int = 1
    """How often the noise of each image was drawn; its score is the mean over the draws."""
    sources: dict[str, str] = {}
    """By image, a hash of the photograph it was made from; images of one are no two witnesses."""
    cite: str = ""
    """BibTeX key of the data set."""


class RowInfo(Info):
    """A method, and what its numbers rest on."""

    name: str
    title: str
    paper: str
    status: str
    weights: str
    weights_file: str | None
    weights_read: str
    """What was taken from the file: containers, EMA, how much of the network it fills."""
    precision: str
    config: str
    code: str
    words: tuple[str, ...]
    absent: str | None
    notes: tuple[str, ...]
    cite: str = ""
    """BibTeX key of the method's paper."""

    @property
    def tag(self) -> str:
        """What must be said of it, as short as it stands beside a number: ``untrained``."""
        return ", ".join(word.partition(":")[0] for word in self.words)


class Basis(Info):
    """What the numbers of a board rest on; no number travels without it."""

    schema_version: Literal[1] = 1
    suite: str
    suite_version: int
    title: str
    average: str
    """What the mean over the tasks is."""
    protocol: str
    protocol_hash: str
    protocol_title: str
    noise: str
    device: str
    metrics: tuple[MetricInfo, ...] = Field(min_length=1)
    columns: tuple[ColumnInfo, ...] = Field(min_length=1)
    """The tasks, with data fingerprint, count of images, extent and what must be said of them."""
    rows: tuple[RowInfo, ...]
    """The methods, with the hash of their weights and what must be said of them."""
    sessions: tuple[dict[str, Any], ...]
    """Where, when, with what and by which command it was measured."""


class BoardInfo(Basis):
    """Everything about a board except its records; written beside them as ``board.json``."""

    costs: tuple[CostRecord, ...] = ()
    """What the rows cost, as far as it was measured."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """What methods have means on: every task, and ``average`` if there are several.

        The last of them is how a method does on the whole.
        """
        names = tuple(column.name for column in self.columns)
        return names if len(names) == 1 else (*names, AVERAGE)

    @property
    def average_reason(self) -> str | None:
        """Why there is no average over the tasks at all, or ``None`` if there is one."""
        extents = {c.extent or "complete" for c in self.columns}
        if len(extents) > 1:
            return f"columns of different extent are not averaged: {'; '.join(sorted(extents))}"
        return None

    @property
    def average_extent(self) -> str:
        """What all columns are, such as ``sample, limited``; empty for whole sets, or unlike."""
        return self.columns[0].extent if self.average_reason is None else ""

    @property
    def average_tags(self) -> tuple[str, ...]:
        """What stands below the average's title: what all columns are, and what it is a mean of."""
        return tuple(filter(None, [self.average_extent, self.average]))


def describe_plan(
    plan: Plan, sessions: Iterable[dict[str, Any]] = (), costs: Iterable[CostRecord] = ()
) -> BoardInfo:
    """Return what a board of this plan says beside its numbers."""
    return BoardInfo(
        suite=plan.suite.name,
        suite_version=plan.suite.version,
        title=plan.suite.title,
        average=plan.suite.average,
        protocol=plan.protocol.id,
        protocol_hash=plan.protocol.hash,
        protocol_title=plan.protocol.title,
        noise=_noise(plan),
        device=plan.device,
        metrics=tuple(
            _metric_info(name, metric, plan.unavailable.get(name))
            for name, metric in plan.metrics.items()
        ),
        columns=tuple(_column_info(column) for column in plan.columns),
        rows=tuple(_row_info(row) for row in plan.rows),
        sessions=tuple(sessions),
        costs=tuple(costs),
    )


def images_of(count: int) -> str:
    """Return a count of images in words."""
    return "1 image" if count == 1 else f"{count} images"


def _noise(plan: Plan) -> str:
    repeats = max(column.repeats for column in plan.columns)
    title = plan.protocol.noise.title
    return title if repeats == 1 else f"{title}; {draws_of(repeats)}, averaged image by image"


def _metric_info(name: str, metric: Metric, unavailable: str | None) -> MetricInfo:
    return MetricInfo(
        name=name,
        title=metric.title,
        unit=metric.unit,
        digits=metric.digits,
        higher_is_better=metric.higher_is_better,
        unavailable=unavailable,
        computed_by=", ".join(f"{k} {v}" for k, v in package_versions(metric.packages).items()),
    )


def _column_info(column: Column) -> ColumnInfo:
    return ColumnInfo(
        name=column.task.name,
        title=column.source.title,
        kind=column.task.kind,
        dataset=column.source.dataset.title,
        origin=column.origin,
        count=len(column.chosen),
        fingerprint=column.fingerprint,
        extent=column.extent,
        tag=column.tag,
        words=tuple(column.words()),
        mix=column.mix,
        where=column.task.real.dataset.where(),
        repeats=column.repeats,
        sources={item.image: item.source_hash() for item in column.chosen},
        cite=column.source.dataset.cite,
    )


def _row_info(row: Row) -> RowInfo:
    return RowInfo(
        name=row.label,
        title=row.card.title,
        paper=row.card.paper,
        status=row.card.status,
        weights=row.weights,
        weights_file=row.loaded.file if row.loaded else None,
        weights_read=_how_read(row.loaded) if row.loaded else "",
        precision=row.precision,
        config=str(dict(row.config)) if row.config else "",
        code=row.code,
        words=tuple(row.words()),
        absent=row.absent,
        notes=row.card.notes,
        cite=row.card.cite,
    )


def _how_read(weights: Weights) -> str:
    parts = [weights.container, "EMA weights" if weights.ema else "", weights.coverage]
    return "; ".join(filter(None, parts))
