"""A board as JSON, whose schema is published beside this module."""

from __future__ import annotations

from pathlib import Path

from restorebench.board.document import leaderboard_document, text_of
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style
from restorebench.store import write_atomically


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.json`` with full precision; the style plays no part."""
    return write_atomically(folder / "leaderboard.json", text_of(leaderboard_document(board)))
