"""How a paper's tables are written down, one YAML file a paper.

A row is one string, so that a file can be laid beside the paper: cells in the order of the columns,
parted by spaces, the metrics of a column by "/".

    rows:
      BRDNet: "-   23.23/.895  27.42/.895  ?/?"

"-" is printed where a paper reports nothing, "~" is a blank cell, "?" is a cell that the paper has
but that was lost between its PDF and the text it was read from. Everything else is a printed value.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from restorebench.spec import Spec

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
    "uncounted",  # a count of operations that leaves some out
]


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
    size: int | None = None
    """Height and width of the image that costs are of, in pixels."""
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
    """Key in ``references.bib``."""
    arxiv: str | None = None
    version: str
    """Which version of the text was read."""
    stated: str
    """What the paper says about its metrics, in our words."""
    names: dict[str, str] = Field(default_factory=dict)
    """Printed label to the method's name, where the two differ."""
    cards: dict[str, str] = Field(default_factory=dict)
    """Method's name to the title of its card here, where the two differ."""
    unclear: dict[Metric, str] = Field(default_factory=dict)
    """Metrics of which nobody can tell how they were computed, and why."""
    lost: dict[str, str] = Field(default_factory=dict)
    """Tables that the text does not have, and what is known of them."""
    tables: tuple[TableSpec, ...]

    @property
    def reference(self) -> str:
        """Title and version, for a line below a table."""
        number = f", arXiv {self.arxiv}" if self.arxiv else ""
        return f"{self.title}{number}; version read: {self.version}"

    def is_variant(self, table: TableSpec, label: str) -> bool:
        """Tell whether a row is a step of an ablation rather than a method."""
        return table.variant_of is not None and label not in self.names

    def method(self, table: TableSpec, label: str) -> str:
        """Return the name of a row's method, whatever the paper calls it."""
        if self.is_variant(table, label):
            return f"{table.variant_of} {label}"
        return self.names.get(label, label)
