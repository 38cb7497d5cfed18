"""The published record: what the papers print, kept as printed, with its provenance.

One YAML file a paper, `published/NAME.yaml`; `paper_spec` says how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files

from pydantic import Field

from restorebench.errors import SpecError
from restorebench.published import Published
from restorebench.spec import Spec
from restorebench_benchmarks.paper_spec import Metric, PaperSpec, TableSpec

FOLDER = files("restorebench_benchmarks") / "published"
TOLERANCES = files("restorebench_benchmarks") / "tolerances.yaml"

_NUMBER = re.compile(r"(\d*)(?:\.(\d+))?([MGs]?)")
_UNIT = {"": 1.0, "s": 1.0, "M": 1e6, "G": 1e9}


class ToleranceSpec(Spec):
    """How far a fair second run may lie off, on some tasks."""

    metric: Metric
    within: float = Field(gt=0)
    """In the metric's unit."""
    why: str
    tasks: tuple[str, ...]


class TolerancesSpec(Spec):
    """All allowances beside rounding."""

    tolerances: tuple[ToleranceSpec, ...]


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
    return tuple(table_of(paper, table) for paper in papers for table in paper.tables)


def published_values() -> Iterator[Published]:
    """Yield every printed value of a method as the harness sets it beside a run.

    The variants of an ablation are no methods and are left out.

    This is the entry point of the group ``restorebench.published``.

    Raises:
        SpecError: if a file is wrong.
    """
    allowed: dict[tuple[str | None, str], ToleranceSpec] = {
        (task, given.metric): given
        for given in TolerancesSpec.read(TOLERANCES).tolerances
        for task in given.tasks
    }
    for paper in load_papers().values():
        for table in paper.tables:
            methods = [label for label in table.rows if not paper.is_variant(table, label)]
            for cell in (cell for label in methods for cell in _row(paper, table, label)):
                allowance = allowed.get((cell.task, cell.metric))
                yield replace(
                    cell,
                    method=paper.cards.get(cell.method, cell.method),
                    tolerance=allowance.within if allowance else 0.0,
                    why_tolerance=allowance.why if allowance else "",
                )


def table_of(paper: PaperSpec, table: TableSpec) -> Table:
    """Return one transcribed table, cell by cell."""
    rows = tuple(_row(paper, table, label) for label in table.rows)
    return Table(f"{paper.paper} {table.name}", rows)


def _row(paper: PaperSpec, table: TableSpec, label: str) -> tuple[Published, ...]:
    copied = (name for name, rows in table.copied_from.items() if label in rows)
    origin = next(copied, None)
    method = paper.method(table, label)
    cells = []
    for (heading, column), cell in zip(table.columns.items(), table.rows[label], strict=True):
        # One dash or blank stands for all metrics of its column.
        values = [cell] * len(column.metrics) if cell in ("-", "~") else cell.split("/")
        for metric, printed in zip(column.metrics, values, strict=True):
            value, half_unit = number(printed)
            flags, note = _flags(table, label, heading, metric, printed)
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
                    flags=flags,
                    note=note,
                    reference=paper.reference,
                    unclear=paper.unclear.get(metric, ""),
                )
            )
    return tuple(cells)


def _flags(
    table: TableSpec, row: str, heading: str, metric: Metric, printed: str
) -> tuple[tuple[str, ...], str]:
    """Return a cell's flags, and what they mean in words."""
    given = [flag for flag in table.flags if flag.covers(row, heading, metric)]
    flags, notes = [f for flag in given for f in flag.flags], [flag.note for flag in given]
    if printed == "?":
        flags, notes = ["lost", *flags], ["lost between the PDF and the text", *notes]
    return tuple(flags), "; ".join(notes)
