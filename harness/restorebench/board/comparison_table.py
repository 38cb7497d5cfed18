"""A board's numbers beside printed ones, as a table for every renderer and as tidy data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from restorebench.board.info import MetricInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import (
    DASH,
    Fact,
    Notes,
    Style,
    Table,
    TableCell,
    TableRow,
    format_value,
    groups_of,
    printable,
    titles_of,
)
from restorebench.inert import plain
from restorebench.published import Comparison, PrintedRow, Verdict
from restorebench.store import write_atomically

SIGNS: dict[Verdict, str] = {"match": "=", "within tolerance": "≈", "off": "≠"}
PUBLISHED, OTHERWISE = "†", "‡"
"""What marks a printed row, and one that is printed under another protocol."""
LEGEND = (
    (PUBLISHED, "printed in the paper and table named, not measured here"),
    (OTHERWISE, "likewise, under another protocol than the run's: never compared"),
    (SIGNS["match"], "match: the measured value rounds to the printed one"),
    (SIGNS["within tolerance"], "within tolerance: see Tolerance"),
    (SIGNS["off"], "off: check the copy of the data, the weights and the paper's version"),
    (DASH, "not comparable, for the reason in the footnote"),
    ("Weights", "papers do not name the file behind a number; the run's own stand with its table"),
)
Grid = tuple[tuple[TableCell, ...], ...]


def comparison_table(board: Leaderboard, style: Style = "plain") -> Table:
    """Return the printed values that a board carries, each beside the measured one.

    Args:
        board: made by `comparison.beside_published`.
        style: ``plain`` prints measured SSIM as 0.9123, ``paper`` as .912.
    """
    notes = Notes()
    groups = groups_of(board, notes)
    measured = [p for p in board.printed if any(c.measured is not None for c in p.cells)]
    rows: list[TableRow] = []
    for name, printed in groupby(measured, key=lambda p: str(p.row)):
        rows.append(_measured(board, name, style, notes))
        for one in printed:
            rows += _beside(board, one, notes)
    only = [_printed(board, p, notes, p.method) for p in board.printed if p not in measured]
    rows += _under("Printed, not measured", only)
    title = printable(f"{board.info.title}: measured beside published")
    return Table(title, groups, tuple(rows), tuple(notes.texts), _facts(board))


def save_comparison(board: Leaderboard, folder: Path) -> Path:
    """Write ``published.csv``: one line for each printed value, with all that it rests on."""
    lines = [_line(board, row, cell) for row in board.printed for cell in row.cells]
    safe = [{k: plain(v) if isinstance(v, str) else v for k, v in line.items()} for line in lines]
    return write_atomically(folder / "published.csv", pd.DataFrame(safe).to_csv(index=False))


def _measured(board: Leaderboard, name: str, style: Style, notes: Notes) -> TableRow:
    row = next(row for row in board.info.rows if row.name == name)

    def cell(task: str, metric: MetricInfo) -> TableCell:
        value = board.mean(name, metric.name, task)
        return TableCell(DASH if value is None else format_value(value, metric, style))

    title = titles_of(board.info)[name]
    return TableRow(
        name, "measured", printable(row.tag), _grid(board, cell), notes.add(*row.words), title
    )


def _beside(board: Leaderboard, row: PrintedRow, notes: Notes) -> Iterator[TableRow]:
    """Yield a printed row, and how the measured one differs where anything may be compared."""
    if all(cell.delta is None for cell in row.cells):
        yield _printed(board, row, notes, "printed", *dict.fromkeys(c.reason for c in row.cells))
        return
    yield _printed(board, row, notes, "printed")
    found = _by_key(row)

    def cell(task: str, metric: MetricInfo) -> TableCell:
        compared = found.get((task, metric.name))
        if compared is None:
            return TableCell("")
        if compared.delta is None:
            return TableCell(DASH, None, notes.add(compared.reason))
        return TableCell(f"{compared.delta:+.{metric.digits}f} {SIGNS[compared.verdict]}")

    yield TableRow("", "difference", "", _grid(board, cell))


def _printed(
    board: Leaderboard, row: PrintedRow, notes: Notes, title: str, *reasons: str
) -> TableRow:
    found = _by_key(row)

    def cell(task: str, metric: MetricInfo) -> TableCell:
        compared = found.get((task, metric.name))
        if compared is None:
            return TableCell("")
        value = compared.published
        doubts = notes.add(f"{value.source}, {value.row}: {value.note}") if value.broken else ()
        return TableCell("lost" if value.value is None else printable(value.printed), None, doubts)

    sign = PUBLISHED if row.comparable else OTHERWISE
    tag = printable(", ".join(row.sources))
    return TableRow("", f"{title} {sign}", tag, _grid(board, cell), notes.add(*reasons))


def _under(section: str, rows: Sequence[TableRow]) -> Iterator[TableRow]:
    for place, row in enumerate(rows):
        heading = section if place == 0 else ""
        yield TableRow(row.name, row.title, row.tag, row.groups, row.notes, heading)


def _grid(board: Leaderboard, cell: Callable[[str, MetricInfo], TableCell]) -> Grid:
    info = board.info
    return tuple(tuple(cell(task, metric) for metric in info.metrics) for task in info.tasks)


def _by_key(row: PrintedRow) -> dict[tuple[str | None, str], Comparison]:
    return {(cell.published.task, cell.published.metric): cell for cell in row.cells}


def _facts(board: Leaderboard) -> tuple[Fact, ...]:
    cells = [cell for row in board.printed for cell in row.cells]
    if not cells:
        return (("Published", f"the record holds nothing for the suite {board.info.suite}"),)
    counts = Counter(cell.verdict for cell in cells)
    facts = [("Verdicts", ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))]
    known = {row.row for row in board.printed}
    rest = [title for name, title in titles_of(board.info).items() if name not in known]
    if rest:
        facts.append(("Nothing printed", f"for {', '.join(rest)}"))
    facts += [*LEGEND, *_tolerances(board)]
    references = {cell.published.paper: cell.published.reference for cell in cells}
    facts += references.items()
    return tuple((printable(label), printable(text)) for label, text in facts)


def _tolerances(board: Leaderboard) -> Iterator[Fact]:
    yield (
        "Tolerance",
        "beside rounding one printed unit; a mean's is that of its columns; and",
    )
    allowed: dict[str, dict[str, None]] = {}
    for cell in (cell for row in board.printed for cell in row.cells):
        value = cell.published
        if value.tolerance:
            said = f"{value.tolerance:g} in {value.metric}: {value.why_tolerance}"
            allowed.setdefault(said, {})[str(value.task)] = None
    for said, tasks in allowed.items():
        yield "Tolerance", f"{said} ({', '.join(tasks)})"


def _line(board: Leaderboard, row: PrintedRow, cell: Comparison) -> dict[str, object]:
    value = cell.published
    column = next((c for c in board.info.columns if c.name == value.task), None)
    measured = next((r for r in board.info.rows if r.name == row.row), None)
    return {
        "method": row.method,
        "row": row.row,
        "task": value.task,
        "metric": value.metric,
        "measured": cell.measured,
        "published": value.value,
        "printed": value.printed,
        "delta": cell.delta,
        "verdict": cell.verdict,
        "tolerance": cell.tolerance,
        "reason": cell.reason,
        "printed_in": ", ".join(row.sources),
        "flags": ", ".join(value.flags),
        "reference": value.reference,
        "paper_protocol": row.protocol,
        "protocol": board.info.protocol,
        "suite": f"{board.info.suite}@{board.info.suite_version}",
        "images": column.count if column else None,
        "data_fingerprint": column.fingerprint if column else None,
        "weights": measured.weights if measured else None,
    }
