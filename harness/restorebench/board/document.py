"""A board, and a comparison of two methods, as JSON documents with a published schema.

The models are the schema: `schemas` generates what `docs/json.md` describes, and a test holds the
shipped files to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, WithJsonSchema

from restorebench.board.info import Basis, BoardInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.paired import PairedComparison
from restorebench.board.table import Mark
from restorebench.published import AVERAGE

_SIGNED = {"anyOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity"]}]}
Number = Annotated[float, WithJsonSchema(_SIGNED)]
"""A number in full precision; JSON has no infinity, which stands as a text."""


class Part(BaseModel):
    """Base of what a document holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class CellPart(Part):
    """One method's mean on one task, or over several, or why there is none."""

    method: str
    """Name of a row."""
    task: str
    """Name of a column, or ``average``."""
    metric: str
    value: Number | None
    images: int | None
    """How many were scored; none for an average."""
    expected: int | None
    reason: str | None
    """Why there is no value."""
    mark: Mark | None
    """Whether paired intervals put it among the best or the second."""
    remarks: tuple[str, ...]
    """What is odd about the images, with counts."""


class PairPart(Part):
    """Method ``a`` against method ``b`` on one task, or over all tasks."""

    metric: str
    task: str
    a: str
    b: str
    images: int | None
    sources: int | None
    """Photographs that the images were made from."""
    difference: Number | None
    """Mean of a - b."""
    low: Number | None
    """Of the 95 % paired bootstrap interval of the difference."""
    high: Number | None
    p: Number | None
    """Of Wilcoxon's signed-rank test over sources; none where that is refused."""
    p_holm: Number | None
    """The same, corrected for all tests of the metric."""
    win_rate: Number | None
    """Share of images on which a is better, ties half."""
    detectable: Number | None
    """Difference that so many images, so spread, show in 80 % of all draws of the images."""
    draw_spread: Number | None
    """Standard deviation of the difference over draws of the noise; none for a single draw."""
    better: str | None
    """The method whose lead the interval shows."""
    reason: str | None = None
    """Why there is no comparison."""


class DetectablePart(Part):
    """What the images of a task would mostly show: the median over all pairs of methods."""

    task: str
    metric: str
    difference: Number | None


class ImagePart(Part):
    """One image's scores by two methods, means over the draws of its noise."""

    metric: str
    task: str
    image: str
    a: Number
    b: Number
    difference: Number | None


class Document(Basis):
    """What numbers rest on, and after it the numbers."""


class LeaderboardDocument(Document):
    """A leaderboard, as ``leaderboard.json`` holds it."""

    average_reason: str | None
    """Why there is no average at all."""
    average_extent: str
    """What all tasks are, such as ``sample, limited``; empty for whole sets."""
    cells: tuple[CellPart, ...]
    pairs: tuple[PairPart, ...]
    tests: dict[str, int]
    """By metric, how many tests ``p_holm`` is corrected for."""
    detectable: tuple[DetectablePart, ...]
    costs: tuple[dict[str, Number | str | None], ...]
    """What the methods cost, as `Leaderboard.costs` has it."""


class ComparisonDocument(Document):
    """Two methods compared, as ``restorebench compare -o`` writes it."""

    a: str
    b: str
    pairs: tuple[PairPart, ...]
    tests: dict[str, int]
    left_out: dict[str, str]
    """Tasks that were scored on other images, or by one of them only, and why."""
    images: tuple[ImagePart, ...]


DOCUMENTS: dict[str, type[Document]] = {
    "leaderboard": LeaderboardDocument,
    "comparison": ComparisonDocument,
}


def leaderboard_document(board: Leaderboard) -> LeaderboardDocument:
    """Return a board as a document."""
    pairs = board.pairwise
    detectable = board.detectable
    return LeaderboardDocument(
        **_provenance(board.info),
        average_reason=board.average_reason,
        average_extent=board.average_extent,
        cells=tuple(_cells(board)),
        pairs=tuple(PairPart(**line) for line in _lines(pairs)),
        tests={
            m.name: int(pairs["p"][pairs["metric"] == m.name].count()) for m in board.info.metrics
        },
        detectable=tuple(
            DetectablePart(task=str(task), metric=m.name, difference=_known(value))
            for m in board.info.metrics
            for task, value in detectable[m.name].items()
        ),
        costs=tuple(_lines(board.costs)),
    )


def comparison_document(
    comparison: PairedComparison, apart: Mapping[str, str]
) -> ComparisonDocument:
    """Return a comparison as a document.

    Args:
        comparison: of two methods.
        apart: tasks that were left out, and why.
    """
    return ComparisonDocument(
        **_provenance(comparison.info),
        a=comparison.a,
        b=comparison.b,
        pairs=tuple(PairPart(**line) for line in _lines(comparison.frame)),
        tests=dict(comparison.tests),
        left_out=dict(apart),
        images=tuple(ImagePart(**line) for line in _lines(comparison.images)),
    )


def text_of(document: Document) -> str:
    """Return a document as it is written: ASCII, so that no text in it can move a cursor."""
    return json.dumps(json.loads(document.model_dump_json()), indent=1) + "\n"


def schemas() -> dict[str, str]:
    """Return the JSON schema of each document, as text, by file name."""
    found = {}
    for name, model in DOCUMENTS.items():
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **model.model_json_schema(mode="serialization"),
        }
        found[f"{name}.schema.json"] = json.dumps(schema, indent=1) + "\n"
    return found


def _provenance(info: BoardInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in Basis.model_fields}


def _cells(board: Leaderboard) -> Iterator[CellPart]:
    for metric in board.info.metrics:
        for column in board.info.columns:
            best, second = board.marks(metric.name, column.name)
            for row in board.info.rows:
                cell = board.cell(row.name, column.name, metric.name)
                yield CellPart(
                    method=row.name,
                    task=column.name,
                    metric=metric.name,
                    value=cell.value,
                    images=cell.scored,
                    expected=cell.expected,
                    reason=cell.reason,
                    mark=_mark(row.name, best, second),
                    remarks=tuple(board.oddities(row.name, column.name)),
                )
        if AVERAGE not in board.info.tasks:
            continue
        best, second = board.marks(metric.name, AVERAGE)
        for row in board.info.rows:
            value = board.average(row.name, metric.name)
            reason = board.average_reason or "a task has no value"
            yield CellPart(
                method=row.name,
                task=AVERAGE,
                metric=metric.name,
                value=value,
                images=None,
                expected=None,
                reason=reason if value is None else None,
                mark=_mark(row.name, best, second),
                remarks=(),
            )


def _mark(row: str, best: Iterable[str], second: Iterable[str]) -> Mark | None:
    return "best" if row in best else "second" if row in second else None


def _lines(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the rows of a frame, with nothing where it has no value."""
    for line in frame.to_dict("records"):
        yield {str(name): _known(value) for name, value in line.items()}


def _known(value: Any) -> Any:
    missing = value is None or value is pd.NA or value == ""
    return None if missing or (isinstance(value, float) and math.isnan(value)) else value
