"""Tables as notebooks show them: HTML without scripts, whose texts cannot be code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from restorebench.board.table import Mark, Table, TableCell, TableRow

MARKS: dict[Mark | None, str] = {
    "best": "<strong>{}</strong>",
    "second": "<u>{}</u>",
    None: "{}",
}


def html_of(tables: Sequence[Table]) -> str:
    """Return tables with their footnotes; what they rest on can be opened below each."""
    return "".join(line for table in tables for line in _table(table))


def _table(table: Table) -> Iterator[str]:
    yield f"<table><caption>{escape(table.title)}</caption><thead>"
    yield f'<tr><th rowspan="2">{escape(table.stub)}</th>'
    for group in table.groups:
        lines = "<br>".join(map(escape, (group.title, *group.tags)))
        yield f'<th colspan="{len(group.metrics)}">{lines}{_notes(group.notes)}</th>'
    yield "</tr><tr>"
    for group in table.groups:
        yield from (f"<th>{escape(metric)}</th>" for metric in group.metrics)
    yield "</tr></thead><tbody>"
    width = 1 + sum(len(group.metrics) for group in table.groups)
    for row in table.rows:
        yield from _row(row, width)
    yield "</tbody></table>"
    if legend := table.legend("Bold", "underlined"):
        yield f"<p>{escape(legend)}</p>"
    for number, note in enumerate(table.notes, 1):
        yield f"<div><sup>{number}</sup> {escape(note)}</div>"
    if table.provenance:
        facts = (f"<li>{escape(k)}: {escape(text)}</li>" for k, text in table.provenance)
        yield f"<details><summary>Provenance</summary><ul>{''.join(facts)}</ul></details>"


def _row(row: TableRow, width: int) -> Iterator[str]:
    if row.section:
        yield f'<tr><th colspan="{width}">{escape(row.section)}</th></tr>'
    tag = f"<br><small>{escape(row.tag)}</small>" if row.tag else ""
    yield f"<tr><th>{escape(row.title)}{_notes(row.notes)}{tag}</th>"
    yield from (f"<td>{_cell(cell)}</td>" for cell in row.cells)
    yield "</tr>"


def _cell(cell: TableCell) -> str:
    return MARKS[cell.mark].format(escape(cell.text)) + _notes(cell.notes)


def _notes(notes: tuple[int, ...]) -> str:
    return f"<sup>{','.join(map(str, notes))}</sup>" if notes else ""
