"""`restorebench plan`, `work`, `status` and `collect`: runs on many processes and machines."""

from __future__ import annotations

import json
import time
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restorebench.commands.options import INCOMPLETE, Style, TableStyle
from restorebench.commands.run import finish, run
from restorebench.console import console, fail

if TYPE_CHECKING:
    from restorebench.scale.status import Status

RunFolder = Annotated[Path, typer.Argument(help="Run folder.", show_default=False)]
EVERY_SECONDS = 5.0


@wraps(run, assigned=["__annotations__"])  # whatever can be run can be planned
def plan(**options: Any) -> None:
    """Say what a run would cost, cell by cell, and how it would be cut into bundles.

    Takes the options of `run`. With --out, the bundles are written into that run folder.
    """
    run(**{**options, "only_plan": True})


def work(
    bundle: Annotated[list[Path], typer.Argument(help="Files of bundles.", show_default=False)],
) -> None:
    """Measure bundles of a run, one after another; ends with 3 if one could not be measured."""
    from restorebench.scale.work import perform

    given = (
        (path, perform(path.resolve()) if path.is_file() else "no such file") for path in bundle
    )
    failed = [f"{path}: {reason}" for path, reason in given if reason]
    for line in failed:
        fail(line)
    raise typer.Exit(INCOMPLETE if failed else 0)


def status(
    run_folder: RunFolder,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until it is over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say how far the bundles of a run are, whoever measures them."""
    from restorebench.scale.order import newest_order
    from restorebench.scale.status import Watcher

    watcher = Watcher(newest_order(run_folder.resolve()))
    while True:
        found = watcher.status()
        if as_json:
            typer.echo(json.dumps(found.as_json()))
        else:
            _show(found, run_folder)
        if found.over or not watch:
            return
        time.sleep(EVERY_SECONDS)


def collect(
    run_folder: RunFolder,
    wait: Annotated[
        bool, typer.Option(help="Wait for what is under way, and try again what got lost.")
    ] = True,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End what is under way; take what is there.")
    ] = False,
    style: Style = TableStyle.plain,
) -> None:
    """Take over a run whose command has ended: see its bundles through, and write the tables."""
    from restorebench.commands.handing import seen_through
    from restorebench.scale.dispatch import Dispatch, resumed
    from restorebench.scale.order import newest_order

    order, session = resumed(run_folder)
    with session.opened() as store:
        dispatch = Dispatch(session, store, newest_order(session.out))
        code = 0
        if wait and not cancel:
            code = seen_through(dispatch, session)
        else:
            if cancel:
                dispatch.executor.cancel()
            dispatch.gather()
    code = max(code, INCOMPLETE if session.missing else 0)
    raise typer.Exit(max(code, finish(session, style, demanded=order.demanded)))


def _show(found: Status, run_folder: Path) -> None:
    screen, left = console(), found.seconds_left
    pace = "no estimate yet" if left is None else f"about {left:.0f} s left"
    screen.print(
        f"{time.strftime('%H:%M:%S')} {found.executor}: {found.measured} of {found.images} images, "
        f"{found.failed} failed; {found.ended} of {found.bundles} bundles ended, "
        f"{found.begun - found.ended} begun; {'over' if found.over else pace}",
        highlight=False,
        markup=False,
    )
    for one in found.working:
        screen.print(
            f"  {one.worker}  bundle {one.bundle}: {one.method} on {one.task}, "
            f"{one.done} of {one.images}, silent for {one.silent_seconds:.0f} s",
            highlight=False,
            markup=False,
        )
    if not found.attended and not found.over:
        screen.print(
            f"  no command looks after it: restorebench collect {run_folder}", markup=False
        )
