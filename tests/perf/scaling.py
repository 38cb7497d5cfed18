"""Two workers against one: NL-means on Rain100L, by Ray on this machine; `-- scaling` asks for it.

Workers are processes with `OMP_NUM_THREADS=1` that have started already, as they have for all
bundles of a run but the first. One of them loads and scores beside the method, and so uses more
than one processor if there is one to spare; in a second row each is bound to one of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from tests.perf.measuring import Contender
from tests.perf.pipeline import REAL

from restorebench.catalog import Catalog
from restorebench.rows import Options
from restorebench.scale.dispatch import begin, front
from restorebench.scale.order import Attempt, Order, attempts_at, newest_order
from restorebench.store import read_records

METHOD = "nl_means"
BARE_IMAGES = 20
ROUNDS = 3


def measured(workers: int, limit: int | None = None, *, bound: bool = False) -> tuple[float, Path]:
    """Measure Rain100L anew on a cluster of two processors; return the seconds and the run."""
    order = Order(
        session="",
        suite="derain",
        methods=(METHOD,),
        options=Options(data_root=REAL, limit=limit, pictures=False),
        plugins=(),
        here=Path.cwd(),
        executor="ray",
        workers=workers,
        settings={"cpus": str(2 // workers)},
        rounds=1,
    )
    out = Path(mkdtemp())
    start = time.perf_counter()
    session = front(order, out, Catalog.installed())
    with session.opened() as store:
        dispatch = begin(session, store, order)
        for record in dispatch.watch():
            assert record.error is None
            if bound:
                bind({attempt.worker for attempt in attempts_of(out).values()})
    return time.perf_counter() - start, out


def bind(workers: Iterable[str]) -> None:
    """Give each worker a processor of its own."""
    for processor, worker in enumerate(sorted(workers)):
        with suppress(OSError):  # Ray may have ended it
            for thread in Path("/proc", worker.rpartition(":")[2], "task").iterdir():
                os.sched_setaffinity(int(thread.name), {processor % 2})


def attempts_of(run: Path) -> dict[str, Attempt]:
    """Return the goes at a run's bundles, by the name of their journal."""
    return {journal: attempt for _, journal, attempt in attempts_at(newest_order(run))}


def beside_images(run: Path) -> Iterator[float]:
    """Yield the seconds of each bundle but a worker's first that no image was restored in."""
    restoring: dict[str, float] = {}
    for record in read_records(run):
        restoring[record.session] = restoring.get(record.session, 0.0) + (record.seconds or 0.0)
    ended: dict[str, float] = {}
    for journal, attempt in sorted(attempts_of(run).items(), key=lambda each: each[1].begun):
        assert attempt.ended is not None
        if attempt.worker in ended:
            yield attempt.ended - ended[attempt.worker] - restoring[journal]
        ended[attempt.worker] = attempt.ended


def bare() -> dict[str, object]:
    """Restore images that lie in memory, in one plain process and in two at once."""
    given = ("tests.perf.pipeline:forwarding", METHOD, BARE_IMAGES)
    with Contender(*given) as one, Contender(*given) as other, ThreadPoolExecutor(2) as both:
        alone = median(one.seconds() for _ in range(ROUNDS))
        turns = [max(both.map(Contender.seconds, (one, other))) for _ in range(ROUNDS)]
    return _row("plain processes, which share nothing", alone, median(turns) / 2, bundles=0)


def section() -> list[dict[str, object]]:
    """Measure in turns; a ratio is one worker's time by that of two."""
    assert os.environ.get("OMP_NUM_THREADS") == "1", "set OMP_NUM_THREADS=1"
    assert REAL.is_dir(), f"there is no {REAL}"
    import ray

    rows = [bare()]
    os.environ["RAY_num_workers_soft_limit"] = "4"  # noqa: SIM112 - those that wait stay
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    measured(2, limit=8)
    rows.append(runs("runs by Ray, a processor each", bound=True))
    rows.append(runs("runs by Ray", bound=False))
    ray.shutdown()  # type: ignore[no-untyped-call, unused-ignore]
    return rows


def runs(what: str, *, bound: bool) -> dict[str, object]:
    """Measure with one worker and with two, in turns."""
    pairs = [(measured(1, bound=bound), measured(2, bound=bound)) for _ in range(ROUNDS)]
    one, two = (median(seconds for seconds, _ in each) for each in zip(*pairs, strict=True))
    beside = [seconds for _, (_, run) in pairs for seconds in beside_images(run)]
    return _row(what, one, two, len(attempts_of(pairs[0][1][1])), median(beside))


def _row(
    what: str, one: float, two: float, bundles: int, beside: float | None = None
) -> dict[str, object]:
    return {
        "what": f"{METHOD}: {what}",
        "one_s": round(one, 2),
        "two_s": round(two, 2),
        "ratio": round(one / two, 2),
        "bundles_of_two": bundles,
        "bundle_overhead_s": None if beside is None else round(beside, 2),
    }
