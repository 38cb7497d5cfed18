"""`restorebench compare`: one method against another, image by image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import INCOMPLETE, say_written
from restorebench.console import console
from restorebench.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from restorebench.board.merging import RunBoard


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN_A [RUN_B]", help="One or two run folders.")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="Row of RUN_A, then row of RUN_B; one name for both.",
            show_default="the only rows there are",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write Markdown, LaTeX, HTML and JSON files so called."),
    ] = None,
) -> None:
    """Compare two methods of one run, or of two: differences, intervals, p values, wins, images.

    Runs of another protocol are refused; tasks scored on other images are left out and named, and
    the command then ends with 3.
    """
    from restorebench.board.document import comparison_document, text_of
    from restorebench.board.leaderboard import Leaderboard
    from restorebench.board.merging import RunBoard, run_names, versus
    from restorebench.board.paired_table import comparison_tables
    from restorebench.catalog import Catalog
    from restorebench.store import write_atomically
    from restorebench.terminal import print_table

    if len(runs) > 2:
        raise UsageError(f"compare takes one run or two, not {len(runs)}")
    labels = run_names([run.resolve() for run in runs])
    boards = [RunBoard(n, Leaderboard.load(run)) for n, run in zip(labels, runs, strict=True)]
    a, b = _rows(boards, method or [])
    comparison, apart = versus((boards[0], a), (boards[-1], b))
    tables = comparison_tables(comparison, apart)
    for table in tables:
        print_table(table, console())
        console().print()
    if out is not None:
        catalog, group = Catalog.installed(), "table_renderers"
        renderers = [catalog.renderer(name, group) for name in catalog.names(group)]
        title = tables[0].title
        files = [render(tables, out, title=title, bibtex="") for render in renderers]
        text = text_of(comparison_document(comparison, apart))
        say_written([*files, write_atomically(out.with_name(f"{out.name}.json"), text)])
    lacking = comparison.frame[comparison.frame["reason"] != ""]
    raise typer.Exit(INCOMPLETE if apart or len(lacking) else 0)


def _rows(boards: Sequence[RunBoard], methods: Sequence[str]) -> tuple[str, str]:
    """Return the rows that are meant, of the first board and of the last.

    Raises:
        UsageError: if that is not clear.
    """
    rows = [[row.name for row in each.board.info.rows] for each in boards]
    if not methods and len(boards) == 1 and len(rows[0]) == 2:
        methods = rows[0]
    elif not methods and len(boards) == 2 and len(rows[0]) == len(rows[1]) == 1:
        methods = [rows[0][0], rows[1][0]]
    elif len(methods) == 1 and len(boards) == 2:
        methods = [*methods, *methods]
    if len(methods) != 2:
        known = "; ".join(f"{b.run} has {', '.join(r)}" for b, r in zip(boards, rows, strict=True))
        raise UsageError(f"name the two methods to compare, with -m: {known}")
    for name, of_board, each in zip(
        methods, (rows[0], rows[-1]), (boards[0], boards[-1]), strict=True
    ):
        if name not in of_board:
            raise UnknownNameError(f"row of {each.run}", name, of_board)
    return methods[0], methods[1]
