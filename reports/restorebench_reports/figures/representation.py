"""What the networks of a run make of its images: their own representation of the degradation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from restorebench.board.leaderboard import Leaderboard
from restorebench.column import Column
from restorebench.errors import NothingSelectedError, StoreError, UnknownNameError
from restorebench.method import Method
from restorebench.plan import Plan, Row
from restorebench.work import load_pair

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """One image, and what a network sees in it."""

    column: Column
    image: str
    degraded: Float
    """H x W x 3 in [0, 1]."""
    padded: tuple[int, int]
    """Height and width with which the network was given it."""
    named: dict[str, Float]
    """What `Method.embedding` returns, without the axis of the batch."""


def seen(board: Leaderboard, plan: Plan, name: str, images: int) -> Iterator[Seen]:
    """Yield what a method's network sees in the first images of each task.

    Args:
        board: the run's board.
        plan: the same, planned again; see `plan_again`.
        name: of the row.
        images: how many of each task.

    Raises:
        UnknownNameError: if there is no such row.
        StoreError: if its weights, or the data, are others now than in the run.
        NothingSelectedError: if it was not scored, or is no network.
        RestoreError: if the network has no representation of the degradation.
    """
    row = _row(board, plan, name)
    stored = {column.name: column.fingerprint for column in board.info.columns}
    method = row.build()
    if not isinstance(method, Method):
        raise NothingSelectedError(f"{name} is a folder of restored images, no network")
    for column in plan.columns:
        if column.fingerprint != stored[column.task.name]:
            raise StoreError(f"the images of {column.task.name} are others now than in the run")
        for item in column.chosen[:images]:
            degraded, _ = load_pair(column, item)
            x = torch.from_numpy(degraded).permute(2, 0, 1)[None].contiguous()
            found = {
                key: value[0].float().cpu().numpy() for key, value in method.embedding(x).items()
            }
            height, width = method.prepare(x).shape[-2:]
            yield Seen(column, item.image, degraded, (height, width), found)


def chosen_layer(named: dict[str, Float], layer: str | None, axes: int) -> str:
    """Return the name that is asked for, or the first whose array has as many axes.

    Raises:
        UnknownNameError: if there is none of that name.
        NothingSelectedError: if none has as many axes.
    """
    if layer is not None:
        if layer not in named:
            raise UnknownNameError("representation", layer, named)
        return layer
    found = next((name for name, array in named.items() if array.ndim == axes), None)
    if found is None:
        raise NothingSelectedError(
            f"no representation has {axes} axes; choose one with --layer: {', '.join(named)}"
        )
    return found


def _row(board: Leaderboard, plan: Plan, name: str) -> Row:
    stored = {row.name: row for row in board.info.rows}
    rows = {row.label: row for row in plan.rows if row.label in stored}
    if name not in rows:
        raise UnknownNameError("row", name, rows)
    row = rows[name]
    if row.absent is not None:
        raise NothingSelectedError(f"{name} was not scored: {row.absent}")
    if row.weights != stored[name].weights:
        raise StoreError(f"the weights of {name} are others now than in the run; give --weights")
    return row
