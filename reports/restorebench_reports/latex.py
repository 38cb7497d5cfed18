"""A board as LaTeX: booktabs, best bold, second underlined, ready to compile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from restorebench.comparison_table import comparison_table
from restorebench.leaderboard import Leaderboard
from restorebench.store import write_atomically
from restorebench.table import Style, Table, TableCell, table_of

COMMANDS = {"best": r"\textbf{%s}", "second": r"\underline{%s}", None: "%s"}
ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    # After the \\ of a row, a bracket would be its length and a star its variant.
    "[": "{[}",
    "*": "{*}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "’": "'",
    "∞": r"$\infty$",
    "−": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "≈": r"$\approx$",
    "≠": r"$\neq$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "✓": r"$\checkmark$",
}
ABSENT_FROM_T1 = frozenset("ĦħĸĿŀŉŦŧſ")


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.tex``, a document of one table; its middle can be pasted into a paper."""
    table, comparison = table_of(board, style), None
    if board.printed:
        comparison = comparison_table(board, style)
    template = _environment().get_template("leaderboard.tex.jinja")
    text = template.render(table=table, comparison=comparison)
    return write_atomically(folder / "leaderboard.tex", text)


def render_tables(tables: Sequence[Table], file: Path, *, title: str, bibtex: str) -> Path:
    """Write tables as one document beside ``file``, which cites ``references.bib`` there.

    Captions hold the title already, and the entry stands in that file.
    """
    text = _environment().get_template("tables.tex.jinja").render(tables=tables)
    return write_atomically(file.with_name(f"{file.name}.tex"), text)


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
        autoescape=False,  # `escape` below is LaTeX's; jinja's own is HTML's
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(tex=escape, prose=_prose, cell=_cell, notes=_notes)
    return environment


def escape(text: str) -> str:
    r"""Return text that LaTeX prints as it stands; letters it has no glyph for become U+XXXX.

    >>> print(escape("50% of bsd68_s25, σ=25, with --limit 5"))
    50\% of bsd68\_s25, $\sigma$=25, with -{}-limit 5
    """
    # Two of these in a row would be drawn as one: a dash, a quotation mark.
    return re.sub(r"([-,'])(?=\1)", r"\1{}", "".join(map(_letter, text)))


def _letter(letter: str) -> str:
    if letter in ESCAPES:
        return ESCAPES[letter]
    known = " " <= letter <= "~" or ("¡" <= letter <= "ž" and letter not in ABSENT_FROM_T1)
    return letter if known and letter.isprintable() else f"U+{ord(letter):04X}"


def _prose(text: str) -> str:
    r"""Return escaped text that may be broken inside long names, such as paths and protocols."""
    return re.sub(r"(/|\\_|=)", r"\1\\allowbreak{}", escape(text))


def _cell(cell: TableCell) -> str:
    return COMMANDS[cell.mark] % escape(cell.text) + _notes(cell.notes)


def _notes(notes: tuple[int, ...]) -> str:
    return rf"\textsuperscript{{{','.join(map(str, notes))}}}" if notes else ""
