"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from restorebench.record import Record

LINE_EVERY_SECONDS = 10.0


def shown(records: Iterable[Record], total: int) -> Iterator[Record]:
    """Pass records on, and show on standard error how far the run is."""
    console = Console(file=sys.stderr)
    return _bar(records, total, console) if console.is_terminal else _lines(records, total)


def _bar(records: Iterable[Record], total: int, console: Console) -> Iterator[Record]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        for record in records:
            progress.update(task, advance=1, description=_where(record))
            yield record


def _lines(records: Iterable[Record], total: int) -> Iterator[Record]:
    cell, last = "", 0.0
    for done, record in enumerate(records, 1):
        now = time.monotonic()
        if _where(record) != cell or now - last > LINE_EVERY_SECONDS or done == total:
            cell, last = _where(record), now
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {done}/{total} {cell}\n")
        yield record


def _where(record: Record) -> str:
    return f"{record.identity.method} on {record.identity.task}"
