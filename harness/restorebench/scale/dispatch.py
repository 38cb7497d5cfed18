"""`Dispatch`: an order from its bundles to the records, whichever workers come back."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

from restorebench.catalog import Catalog
from restorebench.errors import StoreError, UsageError
from restorebench.plan import Plan
from restorebench.record import Record
from restorebench.scale.cutting import (
    Rest,
    bundle_seconds,
    cut,
    in_order,
    left,
    prices,
)
from restorebench.scale.executor import Executor
from restorebench.scale.order import (
    FOLDER,
    ORDER,
    Bundle,
    Order,
    attempts_at,
    bundles_of,
    newest_order,
    read_file,
)
from restorebench.scale.workers import devices_of, entries
from restorebench.session import Session
from restorebench.store import Place, Store, new_records, prevailing

COSTS_SECONDS = 30.0
"""Assumed for timing one method on images of one size."""


class Dispatch:
    """An order that is under way. Holds nothing that is not in files, except for its executor.

    Args:
        session: of the command that looks after the order.
        store: that session's.
        folder: the order's.

    Raises:
        StoreError: if the order's files are damaged.
        BenchError: if its executor is not installed, or told what it does not know.
    """

    def __init__(self, session: Session, store: Store, folder: Path) -> None:
        self.order = read_file(Order, folder / ORDER)
        self.bundles = bundles_of(folder)
        self.executor: Executor = session.catalog.executor(self.order.executor)(folder, self.order)
        self.folder, self.store, self._session = folder, store, session
        self._fresh: list[Record] = []
        """Records that nobody was told of yet."""
        self._over: dict[str, str] = {}
        """Bundles that no worker is at, and what is known of why."""
        self._records: dict[str, Record] = {}
        self._seen: dict[Path, Place] = {}
        self.complaints: list[str] = []
        """What was given up that has no record, one line each."""

    def submit(self) -> None:
        """Cut what is not measured yet into bundles, and hand them over.

        Raises:
            OutputFolderError: if the run folder cannot be written.
            SetupError: if the executor cannot be reached.
        """
        self._read()
        plans, order = self._plans(), self.order
        work = list(prices(plans, self._settled(), self._records.values()))
        seconds = order.bundle_seconds or bundle_seconds(
            work, order.workers, self.executor.overhead
        )
        bundles = [bundle for part in work for bundle in cut(part, plans, seconds)]
        if sizes := self._session.cost_sizes:
            seconds = COSTS_SECONDS * len(order.methods) * len(sizes)
            bundles.append(Bundle(name="", round=1, seconds=seconds, costs=sizes))
        self._hand_over(bundles)

    def watch(self) -> Iterator[Record]:
        """Yield all records as they come, and try again what no worker came back with.

        Ends when every image has its record. An image that was tried too often has one that says
        why it failed.

        Raises:
            OutputFolderError: if the run folder cannot be written.
            StoreError: if a journal is damaged, or workers measured on devices of several kinds.
        """
        while True:
            over = self.executor.poll(set(self.bundles) - set(self._over))
            self._over |= over
            self._read()
            if over:
                self._try_again(over)
            busy = bool(over or self._fresh)
            while self._fresh:
                yield self._fresh.pop(0)
            if set(self.bundles) == set(self._over):
                return
            if not busy:
                time.sleep(self.executor.pause)

    def gather(self) -> None:
        """Give the session the records that are there."""
        self._read()
        self._session.plans = self._plans()
        workers = entries(attempt for _, _, attempt in attempts_at(self.folder))
        self._session.gather(self._records, workers, self.order.options.device)

    def _hand_over(self, bundles: Iterable[Bundle]) -> None:
        paths = []
        for bundle in in_order(bundles):
            name = f"{len(self.bundles) + 1:05}"
            self.bundles[name] = bundle.model_copy(update={"name": name})
            paths.append(self.bundles[name].save(self.folder / f"{name}.json"))
        if paths:
            self.executor.submit(paths)

    def _read(self) -> None:
        """Take in what was written since the last time."""
        wanted = {plan.protocol.id for plan in self._session.plans}
        methods = {row.label for row in self._session.plans[0].rows}
        for record in new_records(self.store.folder, self._seen):
            known = [self._records[record.key]] if record.key in self._records else []
            self._records |= prevailing([*known, record])
            own = record.identity
            if not known and own.protocol in wanted and own.method in methods:
                self._fresh.append(record)

    def _settled(self) -> set[str]:
        """Return the keys that are not to be measured: of successes, and of this order's failures.

        What failed in an earlier session is tried again, as in any run.
        """
        wanted = {plan.protocol.id: set(plan.computable) for plan in self._session.plans}
        return {
            key
            for key, record in self._records.items()
            if (record.error is not None and record.session >= self.order.session)
            or (
                record.error is None
                and record.scores.keys() >= wanted.get(record.identity.protocol, set())
            )
        }

    def _plans(self) -> tuple[Plan, ...]:
        """Return the plans, keyed by the device that workers found."""
        plans, asked = self._session.plans, self.order.options.device
        if asked == self._session.options.device:
            return plans
        names = sorted(devices_of(self.store.folder, asked))
        if len(names) > 1:
            raise StoreError(
                f"workers measured on {' and on '.join(names)}; what they measured is stored, but "
                "a table is of one kind of device: restrict the workers to one"
            )
        return tuple(plan.on(names[0] if names else "") for plan in plans)

    def _try_again(self, over: Container[str]) -> None:
        """Plan anew what bundles left that are over now."""
        last: dict[tuple[str, str], dict[int, str]] = {}
        for name, bundle in self.bundles.items():  # later ones are tries of what earlier ones left
            cell = last.setdefault((bundle.method, bundle.task), {})
            cell.update(dict.fromkeys(bundle.images, name))
        ended = {
            cell: {image: name for image, name in images.items() if name in over}
            for cell, images in last.items()
        }
        plans = self._plans()
        bundles: list[Bundle] = []
        for rest in left(plans, self._settled(), ended):
            names = ended[rest.row.label, rest.column.task.name]
            by_bundle: dict[str, list[int]] = {}
            for image in rest.images:
                by_bundle.setdefault(names[image], []).append(image)
            for name, images in by_bundle.items():
                again, given_up = self._retried(self.bundles[name], images)
                bundles += again
                self._fail(rest, plans, given_up, self._why_not(name))
        self._hand_over(bundles + self._costs_again())

    def _costs_again(self) -> list[Bundle]:
        timed = [name for name, bundle in self.bundles.items() if bundle.costs]
        if not timed or timed[-1] not in self._over or self.complaints:
            return []
        if any(at.whole for name, _, at in attempts_at(self.folder) if name in timed):
            return []
        last = self.bundles[timed[-1]]
        if last.round < self.order.rounds:
            return [last.model_copy(update={"round": last.round + 1})]
        self.complaints.append(f"costs {self._why_not(timed[-1])}")
        return []

    def _retried(self, bundle: Bundle, images: Sequence[int]) -> tuple[list[Bundle], list[int]]:
        """Return the bundles that images are tried in again, and the images that are given up.

        The first image is what the worker was at when it ended, and may be why: it gets a bundle of
        its own. The others are not to blame if some were measured before them.
        """
        prefix = f"{self.order.session}.{bundle.name}."
        progress = any(record.session.startswith(prefix) for record in self._records.values())
        groups = [(images[:1], bundle.round + 1)]
        groups += [(images[1:], bundle.round + (not progress))] if images[1:] else []
        again: list[Bundle] = []
        given_up: list[int] = []
        for group, round_ in groups:
            if round_ > self.order.rounds:
                given_up += group
            else:
                again.append(bundle.again(group, round_))
        return again, given_up

    def _fail(self, cell: Rest, plans: Sequence[Plan], images: Iterable[int], reason: str) -> None:
        """Record images as failed that no worker came back with."""
        session, task = self.store.session, cell.column.task.name
        for image in images:
            for plan in plans:
                column = next(column for column in plan.columns if column.task.name == task)
                for item in column.draws(column.items[image]):
                    known = plan.identity(cell.row, column, item)
                    failed = Record(key=known.key, identity=known, error=reason, session=session)
                    if self.store.find(failed.key) is None:
                        self.store.append(failed)
        self._read()

    def _why_not(self, name: str) -> str:
        reported = [at.error for n, _, at in attempts_at(self.folder) if n == name and at.error]
        why = self._over[name] or (reported[-1] if reported else "its worker ended before it")
        return f"not measured in {self.order.rounds} tries: {why}"


def begin(session: Session, store: Store, order: Order) -> Dispatch:
    """Write an order into the run folder, and hand over its bundles.

    Raises:
        StoreError: if an earlier order of the run is still being measured.
        BenchError: if the folder cannot be written, or the executor cannot be reached.
    """
    if list(store.folder.glob(f"{FOLDER}/*/{ORDER}")):
        last = Dispatch(session, store, newest_order(store.folder))
        under_way = last.bundles.keys() - last.executor.poll(last.bundles).keys()
        if last.executor.outlives and under_way:
            raise StoreError(
                f"{len(under_way)} bundles of {store.folder} are still being measured: "
                f"restorebench collect {store.folder} (--cancel to end them)"
            )
    folder = store.folder / FOLDER / store.session
    executor = session.catalog.executor(order.executor)
    if session.cost_sizes and not executor.secludes:
        raise UsageError(
            f"executor {order.executor} cannot keep a device to methods that are timed; "
            "choose another one, or measure costs by restorebench profile"
        )
    executor(folder, order)  # refuses wrong settings
    order.model_copy(update={"session": store.session}).save(folder / ORDER)
    dispatch = Dispatch(session, store, folder)
    dispatch.submit()
    return dispatch


def resumed(run: Path) -> tuple[Order, Session]:
    """Return a run folder's newest order, and a session that can look after it.

    Raises:
        StoreError: if the folder has no order, or a damaged one.
        BenchError: if what the order names is not here.
    """
    run = run.resolve()
    order = read_file(Order, newest_order(run) / ORDER)
    with chdir(order.here):
        return order, front(order, run, Catalog.installed(order.plugins))


def front(order: Order, out: Path | None, catalog: Catalog) -> Session:
    """Return the session of a command that hands an order over, and measures nothing itself.

    It plans on the CPU: the workers' device need not be here.

    Raises:
        BenchError: for anything that makes the whole run impossible.
    """
    options = order.options
    if not catalog.executor(order.executor).here:
        options = replace(options, device="cpu")
    session = Session(order.suite, order.methods, options, out, catalog)
    session.out = session.out.resolve()
    return session
