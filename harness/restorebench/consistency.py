"""Whether the files of a run folder agree with one another; nothing is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from restorebench.board.files import write_board
from restorebench.board.leaderboard import BOARD, Leaderboard
from restorebench.board.table import Style
from restorebench.catalog import Catalog
from restorebench.errors import StoreError
from restorebench.record import Record
from restorebench.store import prevailing

PARQUET = "records.parquet"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared."""

    what: str
    agrees: bool | None
    """``None`` if it could not be compared."""
    detail: str


def consistent(records: Sequence[Record]) -> dict[str, Record]:
    """Return the records by key, as the store does.

    Raises:
        StoreError: if a measurement was stored twice with different scores.
    """
    found = prevailing(records)
    for record in records:
        if record.error is None and record.scores.items() - found[record.key].scores.items():
            raise StoreError(f"{name_of(record)} is stored twice with different scores")
    return found


def check_parquet(folder: Path, board: Leaderboard, journals: Mapping[str, Record]) -> Check:
    """Compare the records of a board with the journals, row by row and value by value."""
    what, expected = str(folder / PARQUET), _from_journals(board, journals).told
    stored = pd.read_parquet(folder / PARQUET)  # a board that was read has left the words away
    for (_, found), (_, true) in zip(stored.iterrows(), expected.iterrows(), strict=False):
        for name in expected.columns:
            if name not in found or not _same(found[name], true[name]):
                where = f"{true['method']} on {true['task']}, {true['image']}"
                value = found.get(name, "nothing")
                detail = f"{where}: {name} is {value!r} there, {true[name]!r} in the journal"
                return Check(what, False, detail)
    images = sum(column.count * column.repeats for column in board.info.columns)
    wanted = images * sum(row.absent is None for row in board.info.rows)
    if len(board.records) != wanted:
        return Check(what, False, f"{len(board.records)} rows, but {wanted} images were to score")
    if len(board.records) != len(expected):
        missing = len(board.records) - len(expected)
        return Check(what, False, f"{missing} of its rows stand in no journal")
    return Check(what, True, f"{len(expected)} rows equal the journals")


def _from_journals(board: Leaderboard, journals: Mapping[str, Record]) -> Leaderboard:
    records = [journals[key] for key in board.records["key"] if key in journals]
    return Leaderboard.from_records(board.info, records, board.pictures)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) if not (pd.isna(one) and pd.isna(other)) else True


def check_files(
    folder: Path, board: Leaderboard, journals: Mapping[str, Record], catalog: Catalog
) -> Iterator[Check]:
    """Write all tables anew from the journals, in both styles, and compare them byte by byte."""
    true = _from_journals(board, journals)
    wanted: dict[str, set[bytes]] = {}
    for style in get_args(Style):
        with tempfile.TemporaryDirectory() as scratch:
            for path in write_board(true, Path(scratch), catalog, style).files:
                wanted.setdefault(path.name, set()).add(path.read_bytes())
    for name, contents in sorted(wanted.items()):
        if name in (BOARD, PARQUET):  # compared by value
            continue
        path = folder / name
        found = path.read_bytes() if path.is_file() else None
        agrees = found in contents
        detail = "equals what the records give" if agrees else "not what the records give"
        yield Check(str(path), agrees, detail if found is not None else "is not there")


def name_of(record: Record) -> str:
    """Return which image of which method and task a record is of."""
    stored = record.identity
    return f"{stored.method} on {stored.task}, {stored.image}"
