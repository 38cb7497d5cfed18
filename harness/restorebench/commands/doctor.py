"""`restorebench doctor`: what is on this machine."""

from __future__ import annotations

import typer

from restorebench.commands.options import INCOMPLETE, DataRoot, Plugins
from restorebench.console import console, fail


def doctor(data_root: DataRoot = None, plugin: Plugins = None) -> None:
    """Say what is installed, which data sets are there and whether they are the known ones.

    Ends with 3 if a set is damaged or another than its name says.
    """
    from rich.table import Table
    from rich.text import Text

    from restorebench.board.table import printable
    from restorebench.catalog import Catalog
    from restorebench.doctor import check_datasets, check_machine

    screen = console()
    for key, value in check_machine():
        screen.print(Text.assemble((f"{key:<16} ", "bold"), value))
    table = Table(box=None, header_style="bold")
    for heading in ("task", "images", "fingerprint", "verdict"):
        table.add_column(heading, overflow="fold")
    catalog = Catalog.installed(plugin or ())
    for line in catalog.broken():
        fail(line)
    checks = check_datasets(catalog, data_root)
    for check in checks:
        cells = (check.task, check.images, check.fingerprint, printable(check.verdict))
        table.add_row(*map(Text, cells))
    screen.print(table)
    tasks: dict[str, list[str]] = {}
    for check in checks:
        tasks.setdefault(check.advice, []).append(check.task)
    for advice, names in tasks.items():
        if advice:
            screen.print(Text(printable(f"{', '.join(names)}: {advice}"), "dim"))
    raise typer.Exit(INCOMPLETE if any(check.wrong for check in checks) else 0)
