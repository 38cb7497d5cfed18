"""`restorebench paper`: the transcribed papers' tables again, with measured rows below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import say_written
from restorebench.console import console
from restorebench.errors import NothingSelectedError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from restorebench.board.leaderboard import Leaderboard
    from restorebench_benchmarks.paper_spec import PaperSpec

ALL = "all"


def paper(
    name: Annotated[str | None, typer.Argument(help="A paper, such as hair.")] = None,
    table: Annotated[str, typer.Option(help="Its number in the paper, or all.")] = ALL,
    run: Annotated[
        list[Path] | None,
        typer.Option(help="Run folder whose whole real columns are added below a rule."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write LaTeX, HTML and references.bib to this folder."),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List papers and tables.")] = False,
) -> None:
    """Print a paper's table as the paper does, every value as printed, faults marked."""
    from restorebench_benchmarks.papers import load_papers

    papers = load_papers()
    if show_list:
        _list(papers)
        return
    if name is None:
        raise UsageError("name a paper, such as: restorebench paper hair --table 1; or --list")
    if name not in papers:
        raise UnknownNameError("paper", name, papers)
    found = papers[name]
    numbers = _numbers(found, table)
    boards = _boards(run or [])
    for number in numbers:
        _regenerate(found, number, boards, out)
    if out is not None:
        say_written([_bibliography(out)])


def _boards(runs: Sequence[Path]) -> list[Leaderboard]:
    from restorebench.board.leaderboard import Leaderboard

    return [Leaderboard.load(folder) for folder in runs]


def _numbers(paper: PaperSpec, wanted: str) -> list[str]:
    numbers = list(dict.fromkeys(table.id for table in paper.tables))
    if wanted == ALL:
        return numbers
    if wanted in numbers:
        return [wanted]
    if wanted in paper.lost:
        raise NothingSelectedError(f"table {wanted} of {paper.paper}: {paper.lost[wanted]}")
    raise UnknownNameError(f"table of {paper.paper}", wanted, [*numbers, ALL])


def _regenerate(
    paper: PaperSpec, number: str, boards: Sequence[Leaderboard], out: Path | None
) -> None:
    from rich.text import Text

    from restorebench.catalog import Catalog
    from restorebench.terminal import print_table
    from restorebench_benchmarks.paper_table import bibtex_of, paper_table

    tables = [paper_table(paper, table, boards) for table in paper.tables if table.id == number]
    bibtex = bibtex_of(paper.cite)
    for table in tables:
        print_table(table, console())
        console().print()
    console().print(Text(bibtex, "dim"))
    if out is not None:
        title, file = f"{paper.title}, table {number}", out / f"{paper.paper}_{number}"
        catalog = Catalog.installed()
        renderers = [
            catalog.renderer(name, "table_renderers") for name in catalog.names("table_renderers")
        ]
        say_written([render(tables, file, title=title, bibtex=bibtex) for render in renderers])


def _bibliography(out: Path) -> Path:
    from restorebench.store import write_atomically
    from restorebench_benchmarks import REFERENCES

    return write_atomically(out / "references.bib", REFERENCES.read_text(encoding="utf-8"))


def _list(papers: Mapping[str, PaperSpec]) -> None:
    from rich.table import Table
    from rich.text import Text

    listing = Table(box=None, header_style="bold")
    for heading in ("paper", "table", "shows", "setting"):
        listing.add_column(heading, overflow="fold")
    for paper in papers.values():
        for table in paper.tables:
            cells = (paper.paper, table.name, table.title, table.setting)
            listing.add_row(*map(Text, cells))
        for name, why in paper.lost.items():
            listing.add_row(*map(Text, (paper.paper, name, f"lost: {why}", "")))
    console().print(listing)
