"""`verify`: whether a run folder agrees with itself, and with its weights, data and methods."""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from restorebench.board.info import BoardInfo, describe_plan
from restorebench.board.leaderboard import BOARD, Leaderboard
from restorebench.catalog import Catalog
from restorebench.column import Column
from restorebench.consistency import (
    Check,
    check_files,
    check_parquet,
    consistent,
    name_of,
)
from restorebench.costs.profiling import read_costs
from restorebench.data.dataset import Item
from restorebench.errors import NothingSelectedError, StoreError, did_you_mean
from restorebench.plan import Plan, Row
from restorebench.record import Identity, Record
from restorebench.reduced import beside_float32
from restorebench.replan import plan_again
from restorebench.run_manifest import read_sessions, way_to_tables
from restorebench.runner import measure_again
from restorebench.store import read_records

SAMPLE = 5
"""How many records of each board are computed again where nothing is said."""
SHOWN = 8
"""How many names an error lists."""

# How far a score may move when it is computed again, relative to its size (1 at least). On the
# CPU of the same environment nothing but the number of threads can move it.
SAME_CPU = 1e-5
SAME_ACCELERATOR = 3e-4
ELSEWHERE = 1e-3
REDUCED_PRECISION = 1e-2

# A record made with another of these is computed again all the same, and its scores decide.
SURROUNDINGS = ("code", "environment", "device")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is verified, and where weights and data lie now if they have moved."""

    folder: Path
    sample: int | None = None
    """How many records of each board are computed again; ``None``: `SAMPLE`, or all if any are
    chosen by name."""
    seed: int = 0
    """Which ones."""
    data_root: Path | None = None
    weights: Mapping[str, Path] | None = None
    methods: tuple[str, ...] = ()
    """Whose records may be computed again; all, if none is named. So for tasks and images."""
    tasks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def chosen(self) -> dict[str, tuple[str, ...]]:
        """What was chosen by name, by the field of a record's identity."""
        every = {"method": self.methods, "task": self.tasks, "image": self.images}
        return {field: names for field, names in every.items() if names}

    def takes(self, record: Record) -> bool:
        """Tell whether a record may be computed again: it has scores, and the chosen names."""
        named = (getattr(record.identity, field) in names for field, names in self.chosen.items())
        return record.error is None and all(named)


def verify(asked: Asked, catalog: Catalog) -> Iterator[Check]:
    """Compare what a run folder holds with its journals, its inputs, and new measurements.

    Raises:
        StoreError: if the folder is no run folder.
        SetupError: if weights, data or methods are not here, so that nothing can be measured.
        NothingSelectedError: if no scored record of a table has the chosen names.
    """
    sessions = read_sessions(asked.folder / "manifest.json")
    folders = [path.parent for path in sorted(asked.folder.glob(f"*/{BOARD}"))]
    if (asked.folder / BOARD).is_file():
        folders.insert(0, asked.folder)
    if not folders:
        raise StoreError(way_to_tables(asked.folder))
    try:
        journals = consistent(list(read_records(asked.folder)))
    except StoreError as error:
        yield Check("journals", False, str(error))
        return
    boards = {folder: _loaded(folder) for folder in folders}
    readable = [board for board in boards.values() if isinstance(board, Leaderboard)]
    if len(readable) == len(boards):  # else a name may be in a table that is damaged, as is said
        _check_choice(asked, readable, journals)
    yield Check("journals", True, f"{len(journals)} records, each under its own key")
    for folder, board in boards.items():
        if isinstance(board, StoreError):
            yield Check(str(folder / BOARD), False, str(board))
        else:
            yield from _verify_board(asked, catalog, folder, board, journals, sessions)


def _loaded(folder: Path) -> Leaderboard | StoreError:
    """Return a folder's board, or why it cannot be read, which leaves the other boards alone."""
    try:
        return Leaderboard.load(folder)
    except StoreError as error:
        return error


def _check_choice(
    asked: Asked, boards: Iterable[Leaderboard], journals: Mapping[str, Record]
) -> None:
    """Refuse names that no scored record of a table has; a typing error would measure nothing."""
    keys = (key for board in boards for key in board.records["key"])
    found = [journals[key] for key in keys if key in journals]
    for field, names in asked.chosen.items():
        known = sorted({getattr(r.identity, field) for r in found if r.error is None})
        for name in names:
            if name not in known:
                more = ", ..." if len(known) > SHOWN else ""
                raise NothingSelectedError(
                    f"no scored record of {asked.folder} is of {field} {name!r}."
                    f"{did_you_mean(name, known)} It has {', '.join(known[:SHOWN]) or 'none'}{more}"
                )
    if not any(map(asked.takes, found)) and asked.chosen:
        words = (f"{field} {' or '.join(names)}" for field, names in asked.chosen.items())
        raise NothingSelectedError(f"no scored record of {asked.folder} is of {', '.join(words)}")


def _verify_board(
    asked: Asked,
    catalog: Catalog,
    folder: Path,
    board: Leaderboard,
    journals: Mapping[str, Record],
    sessions: list[dict[str, Any]],
) -> Iterator[Check]:
    yield check_parquet(folder, board, journals)
    yield from check_files(folder, board, journals, catalog)
    mine = board.info.sessions
    known = bool(mine) and list(mine) == sessions[: len(mine)]
    yield Check("manifest", known, "its sessions are the board's" if known else "not the board's")
    if not known:
        return
    plan = plan_again(board.info, catalog, data_root=asked.data_root, weights=asked.weights)
    records = [journals[key] for key in board.records["key"] if key in journals]
    # What was measured later, in float32, the board could not say. Workers add to the name.
    then = {session.get("session") for session in mine}
    known_then = {k: r for k, r in journals.items() if r.session.partition(".")[0] in then}
    plan = beside_float32(plan, records, known_then)
    costs = read_costs(asked.folder)
    stored = [costs[cost.key] for cost in board.info.costs if cost.key in costs]
    yield _board_json(folder, board.info, describe_plan(plan, mine, stored))
    changed = yield from _identities(plan, records)
    again = sorted(r.key for r in records if asked.takes(r) and r.key not in changed)
    most = SAMPLE if asked.sample is None else asked.sample
    if (asked.sample is not None or not asked.chosen) and most < len(again):
        again = random.Random(asked.seed).sample(again, most)
    for key in again:
        yield _measured_again(plan, journals[key])


def _board_json(folder: Path, info: BoardInfo, true: BoardInfo) -> Check:
    """Compare what a board says beside its numbers with what it would say now."""
    stored, now = (x.model_dump(mode="json") for x in (info, true))
    for key, value in now.items():
        if stored[key] != value:
            return Check(str(folder / BOARD), False, f"{key}: {_difference(stored[key], value)}")
    return Check(str(folder / BOARD), True, "says what the plan says")


def _difference(stored: Any, now: Any) -> str:
    """Say where two JSON values first differ."""
    if isinstance(stored, dict) and isinstance(now, dict):
        key = next(k for k in [*now, *stored] if stored.get(k) != now.get(k))
        return f"{now.get('name', '')} {key}: {_difference(stored.get(key), now.get(key))}".strip()
    if isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        return next(_difference(a, b) for a, b in zip(stored, now, strict=True) if a != b)
    return f"stored {stored!r}, now {now!r}"


def _identities(plan: Plan, records: Sequence[Record]) -> Generator[Check, None, set[str]]:
    """Compare what each record was made with to what is here; return the keys that differ."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        for field, now in _changes(plan, record):
            stored = str(getattr(record.identity, field))
            groups.setdefault((field, stored, now), []).append(record)
    changed: set[str] = set()
    for (field, stored, now), those in groups.items():
        agrees = None if field in SURROUNDINGS else False
        if agrees is False:
            changed |= {record.key for record in those}
        names = sorted({getattr(r.identity, _owner(field)) for r in those})
        detail = f"{len(those)} records were made with {stored[:40]}; here it is {now[:40]}"
        yield Check(f"{field} of {', '.join(names)}", agrees, detail)
    if not groups:
        yield Check("inputs", True, f"{len(records)} records were made with what is here")
    return changed


def _changes(plan: Plan, record: Record) -> Iterator[tuple[str, str]]:
    """Yield the fields of a record's identity that are otherwise here, and what they are here."""
    stored = record.identity
    found = _place(plan, record)
    if found is None:
        yield "image", "not there"
        return
    now = plan.identity(*found)
    for field in type(stored).model_fields:
        if getattr(stored, field) != getattr(now, field):
            yield field, str(getattr(now, field))


def _place(plan: Plan, record: Record) -> tuple[Row, Column, Item] | None:
    """Return the row, column and image of a record, if the plan has them."""
    stored = record.identity
    for row in plan.rows:
        for column in plan.columns if row.label == stored.method else ():
            for item in column.items if column.task.name == stored.task else ():
                if item.image == stored.image and stored.draw < column.repeats:
                    return row, column, replace(item, draw=stored.draw)
    return None


def _owner(field: str) -> str:
    """Return whether a field of an identity belongs to the ``method`` or to the ``task``."""
    ours = ("method", "config", "weights", "code", "precision", "device", "environment")
    return "method" if field in ours else "task"


def _measured_again(plan: Plan, record: Record) -> Check:
    """Measure a stored record's image again and compare the scores."""
    found = _place(plan, record)
    assert found is not None
    again = measure_again(plan, *found)
    if again.error is not None:
        return Check(name_of(record), False, f"fails now: {again.error}")
    allowed = tolerance(record.identity, again.identity)
    parts, agrees = [], True
    for name, stored in record.scores.items():
        now = again.scores.get(name, math.nan)
        close = stored == now or abs(stored - now) <= allowed * max(1.0, abs(stored))
        agrees = agrees and close
        parts.append(f"{name} {stored:.6g}" if close else f"{name} {stored:.6g}, now {now:.6g}")
    return Check(name_of(record), agrees, f"{', '.join(parts)} (within {allowed:g})")


def tolerance(stored: Identity, now: Identity) -> float:
    """Return how far a score may move, relative to its size, or to 1 if that is smaller."""
    if not stored.precision.startswith("float32"):
        return REDUCED_PRECISION
    if any(getattr(stored, field) != getattr(now, field) for field in SURROUNDINGS):
        return ELSEWHERE
    return SAME_CPU if now.device == "cpu" else SAME_ACCELERATOR
