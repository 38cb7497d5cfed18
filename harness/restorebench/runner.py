"""The way of one image: read, cropped, degraded, restored, scored, recorded."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from restorebench.column import Column
from restorebench.data.dataset import Item, readable
from restorebench.degradation import Scene
from restorebench.errors import (
    BenchError,
    CellError,
    ImageError,
    MethodBuildError,
    RestoreError,
)
from restorebench.flags import flags_of
from restorebench.image import centre_crop
from restorebench.method import Method
from restorebench.noise import degrade
from restorebench.pictures import Keep, keep_nothing
from restorebench.plan import Plan, Row
from restorebench.record import Record
from restorebench.restored import RestoredFolder
from restorebench.store import Journal

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Pending:
    """An image that is to be scored under one protocol, and its record without scores."""

    plan: Plan
    column: Column
    record: Record


def measure(plans: Sequence[Plan], store: Journal, keep: Keep = keep_nothing) -> Iterator[Record]:
    """Score every image that the store does not hold yet, and yield each image's record.

    An image is restored once for all protocols that give the method the same input. Whatever fails
    is one image's or one method's record; the rest goes on.

    Args:
        plans: one for each protocol, of the same rows and tasks.
        store: where records are kept.
        keep: is shown the images of each record before that is stored.

    Raises:
        OutputFolderError: if records cannot be written.
    """
    for row in plans[0].rows:
        if row.absent is None:
            yield from _measured_row(plans, row, store, keep)


def measure_again(plan: Plan, row: Row, column: Column, item: Item) -> Record:
    """Score one image as `measure` does, and store nothing."""
    identity = plan.identity(row, column, item)
    record = Record(key=identity.key, identity=identity, session="")
    (scored,) = _measured([_Pending(plan, column, record)], _built(row), item)
    return scored


def _measured_row(plans: Sequence[Plan], row: Row, store: Journal, keep: Keep) -> Iterator[Record]:
    method: Method | RestoredFolder | BenchError | None = None
    for columns in zip(*(plan.columns for plan in plans), strict=True):
        for item in columns[0].chosen:
            pending = []
            for plan, column in zip(plans, columns, strict=True):
                identity = plan.identity(row, column, item)
                known = store.find(identity.key)
                if known is not None and known.scores.keys() >= set(plan.computable):
                    yield known
                else:
                    record = Record(key=identity.key, identity=identity, session=store.session)
                    pending.append(_Pending(plan, column, record))
            if pending and method is None:
                method = _built(row)
            for record in _measured(pending, method, item, keep):
                store.append(record)
                yield record


def _built(row: Row) -> Method | RestoredFolder | BenchError:
    try:
        return row.build()
    except BenchError as error:
        return error
    except (Exception, SystemExit) as error:  # a method's constructor is foreign code
        return MethodBuildError(f"{row.label} cannot be built: {_one_line(error)}")


def _measured(
    pending: Sequence[_Pending],
    method: Method | RestoredFolder | BenchError | None,
    item: Item,
    keep: Keep = keep_nothing,
) -> Iterator[Record]:
    """Restore one image once for each input that the protocols ask for, and score it."""
    by_input: dict[tuple[int, str], list[_Pending]] = {}
    for one in pending:
        by_input.setdefault(one.column.input, []).append(one)
    for group in by_input.values():
        assert method is not None
        try:
            if isinstance(method, BenchError):
                raise method
            degraded, clean = load_pair(group[0].column, item)
            if isinstance(method, RestoredFolder):
                restored, seconds = _as_float(method.read(item, degraded.shape[:2])), None
            else:
                restored, seconds = _restored(method, degraded)
        except Exception as error:  # data sets, degradations and methods are foreign code
            for one in group:
                yield _failed(one.record, error)
            continue
        facts = {
            "height": degraded.shape[0],
            "width": degraded.shape[1],
            "seconds": seconds,
            "flags": () if method.info.returns_input else flags_of(restored, degraded, clean),
        }
        for one in group:
            try:
                scores = _scores(one.plan, restored, clean)
            except Exception as error:  # so are metrics
                yield _failed(one.record, error)
            else:
                keep(one.record, degraded, restored, clean)
                yield one.record.model_copy(update={"scores": scores, **facts})


def _failed(record: Record, error: Exception) -> Record:
    reason = str(error) if isinstance(error, BenchError) else _one_line(error)
    return record.model_copy(update={"error": readable(reason)})


def _scores(plan: Plan, restored: Float, clean: Float | None) -> dict[str, float]:
    seen = plan.protocol.seen(restored)
    target = None if clean is None else plan.protocol.seen(clean)
    scores = {}
    for name in plan.computable:
        metric = plan.metrics[name]
        score = float(metric.score(seen, target) if metric.needs_target else metric.score(seen))
        if math.isnan(score):
            raise ImageError(f"{metric.title} of this image is not a number")
        scores[name] = score
    return scores


def load_pair(column: Column, item: Item) -> tuple[Float, Float | None]:
    """Return the degraded image and its target as the protocol has them.

    Returns:
        Two arrays H x W x 3, RGB float32, cropped: the first is what methods are given, in [0, 1]
        unless the noise scheme does not clip; the second its target in [0, 1], or ``None`` where
        the set has no references.

    Raises:
        CellError: if a file cannot be scored.
    """
    photograph = column.source.dataset.load(item)
    multiple = column.protocol.spec.centre_crop
    try:
        clean = None if photograph.clean is None else centre_crop(photograph.clean, multiple)
        base = clean if photograph.degraded is None else centre_crop(photograph.degraded, multiple)
    except ImageError as error:
        raise ImageError(f"{item.target or item.degraded}: {error}") from error
    assert base is not None
    target = None if clean is None else _as_float(clean)
    if not column.source.mix:
        return _as_float(base), target
    depth = None if photograph.depth is None else centre_crop(photograph.depth, multiple)
    rngs = column.noise.generators(item.image, column.source.mix)
    scene = Scene(base / 255.0, depth)
    degraded = degrade(scene, column.source.mix, rngs, column.protocol.noise)
    return degraded.astype(np.float32), target


def _as_float(pixels: NDArray[np.uint8]) -> Float:
    return pixels.astype(np.float32) / np.float32(255)


def _restored(method: Method, degraded: Float) -> tuple[Float, float]:
    x = torch.from_numpy(degraded).permute(2, 0, 1)[None].contiguous()
    before = x.clone()
    start = time.perf_counter()
    try:
        y: object = method.restore(x)
        seconds = time.perf_counter() - start
    except CellError:
        raise
    except torch.OutOfMemoryError as error:
        raise RestoreError(
            f"out of memory on {method.device} for {tuple(x.shape[-2:])} pixels; "
            "use a larger device or --device cpu"
        ) from error
    except (Exception, SystemExit) as error:  # a method is foreign code
        raise RestoreError(f"{method.info.title} failed: {_one_line(error)}") from error
    if not torch.equal(x, before):
        raise RestoreError(f"{method.info.title} changed its input")
    if not isinstance(y, torch.Tensor):
        raise RestoreError(f"{method.info.title} returned a {type(y).__name__}, not a tensor")
    if y.shape != x.shape or y.dtype != torch.float32:
        raise RestoreError(
            f"{method.info.title} returned {tuple(y.shape)} {y.dtype} for {tuple(x.shape)} float32"
        )
    if not bool(torch.isfinite(y).all()):
        bad = int((~torch.isfinite(y)).sum())
        raise RestoreError(f"{method.info.title} returned {bad} values that are NaN or infinite")
    return np.ascontiguousarray(y[0].detach().cpu().permute(1, 2, 0).numpy()), seconds


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
