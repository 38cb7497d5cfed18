"""`Work`: one image on its way through a run, and the steps it takes: loaded, restored, scored."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from restorebench.column import Column
from restorebench.data.dataset import Item, readable
from restorebench.degradation import Scene
from restorebench.errors import BenchError, CellError, ImageError, MethodBuildError, RestoreError
from restorebench.flags import flags_of
from restorebench.image import centre_crop
from restorebench.method import Method
from restorebench.metrics import Metric
from restorebench.noise import degrade
from restorebench.plan import Plan, Row
from restorebench.record import Record
from restorebench.restored import RestoredFolder
from restorebench.tiling import Tiling

Float = NDArray[np.float32]
# With numbers of 64 bits, which metrics need; Apple's have none.
GPUS = {"cuda"}
CPU = torch.device("cpu")
NOT_FOREIGN = tuple(
    f"{Path(file).parent}{os.sep}" for file in (__file__, torch.__file__, np.__file__)
)
"""Folders of code in which a method's author does not look for a fault."""

Restorer = Method | RestoredFolder | BenchError
"""What restores: a method, a folder of images restored elsewhere, or why there is neither."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An image that is to be scored under one protocol, and its record without scores."""

    plan: Plan
    column: Column
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One image of one method under all protocols that give the method the same input."""

    row: Row
    item: Item
    pending: tuple[Pending, ...] = ()
    """What is to be scored; nothing if all is known."""
    known: tuple[Record, ...] = ()
    """Stored records, where nothing is pending."""
    degraded: Float | None = None
    """H x W x 3, what the method is given."""
    clean: Float | None = None
    """H x W x 3, or ``None`` where the set has no targets."""
    restored: Float | None = None
    """H x W x 3, as the method returned it."""
    device: torch.device = CPU
    """Where it was restored."""
    seconds: float | None = None
    batch: int = 1
    """How many images were restored at once."""
    error: Exception | None = None
    """Why it came no further."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of the degraded image, if that is to be restored; images of one shape may be a batch."""
        return None if self.degraded is None or self.restored is not None else self.degraded.shape


def built(row: Row) -> Restorer:
    """Return what restores the images of a row."""
    try:
        return row.build()
    except BenchError as error:
        return error
    except (Exception, SystemExit) as error:  # a method's constructor is foreign code
        return MethodBuildError(f"{row.label} cannot be built: {_one_line(error)}")


def load(work: Work, restorer: Restorer) -> Work:
    """Read and degrade the image; also its restored version, if that was made elsewhere."""
    if not work.pending:
        return work
    if isinstance(restorer, BenchError):
        return replace(work, error=restorer)
    try:
        column, restored = work.pending[0].column, None
        degraded, clean = load_pair(column, work.item)
        # After reading: else the score would stand under the fingerprint of other images.
        if work.item.content_hash() != column.contents[work.item.image]:
            raise ImageError(
                f"{work.item.image}: its files were changed during the run; start anew"
            )
        if isinstance(restorer, RestoredFolder):
            restored = _as_float(restorer.read(work.item, degraded.shape[:2]))
    except Exception as error:  # data sets and degradations are foreign code
        return replace(work, error=error)
    return replace(work, degraded=degraded, clean=clean, restored=restored)


def restore(works: Sequence[Work], restorer: Restorer) -> list[Work]:
    """Restore loaded images of one size at once; should that fail, one after the other."""
    if works[0].degraded is None or not isinstance(restorer, Method):
        return list(works)
    inputs = [work.degraded for work in works if work.degraded is not None]
    try:
        tiling = works[0].pending[0].plan.protocol.tiling
        images, seconds = _restored(restorer, np.stack(inputs), tiling)
    except Exception as error:  # methods are foreign code
        if len(works) > 1:
            return [one for work in works for one in restore([work], restorer)]
        return [replace(work, error=error) for work in works]
    return [
        replace(
            work,
            restored=image,
            device=restorer.device,
            seconds=seconds / len(works),
            batch=len(works),
        )
        for work, image in zip(works, images, strict=True)
    ]


def score(work: Work) -> list[Record]:
    """Return the records of a restored image, or of why there is none.

    Metrics that can be computed on a GPU are computed there if the method ran there.
    """
    if work.error is not None:
        return [_failed(one.record, work.error) for one in work.pending]
    if not work.pending:
        return []
    assert work.degraded is not None
    assert work.restored is not None
    echo = work.row.card.returns_input
    facts = {
        "height": work.degraded.shape[0],
        "width": work.degraded.shape[1],
        "seconds": work.seconds,
        "batch": work.batch,
        "flags": () if echo else flags_of(work.restored, work.degraded, work.clean),
    }
    records = []
    for one in work.pending:
        try:
            scores = _scores(one.plan, work)
        except Exception as error:  # metrics are foreign code
            records.append(_failed(one.record, error))
        else:
            records.append(one.record.model_copy(update={"scores": scores, **facts}))
    return records


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
    rngs = column.noise.generators(item.image, column.source.mix, item.draw)
    scene = Scene(base / 255.0, depth)
    degraded = degrade(scene, column.source.mix, rngs, column.protocol.noise)
    return degraded.astype(np.float32), target


def _as_float(pixels: NDArray[np.uint8]) -> Float:
    return pixels.astype(np.float32) / np.float32(255)


def _failed(record: Record, error: Exception) -> Record:
    reason = str(error) if isinstance(error, BenchError) else _one_line(error)
    return record.model_copy(update={"error": readable(reason)})


def _scores(plan: Plan, work: Work) -> dict[str, float]:
    images = [plan.protocol.seen(x) for x in (work.restored, work.clean) if x is not None]
    tensors = _on_gpu(images, work.device)
    scores = {}
    for name in plan.computable:
        score = _score(plan.metrics[name], images, tensors)
        if math.isnan(score):
            raise ImageError(f"{plan.metrics[name].title} of this image is not a number")
        scores[name] = score
    return scores


def _score(metric: Metric, images: Sequence[Float], tensors: Sequence[torch.Tensor]) -> float:
    if tensors and metric.of_tensors is not None:
        with suppress(torch.OutOfMemoryError):  # the network may need it all
            return metric.of_tensors(*tensors)
    return float(metric.score(*images if metric.needs_target else images[:1]))


def _on_gpu(images: Sequence[Float], device: torch.device) -> list[torch.Tensor]:
    with suppress(torch.OutOfMemoryError):
        return [torch.from_numpy(image).to(device) for image in images if device.type in GPUS]
    return []


def _restored(method: Method, degraded: Float, tiling: Tiling | None) -> tuple[Float, float]:
    """Return the restored versions of N x H x W x 3, and the seconds that took."""
    # By numpy: torch's own threads would wait busily for more, on the cores of loader and scorer.
    given = np.ascontiguousarray(degraded.transpose(0, 3, 1, 2))
    x, before = torch.from_numpy(given), given.copy()
    start = time.perf_counter()
    try:
        y: object = (
            tiling.restore(method.restore, x, method.info.size_multiple)
            if tiling
            else method.restore(x)
        )
        seconds = time.perf_counter() - start
    except CellError:
        raise
    except (Exception, SystemExit) as error:  # a method is foreign code
        if _lacks_memory(error):
            height, width = x.shape[-2:]
            raise RestoreError(
                f"out of memory on {method.device} for {(height, width)} pixels; "
                f"{_way_out(max(height, width), tiling, method.device)}"
            ) from error
        raise RestoreError(f"{method.info.title} failed: {_one_line(error)}") from error
    if not np.array_equal(given, before):
        raise RestoreError(f"{method.info.title} changed its input")
    if not isinstance(y, torch.Tensor):
        raise RestoreError(f"{method.info.title} returned a {type(y).__name__}, not a tensor")
    if y.shape != x.shape or y.dtype != torch.float32:
        raise RestoreError(
            f"{method.info.title} returned {tuple(y.shape)} {y.dtype} for {tuple(x.shape)} float32"
        )
    restored = y.detach().cpu().numpy()
    if bad := restored.size - np.count_nonzero(np.isfinite(restored)):
        raise RestoreError(f"{method.info.title} returned {bad} values that are NaN or infinite")
    return np.ascontiguousarray(restored.transpose(0, 2, 3, 1)), seconds


def _lacks_memory(error: BaseException) -> bool:
    # On the CPU torch has no class of its own for it.
    refused = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return refused or isinstance(error, (torch.OutOfMemoryError, MemoryError))


def _way_out(side: int, tiling: Tiling | None, device: torch.device) -> str:
    """Say what to do about an image that is too large, by its longer side."""
    tile = min(512, (tiling.size if tiling else side) // 2 // 64 * 64)
    ways = [f"restore it {'in smaller' if tiling else 'in'} tiles (--tile {tile} --overlap 32)"]
    ways = (ways if tile >= 128 else []) + ["use a larger device"]
    return " or ".join(ways if device.type == "cpu" else [*ways, "--device cpu"])


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    foreign = [f for f in frames if not f.filename.startswith(("<", *NOT_FOREIGN))]
    return f"{said} ({Path(foreign[-1].filename).name}:{foreign[-1].lineno})" if foreign else said
