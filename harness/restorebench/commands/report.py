"""`restorebench report`: write a run's tables again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorebench.commands.options import Style, TableStyle, say_failed, say_written, show


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to.", show_default="the run folder")
    ] = None,
    style: Style = TableStyle.plain,
) -> None:
    """Write the tables of a run again, without measuring anything."""
    from restorebench.board_files import write_board
    from restorebench.catalog import Catalog
    from restorebench.leaderboard import Leaderboard

    board = Leaderboard.load(folder)
    written = write_board(board, out or folder, Catalog.installed(), style.value)
    show(board, style.value)
    say_written(written.files)
    raise typer.Exit(say_failed(written.failures))
