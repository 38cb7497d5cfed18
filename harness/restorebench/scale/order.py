"""`Order` and `Bundle`: what a run was asked for, and a part of it that one worker measures.

    RUN/bundles/<session>/order.json            what all bundles are parts of
    RUN/bundles/<session>/<bundle>.json         images of one cell
    RUN/bundles/<session>/<bundle>.<n>.attempt  which worker began it, and how that ended
    RUN/journal/<session>.<bundle>.<n>.jsonl    what that worker measured

These files are all that a worker needs, on any machine that sees the run folder and the data at the
same paths; and all that `status` and `collect` need after the command that began the run has ended.
A file is written by one process only. Measuring a bundle twice changes nothing, since records are
keyed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from restorebench.errors import StoreError
from restorebench.record import Identity
from restorebench.rows import Options
from restorebench.store import read_json, write_atomically

FOLDER, ORDER, ATTEMPT = "bundles", "order.json", ".attempt"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1

    def save(self, path: Path) -> Path:
        """Write the file.

        Raises:
            OutputFolderError: if it cannot be written.
        """
        return write_atomically(path, self.model_dump_json(indent=1) + "\n")


F = TypeVar("F", bound=_File)


class Order(_File):
    """What a run was asked for; its bundles are measured under it."""

    session: str
    """Of the command that made the bundles; the names of their journals begin with it."""
    suite: str
    methods: tuple[str, ...]
    demanded: bool = True
    """Whether they were named, so that the run is incomplete without one of them."""
    options: Options
    plugins: tuple[Path, ...]
    here: Path
    """Where the paths begin that are not absolute."""
    executor: str
    workers: int
    settings: Mapping[str, str]
    """What the executor is told, by name."""
    bundle_seconds: float | None = None
    """How long a bundle should take; by default, what suits the executor and the workers."""
    rounds: int
    """How often an image is tried that no worker came back with."""


class Bundle(_File):
    """Images of one cell, to be measured by one worker one after another; or the costs."""

    name: str
    round: int
    """Which try this is."""
    seconds: float
    """Predicted."""
    costs: tuple[int, ...] = ()
    """Heights and widths of images that all methods are timed on, which needs a device that nothing
    else uses; it has no images to score then."""
    method: str = ""
    task: str = ""
    first: int = 0
    stop: int = 0
    """Positions among the column's items; those that are stored are not measured again."""
    draws: int = 1
    """How often the noise of each image is drawn."""
    expected: tuple[Identity, ...] = ()
    """Under each protocol, what a score depends on; without the device, which only the worker
    knows, and without the image."""

    @property
    def images(self) -> range:
        """Positions among the column's items."""
        return range(self.first, self.stop)

    def again(self, images: Sequence[int], round_: int) -> Bundle:
        """Return a bundle of some of its images, for another try."""
        share = len(images) / len(self.images)
        changed = {"first": images[0], "stop": images[-1] + 1, "round": round_}
        return self.model_copy(update={**changed, "seconds": self.seconds * share})


class Attempt(_File):
    """One worker's go at a bundle."""

    worker: str
    """Host and process."""
    described: Mapping[str, Any]
    """Where and with what it measures, as a manifest says of a session."""
    begun: float
    """Seconds since 1970."""
    ended: float | None = None
    error: str | None = None
    """Why it could not measure all of it, in one line."""

    @property
    def whole(self) -> bool:
        """Whether all of the bundle was measured."""
        return self.ended is not None and self.error is None


def read_file(model: type[F], path: Path) -> F:
    """Read an order, bundle or attempt.

    Raises:
        StoreError: if it is missing or damaged.
    """
    try:
        return model.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise StoreError(
            f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error


def newest_order(run: Path) -> Path:
    """Return the folder of a run's newest order.

    Raises:
        StoreError: if the run has none.
    """
    found = sorted(path.parent for path in (run / FOLDER).glob(f"*/{ORDER}"))
    if not found:
        raise StoreError(f"{run} has no bundles: it was run in one process, or is no run folder")
    return found[-1]


def bundles_of(order: Path) -> dict[str, Bundle]:
    """Return an order's bundles by name.

    Raises:
        StoreError: if one is damaged.
    """
    paths = sorted(path for path in order.glob("*.json") if path.name != ORDER)
    return {path.stem: read_file(Bundle, path) for path in paths if path.stem.isdecimal()}


def attempts_at(order: Path) -> Iterator[tuple[str, str, Attempt]]:
    """Yield the bundle's name, the journal's name and what is known of each attempt, in order.

    Raises:
        StoreError: if one is damaged.
    """
    for path in sorted(order.glob(f"*{ATTEMPT}")):
        yield path.stem.partition(".")[0], f"{order.name}.{path.stem}", read_file(Attempt, path)
