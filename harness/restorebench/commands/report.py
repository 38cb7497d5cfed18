"""`restorebench report`: write a run's tables again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorebench.commands.options import Style, TableStyle, say_failed, say_written, show
from restorebench.console import console


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to.", show_default="the run folder")
    ] = None,
    style: Style = TableStyle.plain,
    published: Annotated[
        bool, typer.Option("--published", help="Set what papers print beside what was measured.")
    ] = False,
) -> None:
    """Write the tables of a run again, without measuring anything."""
    from restorebench.board_files import write_board
    from restorebench.catalog import Catalog
    from restorebench.comparison import beside_published
    from restorebench.comparison_table import comparison_table
    from restorebench.leaderboard import Leaderboard
    from restorebench.terminal import print_table

    catalog, board = Catalog.installed(), Leaderboard.load(folder)
    if published:
        board = beside_published(board, catalog)
    written = write_board(board, out or folder, catalog, style.value)
    show(board, style.value)
    if published:
        console().print()
        print_table(comparison_table(board, style.value), console())
    say_written(written.files)
    raise typer.Exit(say_failed(written.failures))
