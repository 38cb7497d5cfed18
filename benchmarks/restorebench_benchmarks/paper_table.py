"""A paper's own table: rows, columns and values as printed, what was measured below a rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from restorebench.board.info import RowInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.references import entries_in
from restorebench.board.table import (
    DASH,
    Fact,
    Notes,
    Table,
    TableCell,
    TableGroup,
    TableRow,
    format_value,
    printable,
    titles_of,
)
from restorebench.published import AVERAGE
from restorebench_benchmarks import REFERENCES
from restorebench_benchmarks.paper_costs import measured_cost
from restorebench_benchmarks.paper_spec import ColumnSpec, PaperSpec, TableSpec
from restorebench_benchmarks.papers import table_of

MEASURED = "Measured, not printed"
OTHERWISE = "‡"
TITLES = {"psnr": "PSNR", "ssim": "SSIM", "dbcnn": "DBCNN", "musiq": "MUSIQ"}


@dataclass(frozen=True, slots=True)
class _Line:
    """One method: a row, or a column of a transposed table."""

    title: str
    groups: tuple[tuple[TableCell, ...], ...]
    tag: str = ""
    notes: tuple[int, ...] = ()
    section: str = ""


def bibtex_of(key: str) -> str:
    """Return a paper's entry of ``references.bib``; empty if there is none."""
    return entries_in(REFERENCES.read_text(encoding="utf-8")).get(key, "")


def paper_table(paper: PaperSpec, spec: TableSpec, runs: Sequence[Leaderboard] = ()) -> Table:
    """Return one transcribed table as the paper prints it.

    Args:
        paper: the paper.
        spec: one of its tables, or a part of one.
        runs: boards whose whole real columns of the same setting are added below a rule.
    """
    notes, facts = Notes(), _facts(paper, spec)
    lines = list(_printed(paper, spec, notes))
    for board in runs:
        measured = list(_measured(paper, spec, board, notes))
        first = not any(line.section for line in lines)
        for line in measured:
            section = MEASURED if first and line is measured[0] else ""
            lines.append(_Line(line.title, line.groups, line.tag, line.notes, section))
        facts.append(("Measured", _basis(spec, board, added=bool(measured))))
    shape = _transposed if spec.transposed else _upright
    groups, rows = shape(spec, lines)
    return Table(
        printable(f"Table {spec.name} of {paper.paper}: {spec.title}"),
        groups,
        rows,
        tuple(notes.texts),
        tuple((printable(label), printable(text)) for label, text in facts),
        stub="Value" if spec.transposed else "Method",
        cite=paper.cite,
    )


def _printed(paper: PaperSpec, spec: TableSpec, notes: Notes) -> Iterator[_Line]:
    for row in table_of(paper, spec).rows:
        cells = iter(row)
        groups = []
        for column in spec.columns.values():
            group = []
            for _ in column.metrics:
                cell = next(cells)
                text = {"~": "", "?": "lost"}.get(cell.printed, cell.printed)
                said = f"{', '.join(cell.flags)}: {cell.note}"
                marks = notes.add(said) if cell.flags else ()
                group.append(TableCell(printable(text), None, marks))
            groups.append(tuple(group))
        origin = row[0].copied_from
        copied = notes.add(f"the same numbers stand in {origin}") if origin else ()
        yield _Line(printable(row[0].row), tuple(groups), "", copied)


def _measured(
    paper: PaperSpec, spec: TableSpec, board: Leaderboard, notes: Notes
) -> Iterator[_Line]:
    protocol = board.info.protocol.partition("/")[0]
    titles = titles_of(board.info)
    for row in board.info.rows:
        groups = tuple(_cells(paper, spec, board, row, heading, notes) for heading in spec.columns)
        if not row.absent and any(cell.text != DASH for group in groups for cell in group):
            other = spec.protocol is not None and protocol.partition("@")[0] != spec.protocol
            said = f"measured under {protocol}, the paper's code follows {spec.protocol}"
            words = [printable(word.partition(":")[0]) for word in row.words]
            used = f"{protocol} ({board.info.protocol_hash}), weights {row.weights[:12]}"
            marks = notes.add(*([said] if other else []), *row.words)
            title = f"{titles[row.name]} {OTHERWISE}" if other else titles[row.name]
            yield _Line(title, groups, ", ".join([*words, used]), marks)


def _cells(
    paper: PaperSpec,
    spec: TableSpec,
    board: Leaderboard,
    row: RowInfo,
    heading: str,
    notes: Notes,
) -> tuple[TableCell, ...]:
    """Return a method's costs, and its means on a whole real set; dashes for anything else."""
    cells = []
    for metric in spec.columns[heading].metrics:
        cost = measured_cost(board, row, paper, spec, (heading, metric))
        if cost is None:
            cells.append(TableCell(_score(spec, board, row, heading, metric)))
        else:
            text, said = cost
            cells.append(TableCell(text, None, notes.add(*filter(None, [said]))))
    return tuple(cells)


def _score(spec: TableSpec, board: Leaderboard, row: RowInfo, heading: str, metric: str) -> str:
    known = {m.name: m for m in board.info.metrics}
    whole = {c.name for c in board.info.columns if not c.words}
    if len(whole) == len(board.info.columns):
        whole.add(AVERAGE)
    task = spec.columns[heading].task
    if board.info.suite != spec.setting or metric not in known or task not in whole:
        return DASH
    value = board.mean(row.name, metric, task)
    return DASH if value is None else format_value(value, known[metric], "paper")


def _basis(spec: TableSpec, board: Leaderboard, *, added: bool) -> str:
    """Say what a run's rows rest on, or why it adds none."""
    info = board.info
    if info.suite != spec.setting and not added:
        return f"nothing: the run is of the suite {info.suite}, the table of {spec.setting}"
    tasks = {column.task for column in spec.columns.values()}
    columns = [column for column in info.columns if column.name in tasks]
    missing = "; ".join(f"{c.title}: {', '.join(c.words)}" for c in columns if c.words)
    if not added:
        return f"nothing: no method was scored on a whole real set of these columns. {missing}"
    sets = [
        f"{c.title}: {c.count} images, data {c.fingerprint[:12]}" for c in columns if not c.words
    ]
    left = f"; left out: {missing}" if missing else ""
    return f"{info.protocol} ({info.protocol_hash}); {'; '.join(sets)}{left}"


def _upright(
    spec: TableSpec, lines: Sequence[_Line]
) -> tuple[tuple[TableGroup, ...], tuple[TableRow, ...]]:
    groups = tuple(
        TableGroup(printable(heading), (), _titles(column), whole=True)
        for heading, column in spec.columns.items()
    )
    rows = (TableRow("", s.title, s.tag, s.groups, s.notes, s.section) for s in lines)
    return groups, tuple(rows)


def _transposed(
    spec: TableSpec, lines: Sequence[_Line]
) -> tuple[tuple[TableGroup, ...], tuple[TableRow, ...]]:
    groups = tuple(
        TableGroup(s.title, (s.tag,) if s.tag else (), ("",), whole=True, notes=s.notes)
        for s in lines
    )
    rows = (
        TableRow("", printable(heading), "", tuple(line.groups[place] for line in lines))
        for place, heading in enumerate(spec.columns)
    )
    return groups, tuple(rows)


def _titles(column: ColumnSpec) -> tuple[str, ...]:
    if len(column.metrics) == 1:  # the heading says it already
        return ("",)
    return tuple(TITLES[metric] for metric in column.metrics)


def _facts(paper: PaperSpec, spec: TableSpec) -> list[Fact]:
    follows = spec.protocol or "not known; no released code computes these numbers"
    facts = [
        ("Paper", paper.reference),
        ("Metrics", paper.stated),
        ("Setting", f"{spec.setting}; protocol of the authors' code: {follows}"),
    ]
    facts += [("Metrics", f"{metric}: {why}") for metric, why in paper.unclear.items()]
    facts += [
        ("Lost", f"{name}: {why}") for name, why in paper.lost.items() if name.split()[0] == spec.id
    ]
    return [*facts, *([("Note", spec.note)] if spec.note else [])]
