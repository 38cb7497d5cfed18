"""What a worker does: measure one bundle, with its network kept for the next one."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Sequence
from contextlib import chdir, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from restorebench.allocator import keep_freed_memory
from restorebench.catalog import Catalog
from restorebench.costs.profiling import Profile, measure_costs
from restorebench.errors import BenchError, RestoreError, StoreError
from restorebench.pictures import Pictures, keep_nothing
from restorebench.plan import Plan
from restorebench.planning import make_plans
from restorebench.provenance import describe_session
from restorebench.record import Identity
from restorebench.runner import measure
from restorebench.scale.order import ATTEMPT, ORDER, Attempt, Bundle, Order, read_file
from restorebench.scale.signals import ending_at_once
from restorebench.store import Journal


def perform(path: Path) -> str:
    """Measure the bundle that a file describes, and say why not all of it could be measured.

    Returns:
        One line, or nothing if every image has its record; an image that failed has one, too.
    """
    try:
        with ending_at_once():
            _attempt(path)
    except BenchError as error:
        return str(error)
    except Exception as error:  # whatever it is, the other bundles go on
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def _attempt(path: Path) -> None:
    """Measure a bundle, and write beside it who does and how that ends.

    Raises:
        StoreError: if this worker would measure something else than was planned.
        OutputFolderError: if the run folder cannot be written.
        BenchError: if data, weights or the device are not here.
    """
    bundle, order = read_file(Bundle, path), read_file(Order, path.parent / ORDER)
    run = path.parents[2]
    earlier = (run / "journal").glob(f"{order.session}.{bundle.name}.*.jsonl")
    number = max((int(journal.stem.rpartition(".")[2]) for journal in earlier), default=0) + 1
    report = path.with_name(f"{bundle.name}.{number}{ATTEMPT}")
    host, begun = platform.node(), time.time()
    attempt = Attempt(worker=f"{host}:{os.getpid()}", described={"host": host}, begun=begun)
    with Journal(run, f"{order.session}.{report.stem}") as journal:
        attempt.save(report)
        try:
            with chdir(order.here):
                plans = _plans(path.parent / ORDER, None if bundle.costs else bundle.method)
                described = _described(journal.session, begun, plans)
                attempt = attempt.model_copy(update={"described": described})
                attempt.save(report)
                if bundle.costs:
                    _measure_costs(bundle, plans, journal)
                else:
                    _measure_images(order, bundle, plans, journal)
        except BaseException as error:
            lines = str(error).splitlines() or [type(error).__name__]
            reason = lines[0] if isinstance(error, Exception) else "interrupted"
            attempt = attempt.model_copy(update={"error": reason})
            raise
        finally:
            with suppress(BenchError):  # on a full disk the executor is told all the same
                attempt.model_copy(update={"ended": time.time()}).save(report)


def _measure_images(order: Order, bundle: Bundle, plans: Sequence[Plan], journal: Journal) -> None:
    _check(bundle, plans)
    parts = [plan.part(bundle.method, bundle.task, bundle.images) for plan in plans]
    keep = Pictures(journal.folder).keep if order.options.pictures else keep_nothing
    for _ in measure(parts, journal, keep, order.options.batch):
        pass


def _measure_costs(bundle: Bundle, plans: Sequence[Plan], journal: Journal) -> None:
    rows = [row for row in plans[0].rows if row.absent is None]
    profiles = [Profile(size=size, latency=True) for size in bundle.costs]
    found = (measure_costs(rows, profile, journal.folder) for profile in profiles)
    last = {record.key: record for record in chain.from_iterable(found)}
    errors = [f"costs of {r.identity.method}: {r.error}" for r in last.values() if r.error]
    if errors:
        raise RestoreError("; ".join(errors))


def _described(session: str, begun: float, plans: Sequence[Plan]) -> dict[str, Any]:
    metrics = [metric for plan in plans for metric in plan.metrics.values()]
    started = datetime.fromtimestamp(begun, UTC).isoformat(timespec="seconds")
    return describe_session(session, started, plans[0].device, metrics)


@lru_cache(maxsize=1)  # a worker is given a method's bundles one after another
def _plans(order_path: Path, method: str | None) -> tuple[Plan, ...]:
    """Plan the whole suite for one method, or for all; each network is built once."""
    keep_freed_memory()
    order = read_file(Order, order_path)
    methods = order.methods if method is None else (method,)
    weights = {name: path for name, path in order.options.weights.items() if name in methods}
    options = replace(order.options, weights=weights)
    plans = make_plans(Catalog.installed(order.plugins), order.suite, methods, options)
    rows = tuple(replace(row, build=cache(row.build)) for row in plans[0].rows)
    return tuple(replace(plan, rows=rows) for plan in plans)


def _check(bundle: Bundle, plans: Sequence[Plan]) -> None:
    """Refuse to measure under other keys than the plan's: nobody would look for the records."""
    found = expected(plans, bundle.method, bundle.task)
    if len(found) != len(bundle.expected):
        raise StoreError(f"{bundle.method} on {bundle.task} is not planned here")
    for planned, here in zip(bundle.expected, found, strict=True):
        differing = [
            field
            for field in Identity.model_fields
            if getattr(planned, field) != getattr(here, field)
        ]
        if differing:
            raise StoreError(
                f"{bundle.method} on {bundle.task} is not here what was planned: "
                f"{', '.join(differing)} differ; give workers the same versions, weights and data"
            )


def expected(plans: Iterable[Plan], method: str, task: str) -> tuple[Identity, ...]:
    """Return what all scores of a cell depend on: identities without device and image."""
    return tuple(
        plan.identity(row, column, column.items[0]).model_copy(update={"device": "", "image": ""})
        for plan in plans
        for row, column in plan.cells()
        if (row.label, column.task.name) == (method, task)
    )
