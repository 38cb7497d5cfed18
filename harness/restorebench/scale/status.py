"""How far an order is, told from the run folder's files alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from restorebench.record import Identity, Record
from restorebench.scale.order import (
    ORDER,
    Attempt,
    Bundle,
    Order,
    attempts_at,
    bundles_of,
    read_file,
)
from restorebench.store import Place, new_records

Attempts = Sequence[tuple[str, str, Attempt]]
Image = tuple[str, str, str]
"""Method, task and image."""
Score = tuple[Identity, int]
"""What a bundle expects, and which draw of the noise."""


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
    costs_left: bool
    """Whether methods are still to be timed."""
    bundles: int
    begun: int
    ended: int
    working: tuple[AtWork, ...]
    seconds_left: float | None
    """At the pace of all images so far, if as many workers stay at it; ``None`` if nobody knows."""

    @property
    def over(self) -> bool:
        """Whether every image has its record, and nothing is left to be timed."""
        return self.measured + self.failed == self.images and not self.costs_left

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "over": self.over}


class Watcher:
    """Reads what is new in an order each time it is asked."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._run = folder, folder.parents[1]
        self._order = read_file(Order, folder / ORDER)
        self._seen: dict[Path, Place] = {}
        self._good: dict[Image, set[Score]] = {}
        self._bad: set[Image] = set()
        """Images that failed in this order."""
        self._by_session: dict[str, set[Image]] = {}
        """Images that got a record in this order, by journal."""

    def status(self) -> Status:
        """Return how far the order is now.

        Raises:
            StoreError: if one of its files is damaged.
        """
        # Attempts first, since the file of a bundle is there before its attempts'.
        attempts, bundles = list(attempts_at(self._folder)), bundles_of(self._folder)
        for record in new_records(self._run, self._seen):
            self._take(record)
        good = self._scored(bundles)
        bad = self._bad - good
        done = {journal: len(own & (good | bad)) for journal, own in self._by_session.items()}
        working = tuple(self._working(bundles, attempts, done))
        ended = {name for name, _, attempt in attempts if attempt.ended}
        timed = [name for name, bundle in bundles.items() if bundle.costs]
        return Status(
            session=self._order.session,
            executor=self._order.executor,
            attended=_held(self._run / ".lock"),
            images=len({(b.method, b.task, i) for b in bundles.values() for i in b.images}),
            measured=len(good),
            failed=len(bad),
            costs_left=bool(timed) and timed[-1] not in ended,
            bundles=len(bundles),
            begun=len({name for name, _, _ in attempts}),
            ended=len(ended),
            working=working,
            seconds_left=self._seconds_left(bundles, attempts, done, len(working)),
        )

    def _take(self, record: Record) -> None:
        own = record.identity
        image = (own.method, own.task, own.image)
        if record.error is None:
            planned = own.model_copy(update={"device": "", "image": "", "draw": 0})
            self._good.setdefault(image, set()).add((planned, own.draw))
        if record.session >= self._order.session:
            self._by_session.setdefault(record.session, set()).add(image)
            if record.error is not None:
                self._bad.add(image)

    def _scored(self, bundles: Mapping[str, Bundle]) -> set[Image]:
        """Return the images of this order that are scored under all protocols and draws."""
        wanted = {
            (bundle.method, bundle.task): {
                (planned, draw) for planned in bundle.expected for draw in range(bundle.draws)
            }
            for bundle in bundles.values()
        }
        return {
            image
            for image in set[Image]().union(*self._by_session.values())
            if image[:2] in wanted and self._good.get(image, set()) >= wanted[image[:2]]
        }

    def _working(
        self, bundles: Mapping[str, Bundle], attempts: Attempts, done: Mapping[str, int]
    ) -> Iterator[AtWork]:
        # What replaces a bundle ends with the same image; its worker is gone, and so are those of
        # all its attempts but the last.
        newest = {(b.method, b.task, b.stop): name for name, b in bundles.items()}
        last = {name: (journal, attempt) for name, journal, attempt in attempts}
        for name, (journal, attempt) in last.items():
            bundle, count = bundles[name], done.get(journal, 0)
            current = newest[bundle.method, bundle.task, bundle.stop] == name
            if current and not attempt.ended and (bundle.costs or count < len(bundle.images)):
                yield AtWork(
                    worker=attempt.worker,
                    bundle=name,
                    method=bundle.method or "all methods",
                    task=bundle.task or "costs",
                    done=count,
                    images=len(bundle.images),
                    silent_seconds=round(time.time() - self._last_written(journal, attempt), 1),
                )

    def _seconds_left(
        self,
        bundles: Mapping[str, Bundle],
        attempts: Attempts,
        done: Mapping[str, int],
        workers: int,
    ) -> float | None:
        """Predict from the prediction, and from how wrong it was so far."""
        spent = came = 0.0
        for name, journal, attempt in attempts:
            bundle = bundles[name]
            if bundle.images:
                came += bundle.seconds * done.get(journal, 0) / len(bundle.images)
                spent += (attempt.ended or self._last_written(journal, attempt)) - attempt.begun
        each = {
            (bundle.method, bundle.task, image): bundle.seconds / len(bundle.images)
            for bundle in bundles.values()
            for image in bundle.images
        }
        ahead = max(sum(each.values()) - came, 0.0)
        return spent / came * ahead / max(1, workers) if came else None

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
