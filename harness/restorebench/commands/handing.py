"""What `run --executor`, `plan` and `collect` share: orders handed over, watched and shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from restorebench.board.info import images_of
from restorebench.commands.options import say_failed
from restorebench.console import console
from restorebench.errors import UsageError
from restorebench.progress import shown
from restorebench.scale.cutting import Priced, bundle_seconds, cut, makespan, prices
from restorebench.scale.dispatch import Dispatch, begin, front
from restorebench.store import read_journals

if TYPE_CHECKING:
    from restorebench.catalog import Catalog
    from restorebench.scale.order import Order
    from restorebench.session import Session


def settings_from(given: Iterable[str]) -> Mapping[str, str]:
    """Return the settings that ``--set NAME=VALUE`` options mean.

    Raises:
        UsageError: if one has no equals sign.
    """
    pairs = [text.partition("=") for text in given]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise UsageError(f"--set {name}{equals}{value}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def handed_over(order: Order, session: Session, *, detach: bool) -> int:
    """Hand an order over and, unless detached, see it through; return the exit code so far."""
    with session.opened() as store:
        dispatch = begin(session, store, order)
        count, run = len(dispatch.bundles), session.out
        console().print(Text(f"{_bundles(count)} for {order.executor}: {dispatch.folder}", "dim"))
        if detach or dispatch.executor.outlives:
            console().print(
                Text(f"restorebench status {run} shows them, collect {run} takes over", "dim")
            )
        return 0 if detach else seen_through(dispatch, session)


def seen_through(dispatch: Dispatch, session: Session) -> int:
    """Watch an order until every image has its record; return the exit code."""
    for _ in shown(dispatch.watch(), session.total):
        pass
    dispatch.gather()
    return say_failed(dispatch.complaints)


def show_plan(order: Order, out: Path | None, earlier: Sequence[Path], catalog: Catalog) -> Session:
    """Print what a run would cost; write its bundles if there is a folder for them."""
    session = front(order, out, catalog)
    known = [r for run in (*earlier, session.out) for r in read_journals(run).values()]
    plans, stored = session.plans, set(read_journals(session.out))
    work = list(prices(plans, stored, known))
    overhead = float(catalog.executor(order.executor).overhead)
    seconds = order.bundle_seconds or bundle_seconds(work, order.workers, overhead)
    _print_plan(work, order, seconds)
    bundles = [bundle for cell in work for bundle in cut(cell, plans, seconds)]
    wall = makespan([bundle.seconds for bundle in bundles], order.workers, overhead)
    workers = "one worker" if order.workers == 1 else f"{order.workers} workers"
    console().print(
        f"{_bundles(len(bundles))} of about {_time(seconds)}; {workers}: {_time(wall)}, "
        f"with {overhead:g} s for each bundle ({order.executor})"
    )
    if out is not None:
        by_hand = order.model_copy(update={"executor": "hand", "bundle_seconds": seconds})
        with session.opened() as store:
            folder = begin(session, store, by_hand).folder
        console().print(Text(f"written: {folder}/*.json; restorebench work measures one", "dim"))
    return session


def _print_plan(work: Iterable[Priced], order: Order, seconds: float) -> None:
    table = Table(box=None, header_style="bold")
    for heading in ("Method", "Task"):
        table.add_column(heading)
    for heading in ("Images", "stored", "Time", "Memory", "Bundles"):
        table.add_column(heading, justify="right")
    table.add_column("Time is predicted from")
    total, images = 0.0, 0
    for part in work:
        cell, cost = part.cell, sum(part.seconds)
        total, images = total + cost, images + len(cell.images)
        chosen = len(cell.column.chosen)
        memory = "—" if part.memory is None else f"{part.memory / 2**30:.2f} GiB"
        count = str(min(max(1, round(cost / seconds)), len(cell.images)))
        cells = [cell.row.label, cell.column.task.name, str(chosen)]
        cells += [str(chosen - len(cell.images)), _time(cost), memory, count, part.basis]
        table.add_row(*map(Text, cells))
    screen = console()
    screen.print(table)
    screen.print(f"{images_of(images)} to measure on {order.options.device}: {_time(total)} in all")


def _bundles(count: int) -> str:
    return "1 bundle" if count == 1 else f"{count} bundles"


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    return str(timedelta(seconds=round(seconds)))
