"""Where boards lie: each in a folder of its own, so that none is written over another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from restorebench.board.info import BoardInfo
from restorebench.board.leaderboard import BOARD, Leaderboard
from restorebench.errors import StoreError
from restorebench.store import read_json


def folder_names(boards: Sequence[Leaderboard]) -> list[str]:
    """Return where boards of several runs are written: the first in the folder itself.

    Others lie within it, called as `own_folder` calls a run's own.
    """
    names = [""]
    for board in boards[1:]:
        names.append(next(name for name in _names(board.info) if name not in names))
    return names[: len(boards)]


def own_folder(run: Path, info: BoardInfo, *, first: bool) -> Path:
    """Return where a run writes a board: where the same protocol and suite were written before.

    A board that is new lies in the run folder itself if it is the first and no other lies there,
    else in a folder within that is called after its protocol, or after more where that is taken.
    """
    mine = info.protocol, info.suite
    known = ((run / name, _written(run / name)) for name in chain([""], _names(info)))
    return next(
        folder
        for folder, found in known
        if found == mine or (found is None and (first or folder != run))
    )


def names_left_out(folder: Path, info: BoardInfo) -> tuple[str, ...]:
    """Return the rows of the board in a folder that the one to be written there lacks."""
    try:
        found = [row["name"] for row in read_json(folder / BOARD)["rows"]]
    except (StoreError, KeyError, TypeError):
        return ()  # no board, or a damaged one
    return tuple(name for name in found if name not in {row.name for row in info.rows})


def _names(info: BoardInfo) -> Iterator[str]:
    """Yield names for a board's folder: ``airnet``, or ``airnet-bfloat16``, and so on."""
    protocol, _, noise = info.protocol.partition("/noise=")
    # Behind the noise stand reduced precision and tiles.
    short = "-".join([protocol.partition("@")[0], *noise.split("/")[1:]])
    yield short
    yield f"{short}-{info.suite}"
    yield from (f"{short}-{info.suite}-{number}" for number in count(2))


def _written(folder: Path) -> tuple[str, str] | None:
    """Return protocol and suite of the board in a folder; ``None`` for no board, or a damaged."""
    try:
        found = read_json(folder / BOARD)
        return found["protocol"], found["suite"]
    except (StoreError, KeyError, TypeError):
        return None
