"""The way of one image: read, cropped, degraded, restored, scored, recorded."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from restorebench.dataset import Item, readable
from restorebench.degradation import Scene
from restorebench.errors import (
    BenchError,
    CellError,
    ImageError,
    MethodBuildError,
    RestoreError,
)
from restorebench.image import centre_crop
from restorebench.method import Method
from restorebench.metrics import Metric
from restorebench.noise import degrade
from restorebench.plan import Column, Plan, Row
from restorebench.record import Record
from restorebench.store import Store

Float = NDArray[np.float32]


def measure(plan: Plan, store: Store, metrics: Mapping[str, Metric]) -> Iterator[Record]:
    """Score every image that the store does not hold yet, and yield each image's record.

    Whatever fails is one image's or one method's record; the rest goes on.

    Raises:
        OutputFolderError: if records cannot be written.
    """
    for row in plan.rows:
        method: Method | BenchError | None = None
        for column in plan.columns if row.absent is None else ():
            for item in column.chosen:
                identity = plan.identity(row, column, item)
                known = store.find(identity.key)
                if known is not None:
                    yield known
                    continue
                if method is None:
                    method = _built(row)
                record = Record(key=identity.key, identity=identity, session=store.session)
                record = _measured(record, method, column, item, metrics)
                store.append(record)
                yield record


def _built(row: Row) -> Method | BenchError:
    try:
        return row.build()
    except BenchError as error:
        return error
    except (Exception, SystemExit) as error:  # a method's constructor is foreign code
        return MethodBuildError(f"{row.label} cannot be built: {_one_line(error)}")


def _measured(
    record: Record,
    method: Method | BenchError,
    column: Column,
    item: Item,
    metrics: Mapping[str, Metric],
) -> Record:
    if isinstance(method, BenchError):
        return record.model_copy(update={"error": readable(str(method))})
    try:
        degraded, clean = load_pair(column, item)
        restored, seconds = _restored(method, degraded)
        scored = column.protocol.scored(restored)
        scores = {name: _score(metric, scored, clean) for name, metric in metrics.items()}
    except CellError as error:
        return record.model_copy(update={"error": readable(str(error))})
    except Exception as error:  # data sets, degradations and metrics are foreign code, too
        return record.model_copy(update={"error": readable(_one_line(error))})
    height, width = clean.shape[:2]
    return record.model_copy(
        update={"scores": scores, "seconds": seconds, "height": height, "width": width}
    )


def _score(metric: Metric, restored: Float, clean: Float) -> float:
    score = float(metric.score(restored, clean))
    if math.isnan(score):
        raise ImageError(f"{metric.title} of this image is not a number")
    return score


def load_pair(column: Column, item: Item) -> tuple[Float, Float]:
    """Return the degraded image and its target as the protocol has them.

    Returns:
        Two arrays H x W x 3, RGB float32 in [0, 1], cropped; the first is what methods are given.

    Raises:
        CellError: if a file cannot be scored.
    """
    photograph = column.source.dataset.load(item)
    multiple = column.protocol.spec.centre_crop
    try:
        clean = centre_crop(photograph.clean, multiple)
    except ImageError as error:
        raise ImageError(f"{item.target}: {error}") from error
    base = clean if photograph.degraded is None else centre_crop(photograph.degraded, multiple)
    if not column.source.mix:
        return _as_float(base), _as_float(clean)
    depth = None if photograph.depth is None else centre_crop(photograph.depth, multiple)
    rngs = column.noise.generators(item.image, column.source.mix)
    scene = Scene(base / 255.0, depth)
    degraded = degrade(scene, column.source.mix, rngs, column.protocol.noise)
    return degraded.astype(np.float32), _as_float(clean)


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
