"""A board as LaTeX: booktabs, best bold, second underlined, ready to compile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from restorebench.board.comparison_table import comparison_table
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style, Table, table_of
from restorebench.store import write_atomically
from restorebench_reports.bibtex import Cited, cited
from restorebench_reports.efficiency import efficiency_table
from restorebench_reports.significance import significance_tables
from restorebench_reports.tex import environment


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.tex``, a document of the board's tables; each can be pasted alone."""
    tables = [table_of(board, style)]
    if board.printed:
        tables.append(comparison_table(board, style))
    tables += filter(None, [efficiency_table(board, style)])
    tables += significance_tables(board)
    return _write(folder / "leaderboard.tex", tables, cited(board))


def render_tables(tables: Sequence[Table], file: Path, *, title: str, bibtex: str) -> Path:
    """Write tables as one document beside ``file``, which cites ``references.bib`` there.

    Captions hold the title already, and the entry stands in that file.
    """
    return _write(file.with_name(f"{file.name}.tex"), tables, Cited())


def _write(path: Path, tables: Sequence[Table], cites: Cited) -> Path:
    """Write tables as a document, the first of which cites methods and data sets."""
    template = environment().get_template("document.tex.jinja")
    return write_atomically(path, template.render(tables=tables, cites=cites, nothing=Cited()))
