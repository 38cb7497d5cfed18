"""Boards of several runs: which of them may share a table, and that table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from restorebench.board.info import BoardInfo, ColumnInfo, RowInfo
from restorebench.board.leaderboard import BOARD, Leaderboard
from restorebench.board.paired import PairedComparison
from restorebench.costs.record import CostRecord
from restorebench.errors import UsageError

MADE_WITH = ("config", "weights", "code", "precision", "device", "environment")
"""What, of a record's identity, makes two rows of one name the same row."""
UNLIKE = {
    "device": "other device: measured on {mine}, not {first}",
    "environment": "other versions: scored in environment {mine}, not {first}",
}
"""What, of a record's identity, a row has to say where it is not as the first row's."""


@dataclass(frozen=True, slots=True)
class RunBoard:
    """A board, and the name of the run it is from."""

    run: str
    board: Leaderboard


def load_boards(folders: Iterable[Path]) -> list[RunBoard]:
    """Read the boards of run folders, of each first its own and then those of further protocols.

    Raises:
        StoreError: if a folder holds none, or a damaged one.
    """
    distinct = list({folder.resolve(): folder for folder in folders})
    found = []
    for name, folder in zip(run_names(distinct), distinct, strict=True):
        further = [path.parent for path in sorted(folder.glob(f"*/{BOARD}"))]
        if (folder / BOARD).is_file() or not further:
            further.insert(0, folder)
        found += [RunBoard(name, Leaderboard.load(each)) for each in further]
    return found


def run_names(folders: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths that tell the folders apart.

    >>> run_names([Path("/a/first"), Path("/a/b"), Path("/c/b")])
    ['first', 'a/b', 'c/b']
    """
    depth = max((len(folder.parts) for folder in folders), default=0)
    ends = [["/".join(f.parts[-n:]) for n in range(1, depth + 1)] for f in folders]
    shared = [Counter(end[n] for end in ends) for n in range(depth)]
    return [
        next((name for n, name in enumerate(end) if shared[n][name] == 1), end[-1]) for end in ends
    ]


def merged(boards: Sequence[RunBoard]) -> list[Leaderboard]:
    """Put the rows of boards into one table wherever nothing keeps them apart, in their order.

    A measurement that several runs hold counts once. Rows of one name that are not the same
    measurement are called ``name@run``.

    Raises:
        ValueError: if there is no board.
    """
    groups: list[list[RunBoard]] = []
    for each in boards:
        alike = (g for g in groups if not kept_apart(g[0].board.info, each.board.info))
        group = next(alike, None)
        if group is None:
            groups.append([each])
        else:
            group.append(each)
    return [joined(group) for group in groups]


def kept_apart(one: BoardInfo, other: BoardInfo) -> str:
    """Say why two boards cannot share a table; empty if they can."""
    if reason := other_measure(one, other):
        return reason
    suites = [f"suite {info.suite}, version {info.suite_version}" for info in (one, other)]
    if suites[0] != suites[1]:
        return f"{suites[1]}, not {suites[0]}"
    theirs = {column.name: column for column in other.columns}
    for column in one.columns:
        if column.name not in theirs:
            return f"has no task {column.name}"
        if reason := other_images(column, theirs[column.name]):
            return f"{column.title}: {reason}"
    more = sorted(theirs.keys() - {column.name for column in one.columns})
    return f"has more tasks: {', '.join(more)}" if more else ""


def other_measure(one: BoardInfo, other: BoardInfo) -> str:
    """Say how the scores of one board mean something else than another's; empty if they agree."""
    if one.protocol != other.protocol:
        return f"protocol {other.protocol}, not {one.protocol}"
    for mine, theirs in zip(one.metrics, other.metrics, strict=True):  # the protocol names them
        if (mine.unavailable is None) != (theirs.unavailable is None):
            return f"{mine.title} could be computed in one of them only"
        if mine.computed_by != theirs.computed_by:
            return f"{mine.title} computed by {theirs.computed_by}, not {mine.computed_by}"
    return ""


def other_images(one: ColumnInfo, other: ColumnInfo) -> str:
    """Say how a task was scored on other images than another of its name; empty if it was not."""
    pairs = {
        "origin": (one.origin, other.origin),
        "data": (one.fingerprint[:12], other.fingerprint[:12]),
        "images": (one.count, other.count),
        "degradation": (one.mix, other.mix),
        "noise draws": (one.repeats, other.repeats),
    }
    return next((f"{k} {v[1]}, not {v[0]}" for k, v in pairs.items() if v[0] != v[1]), "")


def versus(
    a: tuple[RunBoard, str], b: tuple[RunBoard, str]
) -> tuple[PairedComparison, dict[str, str]]:
    """Compare a row of one board with a row of another, or of the same.

    Returns:
        The comparison; and the tasks that were left out, since the two boards do not share them or
        scored other images, with the reason.

    Raises:
        UsageError: if the two mean something else by their scores, share no task, or are one and
            the same measurement.
    """
    one, other = a[0].board.info, b[0].board.info
    who = f"{a[1]} of {a[0].run} and {b[1]} of {b[0].run} cannot be compared"
    if reason := other_measure(one, other):
        raise UsageError(f"{who}: {reason}")
    mine, theirs = ({c.name: c for c in info.columns} for info in (one, other))
    apart = {name: f"not in {b[0].run}" for name in mine if name not in theirs}
    apart |= {name: f"not in {a[0].run}" for name in theirs if name not in mine}
    for name in [name for name in mine if name in theirs]:
        starts = [_stream_starts(each.board, row, name) for each, row in (a, b)]
        if reason := other_images(mine[name], theirs[name]):
            apart[name] = f"in {b[0].run}: {reason}"
        elif all(starts) and starts[0] != starts[1]:
            apart[name] = f"in {b[0].run}: the continued stream of its noise began elsewhere"
    tasks = [name for name in mine if name not in apart]
    if not tasks:
        raise UsageError(f"{who}: {'; '.join(f'{t}: {why}' for t, why in apart.items())}")
    fewer = bool(apart) and len(tasks) > 1
    parts = [RunBoard(x.run, _restricted(x.board, row, tasks, fewer)) for x, row in (a, b)]
    board = joined(parts)
    names = [row.name for row in board.info.rows]
    if len(names) < 2:
        raise UsageError(f"{who}: they are one and the same measurement")
    return board.compare(names[0], names[1]), apart


def _stream_starts(board: Leaderboard, row: str, task: str) -> set[int]:
    """Return where the noise of a cell began in its stream, as earlier tasks decide."""
    records = board.records
    if "stream_start" not in records:
        return set()
    return set(records[(records["method"] == row) & (records["task"] == task)]["stream_start"])


def _restricted(board: Leaderboard, row: str, tasks: Sequence[str], fewer: bool) -> Leaderboard:
    info = board.info
    changes: dict[str, object] = {
        "rows": tuple(each for each in info.rows if each.name == row),
        "columns": tuple(column for column in info.columns if column.name in tasks),
        "average": f"mean of the {len(tasks)} tasks compared" if fewer else info.average,
    }
    return replace(board, info=info.model_copy(update=changes))


def joined(boards: Sequence[RunBoard]) -> Leaderboard:
    """Put the rows of boards of the same protocol and columns into one board."""
    named = list(_named(boards))
    first = boards[0].board
    tasks = [column.name for column in first.info.columns]
    parts = []
    for label, row, board in named:
        mine = board.records[(board.records["method"] == row.name)]
        parts.append(mine[mine["task"].isin(tasks)].assign(method=label))
    rows = {label: row.model_copy(update={"name": label}) for label, row, _ in reversed(named)}
    labels = list(dict.fromkeys(label for label, _, _ in named))
    records = _counted_once(pd.concat(parts, ignore_index=True), labels, tasks, first.info)
    sessions: list[dict[str, object]] = []
    for each in boards:
        sessions += [s for s in each.board.info.sessions if s not in sessions]
    devices = dict.fromkeys(name for b in boards for name in b.board.info.device.split(", "))
    info = first.info.model_copy(
        update={
            "rows": tuple(_set_apart(rows[label], records) for label in labels),
            "sessions": tuple(sessions),
            "device": ", ".join(devices),
            "costs": tuple(_costs(named)),
        }
    )
    pictures = dict.fromkeys(path for each in boards for path in each.board.pictures)
    return Leaderboard(info, records, pictures=tuple(pictures))


def _named(boards: Sequence[RunBoard]) -> Iterator[tuple[str, RowInfo, Leaderboard]]:
    """Yield every row with the label it gets; the same measurement has the same label."""
    rows = [(each, row) for each in boards for row in each.board.info.rows]
    made: dict[str, dict[tuple[str, ...], str]] = {}
    for each, row in rows:
        if not row.absent:
            made.setdefault(row.name, {}).setdefault(_made_with(each.board, row), each.run)
    unscored = set()
    for each, row in rows:
        known = made.get(row.name, {})
        if row.absent:
            if known or row.name in unscored:
                continue
            unscored.add(row.name)
        run = known.get(_made_with(each.board, row), "")
        yield f"{row.name}@{run}" if len(known) > 1 else row.name, row, each.board


def _made_with(board: Leaderboard, row: RowInfo) -> tuple[str, ...]:
    mine = board.records[board.records["method"] == row.name]
    names = [name for name in MADE_WITH if name in mine]
    if len(mine) and names:
        return tuple(map(str, mine.iloc[0][names]))
    return row.config, row.weights, row.code, row.precision


def _counted_once(
    records: pd.DataFrame, labels: Sequence[str], tasks: Sequence[str], info: BoardInfo
) -> pd.DataFrame:
    """Return each measurement once, in the order of rows, tasks and images.

    A success counts more than a failure, as in a store.
    """
    images = {image: place for place, image in enumerate(dict.fromkeys(records["image"]))}
    places = pd.DataFrame(
        {
            "row": records["method"].map({label: place for place, label in enumerate(labels)}),
            "task": records["task"].map({task: place for place, task in enumerate(tasks)}),
            "image": records["image"].map(images),
            "draw": records.get("draw", 0),
            "failed": records["error"].notna(),
        }
    )
    places = places.sort_values(["row", "task", "image", "draw", "failed"], kind="stable")
    ordered, places = records.loc[places.index], places.drop(columns="failed")
    repeated = ordered["key"].duplicated() if "key" in ordered else places.duplicated()
    return ordered[~repeated].reset_index(drop=True)


def _set_apart(row: RowInfo, records: pd.DataFrame) -> RowInfo:
    """Return a row that says where it was measured otherwise than the first of the records."""
    words = list(row.words)
    for name, text in UNLIKE.items():
        if name not in records or records.empty:
            continue
        used = records.groupby("method", sort=False)[name].first()
        mine, first = used.get(row.name, used.iloc[0]), used.iloc[0]
        said = text.format(mine=mine, first=first)
        if mine != first and said not in words:
            words.append(said)
    return row.model_copy(update={"words": tuple(words)})


def _costs(named: Iterable[tuple[str, RowInfo, Leaderboard]]) -> Iterator[CostRecord]:
    """Yield what the rows cost, under their new names."""
    known = set()
    for label, row, board in named:
        for cost in board.info.costs:
            if cost.identity.method == row.name and (label, cost.key) not in known:
                known.add((label, cost.key))
                identity = cost.identity.model_copy(update={"method": label})
                yield cost.model_copy(update={"identity": identity})
