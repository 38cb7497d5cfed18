"""A board as a GitHub-flavoured Markdown table, one column for each task as in papers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from restorebench.board.comparison_table import comparison_table
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style, Table, TableCell, TableGroup, TableRow, table_of
from restorebench.store import write_atomically

# GitHub removes <u>, and draws <ins> the same.
MARKS = {"best": "**{}**", "second": "<ins>{}</ins>", None: "{}"}


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.md``."""
    text = markdown(table_of(board, style))
    if board.printed:
        text += "\n" + markdown(comparison_table(board, style), heading="##")
    return write_atomically(folder / "leaderboard.md", text)


def render_tables(tables: Sequence[Table], file: Path, *, title: str, bibtex: str) -> Path:
    """Write tables as one file beside ``file``, with the entry of the paper they are from."""
    parts = [f"# {escape(title)}\n", *(markdown(table, heading="##") for table in tables)]
    parts += [f"```bibtex\n{bibtex.strip()}\n```\n"] if bibtex else []
    return write_atomically(file.with_name(f"{file.name}.md"), "\n".join(parts))


def markdown(table: Table, heading: str = "#") -> str:
    """Return a table with its footnotes and provenance."""
    notes = [f"<sup>{number}</sup> {escape(note)}" for number, note in enumerate(table.notes, 1)]
    facts = [f"- **{escape(label)}**: {escape(text)}" for label, text in table.provenance]
    lines = [
        f"{heading} {escape(table.title)}",
        "",
        _line([table.stub, *map(_head, table.groups)]),
        _line([":---", *["---:"] * len(table.groups)]),
        *(line for row in table.rows for line in _rows(row)),
        "",
        escape(table.legend("Bold", "underlined")),
        "",
        "<br>\n".join(notes),
        "",
        *facts,
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def escape(text: str) -> str:
    r"""Return text in which nothing is Markdown or HTML.

    >>> print(escape("<b>|a_b*"))
    &lt;b&gt;\|a\_b\*
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", text)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _head(group: TableGroup) -> str:
    metrics = " / ".join(map(escape, group.metrics))
    title = f"{escape(group.title)}{_notes(group.notes)}"
    return "<br>".join([title, *map(escape, group.tags), metrics])


def _rows(row: TableRow) -> Iterator[str]:
    """Yield a row, below the heading of its section if it begins one."""
    if row.section:
        yield _line([f"**{escape(row.section)}**", *[""] * len(row.groups)])
    title = f"{escape(row.title)}{_notes(row.notes)}"
    name = "<br>".join(filter(None, [title, escape(row.tag)]))
    yield _line([name, *(" / ".join(map(_cell, cells)) for cells in row.groups)])


def _cell(cell: TableCell) -> str:
    return MARKS[cell.mark].format(escape(cell.text)) + _notes(cell.notes)


def _notes(notes: tuple[int, ...]) -> str:
    return f"<sup>{','.join(map(str, notes))}</sup>" if notes else ""
