"""From what is not stored yet to bundles of about the same cost."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapreplace

from restorebench.column import Column
from restorebench.plan import Plan, Row
from restorebench.record import Record
from restorebench.scale.forecast import Forecast, forecast
from restorebench.scale.order import Bundle
from restorebench.scale.work import expected

PER_WORKER = 4
"""Bundles that each worker gets at least, if there is enough to do: so that none ends long before
the others."""
LONGEST = 600.0
"""Seconds that a bundle takes at most, unless one image takes longer."""
OVERHEADS = 10
"""How many times longer than its overhead a bundle takes at least."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of one cell."""

    row: Row
    column: Column
    images: tuple[int, ...]
    """Positions among the column's items."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What is left of one cell, and what that will cost."""

    cell: Rest
    seconds: tuple[float, ...]
    """Predicted for each image."""
    memory: int | None
    """Bytes predicted for the largest image; ``None`` where nothing can be counted."""
    basis: str
    """What the seconds rest on, in words."""


def left(
    plans: Sequence[Plan],
    settled: Container[str],
    among: Mapping[tuple[str, str], Container[int]] | None = None,
) -> Iterator[Rest]:
    """Yield what is left of each cell, also where that is nothing.

    Args:
        plans: one for each protocol.
        settled: keys that need not be measured.
        among: positions among the items by method and task; if given, no others are looked at.
    """
    for row in plans[0].rows:
        for columns in zip(*(plan.columns for plan in plans), strict=True):
            cell = (row.label, columns[0].task.name)
            if row.absent is None and (among is None or cell in among):
                places = None if among is None else among[cell]
                yield Rest(row, columns[0], _pending(row, plans, columns, settled, places))


def _pending(
    row: Row,
    plans: Sequence[Plan],
    columns: Sequence[Column],
    settled: Container[str],
    among: Container[int] | None,
) -> tuple[int, ...]:
    return tuple(
        place
        for place, item in enumerate(columns[0].chosen, columns[0].first)
        if (among is None or place in among)
        and any(
            plan.identity(row, column, drawn).key not in settled
            for plan, column in zip(plans, columns, strict=True)
            for drawn in column.draws(item)
        )
    )


def priced(cell: Rest, cost: Forecast) -> Priced:
    """Return what a cell will cost."""
    sizes = [cell.column.sizes[place] or (0, 0) for place in cell.images]
    pixels = [height * width for height, width in sizes]
    memory = cost.memory(max(pixels, default=0))
    seconds = tuple(cell.column.repeats * cost.seconds(count) for count in pixels)
    return Priced(cell, seconds, memory, cost.basis)


def prices(
    plans: Sequence[Plan], settled: Container[str], earlier: Iterable[Record]
) -> Iterator[Priced]:
    """Yield what is left of each cell, and what that will cost.

    Args:
        plans: one for each protocol.
        settled: keys that need not be measured.
        earlier: records whose times correct the prediction.
    """
    costs = forecast(plans, earlier)
    for cell in left(plans, settled):
        yield priced(cell, costs[cell.row.label])


def bundle_seconds(work: Iterable[Priced], workers: int, overhead: float) -> float:
    """Return how many seconds a bundle should take.

    Args:
        work: all that is left.
        workers: how many there will be.
        overhead: seconds that a bundle costs beside its images.
    """
    total = sum(sum(cell.seconds) for cell in work)
    return max(min(total / (PER_WORKER * workers), LONGEST), OVERHEADS * overhead)


def cut(work: Priced, plans: Sequence[Plan], seconds: float) -> Iterator[Bundle]:
    """Cut what is left of a cell into bundles of about the same cost; they have no names yet.

    Args:
        work: what is left.
        plans: one for each protocol.
        seconds: how long a bundle should take.
    """
    cell, total = work.cell, sum(work.seconds)
    count = min(max(1, round(total / seconds)), len(cell.images))
    groups: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    before = 0.0
    for place, (image, cost) in enumerate(zip(cell.images, work.seconds, strict=True)):
        # Where the middle of the image's cost lies; where nothing costs anything, by count.
        share = (before + cost / 2) / total if total else place / len(cell.images)
        groups[min(int(share * count), count - 1)].append((image, cost))
        before += cost
    method, task = cell.row.label, cell.column.task.name
    for group in filter(None, groups):
        yield Bundle(
            name="",
            method=method,
            task=task,
            first=group[0][0],
            stop=group[-1][0] + 1,
            draws=cell.column.repeats,
            round=1,
            seconds=sum(cost for _, cost in group),
            expected=expected(plans, method, task),
        )


def in_order(bundles: Iterable[Bundle]) -> list[Bundle]:
    """Return bundles as they should begin: a method's together, what takes longest first."""
    found = list(bundles)
    totals: dict[str, float] = {}
    for bundle in found:
        totals[bundle.method] = totals.get(bundle.method, 0.0) + bundle.seconds
    return sorted(found, key=lambda b: (-totals[b.method], b.method, -b.seconds))


def makespan(seconds: Iterable[float], workers: int, overhead: float) -> float:
    """Return when the last worker ends, if each takes the next bundle once it has ended one.

    Args:
        seconds: what each bundle takes, in the order in which they are handed out.
        workers: how many there are.
        overhead: seconds that a bundle costs beside its images.
    """
    ends = [0.0] * workers
    for cost in seconds:
        heapreplace(ends, ends[0] + cost + overhead)
    return max(ends)
