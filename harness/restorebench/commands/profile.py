"""`restorebench profile`: what networks cost."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import INCOMPLETE, Plugins, say_written
from restorebench.console import console, fail
from restorebench.errors import CellError, UsageError

if TYPE_CHECKING:
    from restorebench.complexity import Complexity


def profile(
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Repeatable.", show_default="all networks installed"),
    ] = None,
    size: Annotated[int, typer.Option(help="Height and width of the image.")] = 224,
    out: Annotated[Path | None, typer.Option(help="Write the counts as JSON, too.")] = None,
    plugin: Plugins = None,
) -> None:
    """Count parameters and multiply-accumulates (MACs) by three counters; 1 MAC = 2 FLOPs.

    Ends with 3 if a network cannot be counted.
    """
    from restorebench.catalog import Catalog
    from restorebench.complexity import complexity
    from restorebench.method import MIN_SIDE

    if size < MIN_SIDE:
        raise UsageError(f"--size must be at least {MIN_SIDE}, got {size}")
    catalog = Catalog.installed(plugin or ())
    names = method or catalog.names("methods")
    classes = [(name, catalog.method(name)) for name in names]
    found: dict[str, Complexity] = {}
    failed = False
    for name, cls in classes:
        if method or cls.info.needs_weights:
            try:
                found[name] = complexity(cls(), size)
            except CellError as error:
                fail(str(error))
                failed = True
    _show(found, {name: cls.info.title for name, cls in classes}, size)
    if out is not None:
        from restorebench.store import write_atomically

        content = {name: asdict(counted) for name, counted in found.items()}
        write_atomically(out, json.dumps(content, indent=1) + "\n")
        say_written([out])
    raise typer.Exit(INCOMPLETE if failed else 0)


def _show(found: dict[str, Complexity], titles: dict[str, str], size: int) -> None:
    from rich.table import Table
    from rich.text import Text

    from restorebench.complexity import DISAGREEMENT

    counters = list(dict.fromkeys(counter for c in found.values() for counter in c.macs))
    table = Table(box=None, header_style="bold")
    table.add_column("Network")
    for heading in ("Parameters (M)", "of these unused", *(f"GMACs, {c}" for c in counters)):
        table.add_column(heading, justify="right")
    table.add_column("")
    for name, counted in found.items():
        macs = [f"{counted.macs[c] / 1e9:.2f}" if c in counted.macs else "—" for c in counters]
        apart = counted.disagreement > DISAGREEMENT
        unused = f"{counted.unused_count / 1e6:.3f}" if counted.unused_count else "none"
        mark = f"counters disagree by {counted.disagreement:.0%}" if apart else ""
        cells = [titles[name], f"{counted.parameters / 1e6:.3f}", unused, *macs, mark]
        table.add_row(*map(Text, cells))
    screen = console()
    screen.print(f"One image of {size}x{size}; 1 MAC = 2 FLOPs")
    screen.print(table)
    uncounted = sorted({operator for c in found.values() for operator in c.uncounted})
    if uncounted:
        screen.print(Text(f"Not counted by fvcore: {', '.join(uncounted)}", "dim"))
