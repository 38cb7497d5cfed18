"""The works that a board rests on, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.references import installed_entries
from restorebench.board.table import Style, printable
from restorebench.catalog import Catalog
from restorebench.store import write_atomically

_KEY = re.compile(r"[A-Za-z0-9:._+-]+")


@dataclass(frozen=True, slots=True)
class Cited:
    """BibTeX keys of a board's methods, by name, and of its data sets, by title of the column."""

    rows: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys, each once."""
        return tuple(dict.fromkeys([*self.rows.values(), *self.columns.values()]))


def cited(board: Leaderboard) -> Cited:
    """Return what a board cites; what is no key, such as a command of LaTeX, is left out."""
    rows = {row.name: row.cite for row in board.info.rows}
    columns = {printable(column.title): column.cite for column in board.info.columns}
    return Cited(_keys_in(rows), _keys_in(columns))


def _keys_in(stated: Mapping[str, str]) -> dict[str, str]:
    return {name: cite for name, cite in stated.items() if _KEY.fullmatch(cite)}


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``references.bib``: methods and data sets of the board; the style plays no part."""
    known = installed_entries(Catalog.installed())
    head = "Made by restorebench: the works that its board rests on."
    entries = [
        known.get(key, f"{key}: no installed package provides this entry.")
        for key in cited(board).keys
    ]
    return write_atomically(folder / "references.bib", "\n\n".join([head, *entries]) + "\n")
