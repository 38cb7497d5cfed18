"""Text and tables as LaTeX: nothing in a name is a command, and numbers align at their points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt

from jinja2 import Environment, PackageLoader, StrictUndefined

from restorebench.board.table import Mark, Table, TableCell

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

LONG = 32
"""Letters from which on a cell's text is broken into lines."""
BROKEN_SHARE = 0.8
"""Of the line's width, which all columns of broken text have together."""
_NUMBER = re.compile(r"(?P<number>[-+]?(?P<whole>\d+)(?:\.(?P<decimals>\d+))?)(?P<suffix>\D{0,3})")
_NO_WHOLE = re.compile(r"[-+]?\.\d+\D{0,3}")


@dataclass(frozen=True, slots=True)
class Heading:
    """What several neighbouring columns have in common; columns are counted from 1."""

    title: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Typeset:
    """A table as it is set: the type of each column but the first, and each cell."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    headings: tuple[Heading, ...]
    """Above the groups of columns, from left to right; empty if no group has one."""
    bare: bool
    """Whether each group is one column that its title says all of."""

    @property
    def broken(self) -> bool:
        """Whether there are columns of broken text."""
        return any("p{" in column for column in self.columns)


def environment() -> Environment:
    """Return the templates of this package, with markers that LaTeX does not use."""
    templates = Environment(
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
    templates.filters.update(tex=escape, prose=prose, typeset=typeset, notes=superscript)
    return templates


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


def prose(text: str) -> str:
    r"""Return escaped text that may be broken inside long names, such as paths and protocols."""
    return re.sub(r"(/|\\_|=)", r"\1\\allowbreak{}", escape(text))


def superscript(notes: tuple[int, ...]) -> str:
    """Return the numbers of footnotes, or nothing."""
    return rf"\textsuperscript{{{','.join(map(str, notes))}}}" if notes else ""


def typeset(table: Table) -> Typeset:
    """Return the body of a table in which every number is a number of siunitx.

    A column holds numbers with at least one digit before the point (type S, aligned at the point),
    or numbers without one (r), or short text (c), or text that is broken into lines (p).
    """
    width = sum(len(group.metrics) for group in table.groups)
    columns = [[row.cells[place] for row in table.rows] for place in range(width)]
    longest = [max((len(cell.text) for cell in column), default=0) for column in columns]
    shares = sum(sqrt(length) for length in longest if length > LONG)
    found = []
    for column, length in zip(columns, longest, strict=True):
        if length > LONG:
            share = BROKEN_SHARE * sqrt(length) / shares
            kind = rf">{{\raggedright\arraybackslash}}p{{{share:.3f}\linewidth}}"
            found.append((kind, [prose(c.text) + superscript(c.notes) for c in column]))
        elif any(_NO_WHOLE.fullmatch(cell.text) for cell in column):
            # siunitx would put a zero before the point.
            found.append(("r", [_marked(c, escape(c.text)) for c in column]))
        elif parts := [m for c in column if (m := _NUMBER.fullmatch(c.text))]:
            found.append((_format(parts, column), [_aligned(cell) for cell in column]))
        else:
            found.append(("c", [_marked(c, escape(c.text)) for c in column]))
    bare = all(group.metrics == ("",) and not group.tags for group in table.groups)
    kinds, cells = tuple(kind for kind, _ in found), [cells for _, cells in found]
    return Typeset(kinds, tuple(zip(*cells, strict=True)), _headings(table), bare)


def _headings(table: Table) -> tuple[Heading, ...]:
    found, first = [], 2
    for title, groups in groupby(table.groups, key=lambda group: group.heading):
        width = sum(len(group.metrics) for group in groups)
        found.append(Heading(title, first, first + width - 1))
        first += width
    return tuple(found) if any(heading.title for heading in found) else ()


def _format(numbers: Sequence[re.Match[str]], column: Sequence[TableCell]) -> str:
    """Return the S column that these numbers and the text behind them fit into."""
    sign = "+" if any(m["number"][0] in "+-" for m in numbers) else ""
    whole = max(len(m["whole"]) for m in numbers)
    decimals = max(len(m["decimals"] or "") for m in numbers)
    behind = max((_behind(c) for c in column if _NUMBER.fullmatch(c.text)), key=len)
    room = f",table-space-text-post={{{behind}}}" if behind else ""
    return f"S[table-format={sign}{whole}{f'.{decimals}' if decimals else ''}{room}]"


def _behind(cell: TableCell) -> str:
    match = _NUMBER.fullmatch(cell.text)
    suffix = match["suffix"] if match else ""
    thin = r"\," if suffix.startswith(" ") else ""
    return thin + escape(suffix.strip()) + superscript(cell.notes)


def _aligned(cell: TableCell) -> str:
    match = _NUMBER.fullmatch(cell.text)
    if match is None:
        return f"{{{_marked(cell, escape(cell.text))}}}" if cell.text else "{}"
    number = match["number"]
    # In an S column nothing may stand around a number, so its line is drawn back below it.
    line = rf"\rbsecond{{{number}}}" if cell.mark == "second" else ""
    behind = line + _behind(cell)
    bold = r"\bfseries " if cell.mark == "best" else ""
    return f"{bold}{number}{f'{{{behind}}}' if behind else ''}"


_COMMANDS: dict[Mark | None, str] = {
    "best": r"\textbf{%s}",
    "second": r"\underline{%s}",
    None: "%s",
}


def _marked(cell: TableCell, text: str) -> str:
    return _COMMANDS[cell.mark] % text + superscript(cell.notes)
