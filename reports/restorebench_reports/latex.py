"""A board as LaTeX: booktabs, best bold, second underlined, ready to compile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from restorebench.comparison_table import comparison_table
from restorebench.leaderboard import Leaderboard
from restorebench.store import write_atomically
from restorebench.table import Style, Table, table_of
from restorebench_reports.tex import escape, prose, superscript, typeset


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.tex``, a document of the board's tables; each can be pasted alone."""
    tables = [table_of(board, style)]
    if board.printed:
        tables.append(comparison_table(board, style))
    return _write(folder / "leaderboard.tex", tables)


def render_tables(tables: Sequence[Table], file: Path, *, title: str, bibtex: str) -> Path:
    """Write tables as one document beside ``file``, which cites ``references.bib`` there.

    Captions hold the title already, and the entry stands in that file.
    """
    return _write(file.with_name(f"{file.name}.tex"), tables)


def _write(path: Path, tables: Sequence[Table]) -> Path:
    cited = any(table.cite for table in tables)
    template = _environment().get_template("document.tex.jinja")
    return write_atomically(path, template.render(tables=tables, cited=cited))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("restorebench_reports"),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # `escape` is LaTeX's; jinja's own is HTML's
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(tex=escape, prose=prose, typeset=typeset, notes=superscript)
    return environment
