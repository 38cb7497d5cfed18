"""`restorebench profile`: what methods cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import (
    Device,
    Plugins,
    Precision,
    PrecisionChoice,
    importable,
    say_failed,
    say_written,
    weights_of,
)
from restorebench.console import console
from restorebench.errors import UsageError

if TYPE_CHECKING:
    from restorebench.board.table import Table
    from restorebench.catalog import Catalog
    from restorebench.costs.record import CostRecord

FILE = "costs"


def profile(  # noqa: PLR0913 - each parameter is an option
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Repeatable.", show_default="all networks installed"),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="METHOD=FILE; random weights otherwise. Repeatable."),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(help="Height and width of the image. Repeatable.", show_default="224"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 1,
    latency: Annotated[bool, typer.Option("--latency", help="Time them, too.")] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Measure peak memory, too.")] = False,
    device: Device = "cpu",
    precision: PrecisionChoice = Precision.float32,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder, such as a run's, that keeps costs; goes on from there."),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Count parameters and multiply-accumulates (MACs) by three counters; measure time and memory.

    1 MAC = 2 FLOPs. Ends with 3 if something cannot be measured.
    """
    from restorebench.allocator import keep_freed_memory
    from restorebench.board.cost_table import cost_tables
    from restorebench.catalog import Catalog
    from restorebench.costs.complexity import SIDE
    from restorebench.costs.profiling import Profile, measure_costs
    from restorebench.rows import Options, row_of
    from restorebench.terminal import print_table

    catalog = Catalog.installed(plugin or ())
    names = list(dict.fromkeys(method or _networks(catalog)))
    options = Options(
        device=device,
        precision=precision.value,
        weights={m: Path(p) for m, p in weights_of(weights, names, catalog)},
        untrained=True,
    )
    rows = {name: row_of(catalog, name, options) for name in names}
    for row in rows.values():
        if row.absent:
            raise UsageError(f"{row.label}: {row.absent}")
    keep_freed_memory()  # as runs do
    found: dict[str, CostRecord] = {}
    for side in dict.fromkeys(size or [SIDE]):
        profiled = Profile(size=_checked(side), batch=batch, latency=latency, memory=memory)
        found |= {r.key: r for r in measure_costs(rows.values(), profiled, out)}
    tables = list(cost_tables(list(found.values()), rows))
    for table in tables:
        print_table(table, console())
        console().print()
    if out is not None:
        say_written(_written(tables, list(found.values()), out, catalog))
    raise typer.Exit(
        say_failed(f"{r.identity.method}: {r.error}" for r in found.values() if r.error)
    )


def _networks(catalog: Catalog) -> list[str]:
    names = importable(catalog, catalog.names("methods"))
    return [name for name in names if catalog.method(name).info.needs_weights]


def _checked(size: int) -> int:
    from restorebench.method import MIN_SIDE

    if size < MIN_SIDE:
        raise UsageError(f"--size must be at least {MIN_SIDE}, got {size}")
    return size


def _written(
    tables: Sequence[Table], records: Sequence[CostRecord], out: Path, catalog: Catalog
) -> list[Path]:
    from restorebench.costs.record import costs_frame
    from restorebench.store import write_atomically

    files = [write_atomically(out / f"{FILE}.csv", costs_frame(records).to_csv(index=False))]
    for name in catalog.names("table_renderers"):
        render = catalog.renderer(name, "table_renderers")
        files.append(render(tables, out / FILE, title="What methods cost", bibtex=""))
    return files
