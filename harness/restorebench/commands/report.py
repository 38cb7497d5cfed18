"""`restorebench report`: write a run's tables again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorebench.commands.options import Style, TableStyle, say_failed, say_written, show
from restorebench.console import console
from restorebench.errors import UsageError


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to.", show_default="the run folder, if it is one"),
    ] = None,
    style: Style = TableStyle.plain,
    published: Annotated[
        bool, typer.Option("--published", help="Set what papers print beside what was measured.")
    ] = False,
    anonymously: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="Leave out host, user, folders, commit and the names of runs: for double-blind "
            "review.",
        ),
    ] = False,
) -> None:
    """Write the tables of runs again, without measuring anything.

    Methods of several runs share a table where protocol, suite and images are the same. What is
    kept apart has a table of its own, in a folder within.
    """
    from rich.text import Text

    from restorebench.board.anonymous import anonymous
    from restorebench.board.comparison import beside_published
    from restorebench.board.comparison_table import comparison_table
    from restorebench.board.files import write_board
    from restorebench.board.folders import folder_names
    from restorebench.board.merging import kept_apart, load_boards, merged
    from restorebench.catalog import Catalog
    from restorebench.inert import printable
    from restorebench.terminal import print_table

    if len(runs) > 1 and out is None:
        raise UsageError("say where the tables of several runs go, with -o FOLDER")
    loaded = load_boards(runs)
    boards = merged(anonymous(loaded) if anonymously else loaded)
    catalog, failures = Catalog.installed(), list[str]()
    for board, name in zip(boards, folder_names(boards), strict=True):
        if published:
            board = beside_published(board, catalog)
        written = write_board(board, (out or runs[0]) / name, catalog, style.value)
        show(board, style.value)
        if published:
            console().print()
            print_table(comparison_table(board, style.value), console())
        if board is not boards[0] and (reason := kept_apart(boards[0].info, board.info)):
            console().print(Text(printable(f"kept apart: {reason}"), "yellow"))
        say_written(written.files)
        failures += written.failures
    raise typer.Exit(say_failed(failures))
