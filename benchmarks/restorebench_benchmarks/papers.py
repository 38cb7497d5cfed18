"""The published record: what the papers print, kept as printed, with its provenance.

One YAML file a paper, `published/NAME.yaml`. A row is one string, so that a file can be laid beside
the paper: cells in the order of the columns, parted by spaces, the metrics of a column by "/".

    rows:
      BRDNet: "-   23.23/.895  27.42/.895  ?/?"

"-" is printed where a paper reports nothing, "~" is a blank cell, "?" is a cell that the paper has
but that was lost between its PDF and the text it was read from. Everything else is a printed value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from restorebench.errors import SpecError
from restorebench.spec import Spec

FOLDER = files("restorebench_benchmarks") / "published"

Metric = Literal[
    "psnr", "ssim", "dbcnn", "musiq", "params", "memory", "flops", "seconds", "tick", "text"
]
QUALITY: tuple[Metric, ...] = ("psnr", "ssim", "dbcnn", "musiq")
"""Metrics of restored images; the others describe the method."""
Rule = Literal[
    "range",
    "average",
    "repeated-pair",
    "psnr-column",
    "ssim-trend",
    "swapped",
    "neighbour",
    "sources-differ",
]
"""What the audit looks for; as a flag, a fault that a reader has confirmed."""
Flag = Literal[
    Rule,
    "lost",  # the paper prints a value, the text does not have it
    "shifted",  # the text has the value elsewhere; where it belongs is a reading
    "label",  # the name in the row or cell is wrong, no number is
]
AVERAGE = "average"
"""The task of a column that holds the mean of the row's other columns."""

_NUMBER = re.compile(r"(\d*)(?:\.(\d+))?([MGs]?)")
_UNIT = {"": 1.0, "s": 1.0, "M": 1e6, "G": 1e9}


class ColumnSpec(Spec):
    """A column: ``"rain100l psnr/ssim"``, or ``"params"`` where no images are scored."""

    task: str | None = None
    """Name of a task of the harness where it has one, or ``average``."""
    metrics: tuple[Metric, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        *task, metrics = data.split()
        return {"task": " ".join(task) or None, "metrics": tuple(metrics.split("/"))}


class FlagSpec(Spec):
    """What a reader should know about a row, a column of it, or one metric of that."""

    row: str
    column: str | None = None
    metric: Metric | None = None
    flags: tuple[Flag, ...] = Field(min_length=1)
    note: str

    def covers(self, row: str, column: str, metric: Metric) -> bool:
        """Tell whether the flag is about this cell."""
        return self.row == row and self.column in (None, column) and self.metric in (None, metric)


def _split_cells(row: Any) -> Any:
    return tuple(row.split()) if isinstance(row, str) else row


class TableSpec(Spec):
    """One table, or one part of a table that mixes settings."""

    id: str
    """As the paper numbers it."""
    part: str | None = None
    title: str
    """What it shows, in our words."""
    setting: str
    """Name of the suite that asks the same of a method, such as ``three_deg``."""
    protocol: str | None = None
    """Name of the protocol that the authors' released code follows, where there is such code."""
    variant_of: str | None = None
    """In an ablation, the method whose variants the rows are."""
    transposed: bool = False
    """The paper prints the methods as columns."""
    columns: dict[str, ColumnSpec]
    """By the printed heading, in the printed order."""
    rows: dict[str, Annotated[tuple[str, ...], BeforeValidator(_split_cells)]]
    """By the printed label without its citation, in the printed order."""
    copied_from: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Rows that another table of the record prints alike; there, or in what both quote, they
    originate. By the paper and table, such as ``daair 1``."""
    flags: tuple[FlagSpec, ...] = ()
    note: str | None = None

    @property
    def name(self) -> str:
        """Number and part: ``V Noise+Rain``."""
        return f"{self.id} {self.part}" if self.part else self.id

    @model_validator(mode="after")
    def _fits_together(self) -> TableSpec:
        columns = tuple(self.columns.values())
        for label, cells in self.rows.items():
            if len(cells) != len(columns):
                raise ValueError(f"row {label!r} has {len(cells)} cells for {len(columns)} columns")
            for cell, column in zip(cells, columns, strict=True):
                if cell not in ("-", "~") and len(cell.split("/")) != len(column.metrics):
                    raise ValueError(f"row {label!r}: {cell!r} is not {'/'.join(column.metrics)}")
        named = [(flag.row, flag.column) for flag in self.flags]
        named += [(row, None) for rows in self.copied_from.values() for row in rows]
        for row, heading in named:
            if row not in self.rows:
                raise ValueError(f"there is no row {row!r}")
            if heading is not None and heading not in self.columns:
                raise ValueError(f"there is no column {heading!r}")
        return self


class PaperSpec(Spec):
    """A paper's quantitative tables."""

    paper: str
    title: str
    cite: str
    """Key in ``published/references.bib``."""
    arxiv: str | None = None
    version: str
    """Which version of the text was read."""
    stated: str
    """What the paper says about its metrics, in our words."""
    names: dict[str, str] = Field(default_factory=dict)
    """Printed label to the method's name, where the two differ."""
    lost: dict[str, str] = Field(default_factory=dict)
    """Tables that the text does not have, and what is known of them."""
    tables: tuple[TableSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One printed value with everything that is known about it."""

    paper: str
    table: str
    row: str
    """Label as printed."""
    method: str
    setting: str
    heading: str
    """Of the column, as printed."""
    task: str | None
    metric: Metric
    printed: str
    value: float | None
    """In the metric's unit (dB, parameters, bytes, operations, seconds); ``None`` for no number."""
    half_unit: float
    """Half of the last printed digit: how far the unrounded value may lie from ``value``."""
    arxiv: str | None = None
    version: str | None = None
    protocol: str | None = None
    copied_from: str | None = None
    flags: tuple[Flag, ...] = ()

    @property
    def source(self) -> str:
        """Paper and table: ``hair 1``."""
        return f"{self.paper} {self.table}"

    def agrees_with(self, other: Published) -> bool:
        """Tell whether both can be the same number, rounded as printed."""
        if self.value is None or other.value is None:
            return False
        # Half a unit and the binary value of a decimal fraction meet only up to rounding.
        slack = (self.half_unit + other.half_unit) * (1 + 1e-6)
        return abs(self.value - other.value) <= slack


@dataclass(frozen=True, slots=True)
class Table:
    """The printed values of a table by row, in the printed order."""

    source: str
    rows: tuple[tuple[Published, ...], ...]


def number(printed: str) -> tuple[float | None, float]:
    """Return the value of a printed number, and half of its last digit.

    >>> number("28.50"), number("36M"), number("✓")
    ((28.5, 0.005), (36000000.0, 500000.0), (None, 0.0))
    """
    match = _NUMBER.fullmatch(printed)
    if match is None or not (match[1] or match[2]):
        return None, 0.0
    unit = _UNIT[match[3]]
    return float(printed.removesuffix(match[3])) * unit, 0.5 * 10.0 ** -len(match[2] or "") * unit


def load_papers() -> dict[str, PaperSpec]:
    """Return the transcribed papers by name.

    Raises:
        SpecError: if a file is wrong.
    """
    papers = {}
    for file in sorted(FOLDER.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            paper = PaperSpec.read(file)
            if file.name != f"{paper.paper}.yaml":
                raise SpecError(f"{file}: the paper {paper.paper!r} belongs in a file of that name")
            papers[paper.paper] = paper
    return papers


def load_published() -> tuple[Table, ...]:
    """Return every table of every transcribed paper.

    Raises:
        SpecError: if a file is wrong.
    """
    papers = load_papers().values()
    return tuple(_table(paper, table) for paper in papers for table in paper.tables)


def _table(paper: PaperSpec, table: TableSpec) -> Table:
    rows = tuple(_row(paper, table, label) for label in table.rows)
    return Table(f"{paper.paper} {table.name}", rows)


def _row(paper: PaperSpec, table: TableSpec, label: str) -> tuple[Published, ...]:
    copied = (name for name, rows in table.copied_from.items() if label in rows)
    origin = next(copied, None)
    method = _method(paper.names, table, label)
    cells = []
    for (heading, column), cell in zip(table.columns.items(), table.rows[label], strict=True):
        # One dash or blank stands for all metrics of its column.
        values = [cell] * len(column.metrics) if cell in ("-", "~") else cell.split("/")
        for metric, printed in zip(column.metrics, values, strict=True):
            value, half_unit = number(printed)
            cells.append(
                Published(
                    paper=paper.paper,
                    table=table.name,
                    row=label,
                    method=method,
                    setting=table.setting,
                    heading=heading,
                    task=column.task,
                    metric=metric,
                    printed=printed,
                    value=value,
                    half_unit=half_unit,
                    arxiv=paper.arxiv,
                    version=paper.version,
                    protocol=table.protocol,
                    copied_from=origin,
                    flags=_flags(table, label, heading, metric, printed),
                )
            )
    return tuple(cells)


def _method(names: Mapping[str, str], table: TableSpec, label: str) -> str:
    if label in names:
        return names[label]
    return f"{table.variant_of} {label}" if table.variant_of else label


def _flags(
    table: TableSpec, row: str, heading: str, metric: Metric, printed: str
) -> tuple[Flag, ...]:
    lost: tuple[Flag, ...] = ("lost",) if printed == "?" else ()
    given = (flag.flags for flag in table.flags if flag.covers(row, heading, metric))
    return lost + tuple(flag for flags in given for flag in flags)
