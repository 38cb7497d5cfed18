"""`Store`: one durable record for each image, in a run folder that survives being killed.

    RUN/journal/<session>.jsonl    one line a record, appended and synced as soon as it is measured
    RUN/manifest.json              the sessions: versions, device, threads, commit, command line
    RUN/.lock                      held by the one process that runs or collects

A journal belongs to one session and is never changed afterwards, so a kill can only tear its last
line; that image is measured again. Sessions are numbered in the order in which they got the lock,
since the clock may have been set back between two of them. Workers of a session need no lock: each
has a journal of its own, whose name begins with the session's.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from filelock import FileLock, Timeout
from pydantic import ValidationError

from restorebench.errors import OutputFolderError, StoreError
from restorebench.record import Record

UNFINISHED = ".unfinished"
Place = tuple[int, int]
"""How far a journal was read: lines and bytes."""


class Journal:
    """The records of a run folder, and one new file that this process alone appends to.

    Args:
        folder: the run folder; made if it is not there.
        session: the file's name, which all records written to it carry.

    Raises:
        OutputFolderError: if the folder cannot be written.
        StoreError: if there is such a file, or another one is damaged.
    """

    def __init__(self, folder: Path, session: str) -> None:
        self.folder = folder
        self.session = session
        self._file: TextIO | None = None
        self._records: dict[str, Record] = {}
        self._refused = ""

    def __enter__(self) -> Self:
        with _writing(self.folder):
            (self.folder / "journal").mkdir(parents=True, exist_ok=True)
            self._open()
        return self

    def _open(self) -> None:
        self._records = read_journals(self.folder)
        path = self.folder / "journal" / f"{self.session}.jsonl"
        # Never an older journal: its last line may be torn, and would spoil the next.
        try:
            self._file = path.open("x", encoding="utf-8")
        except FileExistsError as error:
            raise StoreError(f"{path} is another worker's; nothing was measured") from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            # On a full disk, closing tries once more to write the record that has failed.
            with suppress(OSError):
                self._file.close()

    def find(self, key: str) -> Record | None:
        """Return the stored measurement with this key; a failure counts as none."""
        record = self._records.get(key)
        return record if record is not None and record.error is None else None

    def append(self, record: Record) -> None:
        """Write one record through to the disk.

        Raises:
            OutputFolderError: if the disk refuses it, for instance because it is full; so is every
                later record, which would follow a torn line.
        """
        assert self._file is not None
        if self._refused:
            raise OutputFolderError(self._refused)
        try:
            self._file.write(record.model_dump_json() + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._refused = (
                f"{self.folder} cannot be written ({error.strerror}); what was measured before is "
                "safe, and the same command goes on from there"
            )
            raise OutputFolderError(self._refused) from error
        self._records[record.key] = record


class Store(Journal):
    """The journal of a session; a context manager that holds the folder's lock.

    Args:
        folder: the run folder; made if it is not there.
        label: what tells this session from those of other folders that it may be merged with. The
            session's name is its number and this; known as soon as the lock is held.

    Raises:
        OutputFolderError: if the folder cannot be written.
        StoreError: if another process writes to it, or a journal is damaged.
    """

    def __init__(self, folder: Path, label: str) -> None:
        super().__init__(folder, "")
        self.label = label
        self._lock = FileLock(folder / ".lock", timeout=0)

    def _open(self) -> None:
        """Read what is stored and begin a journal; without either, leave the folder to others."""
        try:
            self._lock.acquire()
        except Timeout as error:
            raise StoreError(
                f"{self.folder} is being written by another run; "
                "wait for it, or choose another --out"
            ) from error
        try:
            # Of a session that was killed: of the tables here and one folder below, no deeper.
            for place in ("", "*/"):
                for torn in self.folder.glob(f"{place}.*{UNFINISHED}"):
                    torn.unlink()
            self.session = f"{_last_number(self.folder) + 1:04}-{self.label}"
            super()._open()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self._lock.release()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFolderError(
            f"{folder} cannot be written ({error.strerror}); choose another --out"
        ) from error


def read_journals(folder: Path) -> dict[str, Record]:
    """Return the records of a run folder that count, by key.

    Raises:
        StoreError: as `read_records`.
    """
    return prevailing(read_records(folder))


def prevailing(records: Iterable[Record]) -> dict[str, Record]:
    """Return by key the record that counts, of all in the order in which they were written.

    A success counts more than a failure, and of two successes the one with more scores: a metric
    may have become computable since. Otherwise a success stays, and a failure gives way.
    """
    found: dict[str, Record] = {}
    for record in records:
        known = found.get(record.key)
        if known is None or known.error is not None or len(record.scores) > len(known.scores):
            found[record.key] = record
    return found


def read_records(folder: Path) -> Iterator[Record]:
    """Yield all records of a run folder as they were written, also those that were superseded.

    Raises:
        StoreError: if a line that was written in full is no record, or not the one that its key
            was made for.
    """
    return new_records(folder, {})


def new_records(folder: Path, seen: dict[Path, Place]) -> Iterator[Record]:
    """Yield the records that a run folder got since it was read last, as `read_records` does.

    Args:
        folder: the run folder.
        seen: how far each journal was read; brought up to date.
    """
    for path in _journals(folder):
        for record, place in _read_journal(path, seen.get(path, (0, 0))):
            seen[path] = place
            yield record


def _read_journal(path: Path, seen: Place) -> Iterator[tuple[Record, Place]]:
    number, start = seen
    try:
        with path.open("rb") as file:
            file.seek(start)
            lines = file.read().split(b"\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})") from error
    # Each line ends in a newline, so what follows the last one is a torn line or nothing.
    for line in lines[:-1]:
        number, start = number + 1, start + len(line) + 1
        try:
            record = Record.model_validate_json(line)
        except ValidationError as error:
            raise _damage(path, number, "is no record") from error
        if record.key != record.identity.key:
            raise _damage(path, number, "is not what its key was made for")
        yield record, (number, start)


def _damage(path: Path, number: int, what: str) -> StoreError:
    return StoreError(
        f"{path}:{number} {what}; the file was changed or damaged. "
        "Delete it to measure its images again"
    )


def _journals(folder: Path) -> list[Path]:
    return sorted((folder / "journal").glob("*.jsonl"))


def _last_number(folder: Path) -> int:
    numbers = [path.name.partition("-")[0] for path in _journals(folder)]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> Path:
    """Write a file so that readers, and a kill, find either the old one or the new one.

    Args:
        path: its folder is made if it is not there.
        content: what to write.
        durable: wait for the disk; if not, a failure of the power may leave an empty file.

    Raises:
        OutputFolderError: if it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(UNFINISHED, f".{path.name}.", path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:  # an interrupt, too, must leave no half of a file behind
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputFolderError(
            f"{path} cannot be written ({error.strerror}); make room, or choose another folder"
        ) from error
    return path


def read_json(path: Path) -> Any:
    """Return the content of a JSON file that this project wrote.

    Raises:
        StoreError: if it is not there or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(_absence(path)) from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} is damaged: {error}; delete it and run again") from error


def _absence(path: Path) -> str:
    folder = path.parent
    if folder.is_dir():
        return f"{folder} is no run folder: it has no {path.name}"
    return f"{folder} is a file, not a run folder" if folder.exists() else f"{folder} is not there"
