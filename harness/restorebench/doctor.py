"""What `restorebench doctor` finds out about the machine, and about the data sets on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from restorebench.catalog import Catalog
from restorebench.errors import CellError, DataError
from restorebench.plan import Column
from restorebench.provenance import package_versions, source_commit
from restorebench.runner import load_pair
from restorebench.suite import Fingerprint, Task

PSNR_TOLERANCE = 0.00005
SSIM_TOLERANCE = 0.00005


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one task's images."""

    task: str
    images: str
    fingerprint: str
    verdict: str
    advice: str = ""
    wrong: bool = False
    """Whether the images that are there must not be scored under the task's name."""


def check_machine() -> Iterator[tuple[str, str]]:
    """Yield facts about this machine, as pairs of label and text."""
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    yield "packages", ", ".join(f"{k} {v}" for k, v in package_versions().items())
    yield "commit", source_commit() or "installed package"
    yield "threads", f"{torch.get_num_threads()} of {os.cpu_count()} CPUs"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield "accelerators", ", ".join(names) or "none: use --device cpu"


def check_datasets(catalog: Catalog, data_root: Path | None) -> list[Check]:
    """Look for every known task's images and compare what the degraded ones score.

    Raises:
        DataError: if the data root is not a folder.
    """
    if data_root is not None and not data_root.is_dir():
        raise DataError(f"data root {data_root} is not a folder")
    return [_check(catalog, catalog.task(name), data_root) for name in catalog.names("tasks")]


def _check(catalog: Catalog, task: Task, data_root: Path | None) -> Check:
    dataset = task.real.dataset
    items = dataset.find(data_root)
    if not items:
        sample = "the embedded sample stands in" if task.sample else "and it has no sample"
        return Check(task.name, f"0 of {dataset.count}", "-", f"absent; {sample}", dataset.where())
    images = f"{len(items)} of {dataset.count}"
    if len(items) != dataset.count:
        more = len(items) > dataset.count
        kind = "not the known set" if more else "partial"
        return Check(task.name, images, "-", kind, dataset.where(), wrong=more)
    expected = task.fingerprint
    if expected is None:
        return Check(task.name, images, "none known", "complete")
    protocol = catalog.protocol(expected.protocol, expected.noise)
    column = Column(task=task, protocol=protocol, origin="real", source=task.real, items=items)
    metrics = [catalog.metric(protocol.spec.metrics[name]) for name in ("psnr", "ssim")]
    try:
        pairs = (load_pair(column, item) for item in items)
        seen = [[protocol.seen(image) for image in pair if image is not None] for pair in pairs]
        scores = [[metric.score(*pair) for metric in metrics] for pair in seen]
    except CellError as error:
        return Check(task.name, images, "-", f"damaged: {error}", dataset.where(), wrong=True)
    psnr, ssim = map(float, np.mean(scores, axis=0))
    found = f"PSNR {psnr:.4f} dB, SSIM {ssim:.4f}"
    if _agrees(expected, psnr, ssim):
        return Check(task.name, images, found, "ok")
    wanted = f"expected PSNR {expected.psnr:.4f} dB, SSIM {expected.ssim:.4f}"
    advice = f"{wanted}: re-encoded, resized or another copy. {dataset.where()}"
    return Check(task.name, images, found, "not the known copy", advice, wrong=True)


def _agrees(expected: Fingerprint, psnr: float, ssim: float) -> bool:
    near = abs(psnr - expected.psnr) <= PSNR_TOLERANCE
    return near and abs(ssim - expected.ssim) <= SSIM_TOLERANCE
