"""`restorebench list` and `restorebench info`: what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import Plugins, importable
from restorebench.console import console, fail

if TYPE_CHECKING:
    from restorebench.catalog import Catalog


def list_(
    what: Annotated[
        str, typer.Argument(help="methods, suites, tasks, datasets, mixes, protocols, ...")
    ] = "methods",
    plugin: Plugins = None,
) -> None:
    """List what is installed."""
    from rich.table import Table
    from rich.text import Text

    from restorebench.catalog import GROUPS, Catalog
    from restorebench.errors import UnknownNameError

    if what not in GROUPS:
        raise UnknownNameError("group", what, GROUPS)
    catalog = Catalog.installed(plugin or ())
    table = Table(box=None, header_style="bold")
    headings, rows = _listing(catalog, what)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table)
    for line in catalog.broken([what]):
        fail(line)


def info(
    name: Annotated[str, typer.Argument(help="A method, suite, task, data set, mix or protocol.")],
    plugin: Plugins = None,
) -> None:
    """Say what is known about a name."""
    from restorebench.catalog import Catalog
    from restorebench.describe import describe

    for key, value in describe(Catalog.installed(plugin or ()), name):
        console().print(f"[bold]{key:<16}[/bold] ", end="")
        console().print(value, markup=False, highlight=False)


def _listing(catalog: Catalog, what: str) -> tuple[list[str], list[list[str]]]:
    from restorebench.catalog import GROUPS

    if what == "methods":
        cards = [(n, catalog.method(n).info) for n in importable(catalog, catalog.names("methods"))]
        needed = {True: "yes", False: "no"}
        own = {name: ", ".join(catalog.shipped_weights(name)) for name, _ in cards}
        rows = [[n, c.title, c.status, needed[c.needs_weights], own[n]] for n, c in cards]
        return ["method", "title", "status", "needs weights", "comes with"], rows
    if what == "suites":
        suites = [catalog.suite(n) for n in catalog.names("suites")]
        rows = [[s.name, s.title, ", ".join(t.name for t in s.tasks), s.average] for s in suites]
        return ["suite", "title", "tasks", "average"], rows
    if what == "protocols":
        protocols = [catalog.protocol(name).spec for name in catalog.names("protocols")]
        rows = [[p.name, p.title, ", ".join(p.metrics.values()), p.noise] for p in protocols]
        return ["protocol", "title", "metrics", "noise"], rows
    if what == "metrics":
        metrics = [(name, catalog.metric(name)) for name in catalog.names("metrics")]
        rows = [[n, m.title, "up" if m.higher_is_better else "down"] for n, m in metrics]
        return ["metric", "title", "better"], rows
    if what == "noise":
        schemes = [catalog.noise(name) for name in catalog.names("noise")]
        return ["noise", "title"], [[s.name, s.title] for s in schemes]
    if what == "mixes":
        mixes = [catalog.mix_spec(name) for name in catalog.names("mixes")]
        steps = [" + ".join(step.name for step in catalog.mix(m.name)) for m in mixes]
        rows = [[m.name, m.title, s] for m, s in zip(mixes, steps, strict=True)]
        return ["mix", "title", "degradations in order"], rows
    return [GROUPS[what]], [[name] for name in catalog.names(what)]
