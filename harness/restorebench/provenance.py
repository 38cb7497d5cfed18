"""What a number was made with: versions, device, commit, command line, source hashes."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from restorebench.data.dataset import readable
from restorebench.image import decoder_versions
from restorebench.metrics import Metric
from restorebench.spec import digest

SCORING_PACKAGES = ("restorebench", "torch", "numpy", "scipy", "scikit-image", "pillow")
OTHER_PACKAGES = ("pandas", "pyarrow", "pydantic", "torchvision")


def package_versions(names: tuple[str, ...] = SCORING_PACKAGES + OTHER_PACKAGES) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    return {name: found for name in names if (found := _version(name)) is not None}


@cache  # reading it takes a millisecond, and a worker says it for every bundle
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def environment_hash(metrics: Iterable[Metric] = ()) -> str:
    """Return a hash of what else a score can depend on: package versions and scoring source."""
    used = list(metrics)
    packages = _packages(SCORING_PACKAGES, used)
    modules = {"restorebench", *(m.score.__module__.partition(".")[0] for m in used)}
    versions = [package_versions(packages), decoder_versions()]
    return digest([*versions, *map(source_hash, sorted(modules))])[:12]


def _packages(names: tuple[str, ...], metrics: Iterable[Metric]) -> tuple[str, ...]:
    more = {package for metric in metrics for package in metric.packages}
    return names + tuple(sorted(more - set(names)))


def describe_session(
    session: str, started: str, device: str, metrics: Iterable[Metric] = ()
) -> dict[str, Any]:
    """Return what a manifest says of one session: where, with what and by which command.

    Args:
        session: its name.
        started: when, in ISO 8601.
        device: the device's own name.
        metrics: what scores.
    """
    import torch

    used = list(metrics)
    return {
        "session": session,
        "started": started,
        "command": readable(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        "python": platform.python_version(),
        "packages": package_versions(_packages(SCORING_PACKAGES + OTHER_PACKAGES, used)),
        "decoder": decoder_versions(),
        "environment": environment_hash(used),
        "platform": platform.platform(),
        "host": platform.node(),
        "device": device,
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "commit": source_commit(),
    }


def device_name(device: str) -> str:
    """Return ``cpu``, or the accelerator's own name, by which results are kept apart."""
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


@cache
def source_commit() -> str | None:
    """Return the git commit of this project's source, ``+changes`` if it was edited since.

    Of the package's own checkout, never of the folder that the user happens to stand in; ``None``
    for an installed package.
    """
    folder = Path(__file__).parent
    if not _git(folder, "ls-files", "--", __file__):
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return _git(folder, "rev-parse", "HEAD") + ("+changes" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def code_hash(cls: type) -> str:
    """Return a hash of the source that defines a class: the package it lives in, or its one file.

    A class whose source cannot be found gets a hash of its own each time, so that nothing it
    scored is ever reused.
    """
    return source_hash(cls.__module__.partition(".")[0])


@cache
def source_hash(package: str) -> str:
    """Return a hash of all Python files of a package, or of a module that is one file."""
    module = sys.modules.get(package)
    if module is None or getattr(module, "__file__", None) is None:
        return f"unknown-{uuid.uuid4().hex[:8]}"
    file = Path(str(module.__file__))
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.name.encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:12]
