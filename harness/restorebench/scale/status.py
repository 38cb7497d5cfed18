"""How far an order is, told from the run folder's files alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from restorebench.record import Record
from restorebench.scale.order import (
    ORDER,
    Attempt,
    Bundle,
    Order,
    attempts_at,
    bundles_of,
    read_file,
)
from restorebench.store import new_records

Attempts = Sequence[tuple[str, str, Attempt]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A bundle that a worker has begun and not ended."""

    worker: str
    bundle: str
    method: str
    task: str
    done: int
    images: int
    silent_seconds: float
    """Since it last wrote; a worker that was killed says nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far an order is."""

    session: str
    executor: str
    attended: bool
    """Whether a command looks after the order now; if not, `collect` does."""
    images: int
    """To be measured in this order, over all methods."""
    measured: int
    failed: int
    bundles: int
    begun: int
    ended: int
    working: tuple[AtWork, ...]
    seconds_left: float | None
    """At the pace of all images so far, if as many workers stay at it; ``None`` if nobody knows."""

    @property
    def over(self) -> bool:
        """Whether every image has its record."""
        return self.measured + self.failed == self.images

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


class Watcher:
    """Reads what is new in an order each time it is asked."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._run = folder, folder.parents[1]
        self._order = read_file(Order, folder / ORDER)
        self._seen: dict[Path, int] = {}
        self._good: dict[tuple[str, str, str], set[str]] = {}
        self._bad: dict[tuple[str, str, str], set[str]] = {}
        self._by_session: dict[str, set[str]] = {}

    def status(self) -> Status:
        """Return how far the order is now.

        Raises:
            StoreError: if one of its files is damaged.
        """
        for record in new_records(self._run, self._seen):
            if record.session >= self._order.session:
                self._take(record)
        bundles, attempts = bundles_of(self._folder), list(attempts_at(self._folder))
        protocols = len(self._order.options.protocols)
        good = {image for image, found in self._good.items() if len(found) >= protocols}
        working = tuple(self._working(bundles, attempts))
        return Status(
            session=self._order.session,
            executor=self._order.executor,
            attended=_held(self._run / ".lock"),
            images=len({(b.method, b.task, i) for b in bundles.values() for i in b.images}),
            measured=len(good),
            failed=len(self._bad.keys() - good),
            bundles=len(bundles),
            begun=len({name for name, _, _ in attempts}),
            ended=len({name for name, _, attempt in attempts if attempt.ended}),
            working=working,
            seconds_left=self._seconds_left(bundles, attempts, len(working)),
        )

    def _working(self, bundles: Mapping[str, Bundle], attempts: Attempts) -> Iterator[AtWork]:
        for name, journal, attempt in attempts:
            bundle, done = bundles[name], len(self._by_session.get(journal, ()))
            if attempt.ended is None and (bundle.costs or done < len(bundle.images)):
                yield AtWork(
                    worker=attempt.worker,
                    bundle=name,
                    method=bundle.method or "all methods",
                    task=bundle.task or "costs",
                    done=done,
                    images=len(bundle.images),
                    silent_seconds=round(time.time() - self._last_written(journal, attempt), 1),
                )

    def _seconds_left(
        self, bundles: Mapping[str, Bundle], attempts: Attempts, workers: int
    ) -> float | None:
        """Predict from the prediction, and from how wrong it was so far."""
        spent = came = 0.0
        for name, journal, attempt in attempts:
            bundle, done = bundles[name], len(self._by_session.get(journal, ()))
            if bundle.images:
                came += bundle.seconds * done / len(bundle.images)
                spent += (attempt.ended or self._last_written(journal, attempt)) - attempt.begun
        each = {
            (bundle.method, bundle.task, image): bundle.seconds / len(bundle.images)
            for bundle in bundles.values()
            for image in bundle.images
        }
        ahead = max(sum(each.values()) - came, 0.0)
        return spent / came * ahead / max(1, workers) if came else None

    def _take(self, record: Record) -> None:
        stored = record.identity
        image = (stored.method, stored.task, stored.image)
        found = self._good if record.error is None else self._bad
        found.setdefault(image, set()).add(stored.protocol)
        self._by_session.setdefault(record.session, set()).add(stored.image)

    def _last_written(self, journal: str, attempt: Attempt) -> float:
        try:
            return (self._run / "journal" / f"{journal}.jsonl").stat().st_mtime
        except OSError:
            return attempt.begun


def _held(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
