"""A run: every image is loaded, restored, scored and recorded, each step beside the others.

    loader thread    data sets, degradations, files that were restored elsewhere
    calling thread   methods; and whoever reads the records
    scorer thread    metrics; the journal

Each kind of foreign code is called from one thread only, so none has to be thread-safe. An image
is loaded while earlier ones are restored and scored, never more than a few ahead; their order is
that of the plan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from restorebench.column import Column
from restorebench.data.dataset import Item
from restorebench.pictures import Keep, keep_nothing
from restorebench.plan import Plan, Row
from restorebench.record import Record
from restorebench.store import Journal
from restorebench.work import Pending, Restorer, Work, built, load, restore, score

# Enough to bridge an image that takes longer; each waiting image is held in memory.
AHEAD = 2

A = TypeVar("A")
B = TypeVar("B")


def measure(
    plans: Sequence[Plan], store: Journal, keep: Keep = keep_nothing, batch: int = 1
) -> Iterator[Record]:
    """Score every image that the store does not hold yet, and yield each image's record.

    An image is restored once for all protocols that give the method the same input. Whatever fails
    is one image's or one method's record; the rest goes on.

    Args:
        plans: one for each protocol, of the same rows and tasks.
        store: where records are kept.
        keep: is shown the images of each record before that is stored, in the scorer thread.
        batch: how many successive images of one size are restored at once.

    Raises:
        OutputFolderError: if records cannot be written.
    """

    def recorded(work: Work) -> tuple[Record, ...]:
        records = score(work)
        for record in records:
            if work.degraded is not None and work.restored is not None and record.error is None:
                keep(record, work.degraded, work.restored, work.clean)
            store.append(record)
        return work.known or tuple(records)

    with _thread("loader") as loader, _thread("scorer") as scorer:
        for row in plans[0].rows:
            works = list(_works(plans, row, store)) if row.absent is None else []
            if not any(work.pending for work in works):  # a method that is not needed is not built
                yield from (record for work in works for record in work.known)
                continue
            restorer = built(row)
            loaded = _ahead(partial(load, restorer=restorer), works, loader, AHEAD * batch)
            restored = _restored(loaded, restorer, batch)
            for records in _ahead(recorded, restored, scorer, AHEAD):
                yield from records


def measure_again(plan: Plan, row: Row, column: Column, item: Item) -> Record:
    """Score one image as `measure` does, and store nothing."""
    pending = _pending(plan, row, column, item, session="")
    restorer = built(row)
    work = load(Work(row=row, item=item, pending=(pending,)), restorer)
    (record,) = score(*restore([work], restorer))
    return record


def _works(plans: Sequence[Plan], row: Row, store: Journal) -> Iterator[Work]:
    """Yield what is to be done for a row, image by image, among what is stored already."""
    for columns in zip(*(plan.columns for plan in plans), strict=True):
        for item in columns[0].drawn:
            known, by_input = [], dict[tuple[int, str], list[Pending]]()
            for plan, column in zip(plans, columns, strict=True):
                pending = _pending(plan, row, column, item, store.session)
                stored = store.find(pending.record.key)
                if stored is not None and stored.scores.keys() >= set(plan.computable):
                    known.append(stored)
                else:
                    by_input.setdefault(column.input, []).append(pending)
            if known:
                yield Work(row=row, item=item, known=tuple(known))
            for group in by_input.values():
                yield Work(row=row, item=item, pending=tuple(group))


def _pending(plan: Plan, row: Row, column: Column, item: Item, session: str) -> Pending:
    identity = plan.identity(row, column, item)
    return Pending(plan, column, Record(key=identity.key, identity=identity, session=session))


def _restored(works: Iterable[Work], restorer: Restorer, size: int) -> Iterator[Work]:
    for alike in _batches(works, size):
        yield from restore(alike, restorer)


def _batches(works: Iterable[Work], size: int) -> Iterator[list[Work]]:
    """Yield successive images of one size together, ``size`` of them at most."""
    alike: list[Work] = []
    for work in works:
        if alike and work.shape != alike[0].shape:
            yield alike
            alike = []
        alike.append(work)
        if len(alike) == size:
            yield alike
            alike = []
    if alike:
        yield alike


def _ahead(step: Callable[[A], B], given: Iterable[A], thread: Executor, count: int) -> Iterator[B]:
    """Yield ``step`` of each, in order, while it is done for up to ``count`` more in a thread."""
    waiting = deque[Future[B]]()
    for one in given:
        waiting.append(thread.submit(step, one))
        if len(waiting) > count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _thread(name: str) -> Iterator[Executor]:
    """Give a thread that ends with the block; if that is left early, with the step it is at."""
    pool = ThreadPoolExecutor(1, name)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
