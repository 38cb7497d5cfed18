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
from restorebench.column import Column
from restorebench.data.verification import Verdict, verify
from restorebench.errors import CellError, DataError
from restorebench.image import decoder_versions
from restorebench.provenance import package_versions, source_commit
from restorebench.suite import Fingerprint, Task
from restorebench.work import load_pair

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
    yield "decoder", ", ".join(f"{k} {v}" for k, v in decoder_versions().items())
    yield "packages", ", ".join(f"{k} {v}" for k, v in package_versions().items())
    yield "commit", source_commit() or "installed package"
    yield "threads", f"{torch.get_num_threads()} of {os.cpu_count()} CPUs"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield "accelerators", ", ".join(names) or "none: use --device cpu"


def check_datasets(catalog: Catalog, data_root: Path | None) -> list[Check]:
    """Look for every known task's images, verify the files, and compare what they score.

    Raises:
        DataError: if the data root is not a folder.
    """
    if data_root is not None and not data_root.is_dir():
        raise DataError(f"data root {data_root} is not a folder")
    verdicts: dict[str, Verdict] = {}
    checks = []
    for name in catalog.names("tasks"):
        task = catalog.task(name)
        dataset = task.real.dataset
        if dataset.name not in verdicts:
            verdicts[dataset.name] = verify(dataset, data_root)
        checks.append(_check(catalog, task, data_root, verdicts[dataset.name]))
    return checks


def _check(catalog: Catalog, task: Task, data_root: Path | None, verdict: Verdict) -> Check:
    images = f"{verdict.found} of {verdict.count}"
    said = "; ".join([*map(str, verdict.findings), verdict.where])
    if verdict.found == 0:
        sample = "the embedded sample stands in" if task.sample else "and it has no sample"
        wrong = verdict.status == "wrong variant"
        return Check(task.name, images, "-", f"{verdict.status}; {sample}", said, wrong)
    wrong = verdict.is_wrong and verdict.status != "partial"
    advice = said if verdict.is_wrong else ""
    known = [known for known in task.fingerprints if known.images == verdict.found]
    if not known:
        found = "-" if task.fingerprints else "none known"
        return Check(task.name, images, found, verdict.summary, advice, wrong)
    try:
        scores = [_scores(catalog, task, each, data_root) for each in known]
    except CellError as error:
        text = f"damaged: {error}"
        return Check(task.name, images, "-", text, verdict.where, wrong=True)
    found = "; ".join(_in_words(each, *score) for each, score in zip(known, scores, strict=True))
    agree = all(_agrees(each, *score) for each, score in zip(known, scores, strict=True))
    if agree or verdict.found != verdict.count:  # other images may make a part of the same size
        return Check(task.name, images, found, verdict.summary, advice, wrong)
    wanted = "; ".join(_in_words(each, each.psnr, each.ssim) for each in known)
    text = verdict.summary if verdict.is_wrong else "not the known copy"
    return Check(task.name, images, found, text, f"expected {wanted}; {said}", wrong=True)


def _in_words(known: Fingerprint, psnr: float, ssim: float) -> str:
    noise = f" with {known.noise}" if known.noise else ""
    return f"{known.protocol}{noise}: PSNR {psnr:.4f} dB, SSIM {ssim:.4f}"


def _scores(
    catalog: Catalog, task: Task, expected: Fingerprint, data_root: Path | None
) -> tuple[float, float]:
    """Return PSNR and SSIM of the degraded images, by the protocol of the fingerprint."""
    protocol = catalog.protocol(expected.protocol, expected.noise)
    items = task.real.dataset.find(data_root)
    column = Column(task=task, protocol=protocol, origin="real", source=task.real, items=items)
    metrics = [catalog.metric(protocol.spec.metrics[name]) for name in ("psnr", "ssim")]
    pairs = (load_pair(column, item) for item in items)
    seen = [[protocol.seen(image) for image in pair if image is not None] for pair in pairs]
    scores = [[metric.score(*pair) for metric in metrics] for pair in seen]
    psnr, ssim = map(float, np.mean(scores, axis=0))
    return psnr, ssim


def _agrees(expected: Fingerprint, psnr: float, ssim: float) -> bool:
    near = abs(psnr - expected.psnr) <= PSNR_TOLERANCE
    return near and abs(ssim - expected.ssim) <= SSIM_TOLERANCE
