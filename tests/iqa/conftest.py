"""pyiqa without a network and with no weights but those that a test plants."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from restorebench_benchmarks import iqa

from ..harness.conftest import Cli, cli  # noqa: TID252 - the same processes as there

__all__ = ["Cli", "cli"]
Image = NDArray[np.float32]


@pytest.fixture(scope="session", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Send every download to a port where nobody listens, before pyiqa reads its settings."""
    if find_spec("pyiqa") is None:
        pytest.skip("pyiqa is not installed: run `nox -s iqa`")
    with socket.socket() as closed, pytest.MonkeyPatch.context() as patch:
        closed.bind(("127.0.0.1", 0))  # bound, but never listening: connections are refused
        for name in [n for n in os.environ if n.lower() == "no_proxy"]:
            patch.delenv(name)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        yield


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that weights are looked for in, forgetting what was built before."""
    from pyiqa.utils import download_util

    folder = tmp_path / "torch"
    for name in ("checkpoints", "pyiqa"):
        (folder / "hub" / name).mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(folder))
    monkeypatch.setattr(download_util, "DEFAULT_CACHE_DIR", str(folder / "hub" / "pyiqa"))
    iqa._network.cache_clear()
    yield folder
    iqa._network.cache_clear()


@pytest.fixture(scope="session")
def clean() -> Image:
    """A photograph, 192 x 208, large enough for five scales."""
    return np.asarray(astronaut()[100:292, 100:308] / 255, np.float32)


def noisy(clean: Image, sigma: float) -> Image:
    noise = np.random.default_rng(0).standard_normal(clean.shape) * sigma / 255
    return (clean + noise).clip(0, 1).astype(np.float32)
