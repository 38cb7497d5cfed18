"""`restorebench verify`: compare a run folder with itself and with new measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorebench.commands.options import INCOMPLETE, DataRoot, Plugins, weights_of
from restorebench.console import console

SAYS = {True: ("agrees", "green"), False: ("DIFFERS", "bold red"), None: ("changed", "yellow")}


def verify(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    sample: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many stored records of each table to measure again.",
            show_default="5, or all that are named by --method, --task and --image",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses which records.")] = 0,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Measure records of this method only. Repeatable."),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Measure records of this task only. Repeatable.")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(help="Measure this image only, by its name in records.csv. Repeatable."),
    ] = None,
    data_root: DataRoot = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="METHOD=FILE, if it has moved. Repeatable.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Tell whether a run's records, tables, weights and data agree; exit code 3 if they do not."""
    from rich.text import Text

    from restorebench.catalog import Catalog
    from restorebench.inert import printable
    from restorebench.verify import Asked, verify

    catalog = Catalog.installed(plugin or ())
    asked = Asked(
        folder=folder,
        sample=sample,
        seed=seed,
        methods=tuple(method or ()),
        tasks=tuple(task or ()),
        images=tuple(image or ()),
        data_root=data_root,
        weights={m: Path(p) for m, p in weights_of(weights, [], catalog)},
    )
    differing = 0
    for check in verify(asked, catalog):
        word, style = SAYS[check.agrees]
        line = Text.assemble((word, style), f"  {printable(check.what)}: {printable(check.detail)}")
        console().print(line)
        differing += check.agrees is False
    raise typer.Exit(INCOMPLETE if differing else 0)
