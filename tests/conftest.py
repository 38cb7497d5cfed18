"""Small real data trees and suites; and reference facts, if they lie beside the project."""

from __future__ import annotations

import importlib.util
import signal
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import PIL.Image
import pytest
from hypothesis import settings

# A shared machine may be slow at any moment; what a test says must not depend on it.
settings.register_profile("project", settings(), deadline=None)
settings.load_profile("project")

# A shell starts what it runs in the background with interrupts ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png")

SUITE = """\
name: small
version: 1
title: Two small tasks
average: mean of the two tasks
tasks:
  - name: rain
    title: Rain
    kind: derain
    dataset: {dataset}
  - name: noise
    title: Noise
    kind: denoise
    dataset: {clean}
    mix:
      - gaussian_noise: {{sigma: 25}}
"""

DATASET = """\
name: {name}
title: Small {name}
count: 3
source: cut from the photographs of scikit-image
layouts:
  - input: {input}
"""


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of golden network outputs; the test is skipped where it is absent."""
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip("the reference folder with golden outputs does not lie beside the project")
    return folder


@pytest.fixture(scope="session")
def reference_weights(reference: Path) -> ModuleType:
    """The module that makes weights from tensor names, and inputs and image pairs from seeds."""
    spec = importlib.util.spec_from_file_location("weights", reference / "weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real test images; the test is skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real images does not lie beside the project")
    return folder


def photograph(name: str, height: int = 48, width: int = 64) -> np.ndarray:
    """Cut the middle out of a photograph that ships with scikit-image."""
    path = Path(str(files("skimage.data"))) / name
    with PIL.Image.open(path) as image:
        pixels = np.array(image)
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """Three pairs and three clean images, as PNG files."""
    root = tmp_path / "data"
    for folder in ("rain/input", "rain/target", "clean"):
        (root / folder).mkdir(parents=True)
    for index, name in enumerate(PHOTOGRAPHS):
        clean = photograph(name)
        rng = np.random.default_rng(index)
        rainy = np.clip(clean + rng.integers(-20, 60, clean.shape), 0, 255).astype(np.uint8)
        PIL.Image.fromarray(rainy).save(root / "rain/input" / f"{index}.png")
        PIL.Image.fromarray(clean).save(root / "rain/target" / f"{index}.png")
        PIL.Image.fromarray(clean).save(root / "clean" / f"{index}.png")
    return root


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of two tasks on that data, with its data sets, all as YAML files by path."""
    pairs = DATASET.format(name="pairs", input="rain/input/*.png")
    (tmp_path / "pairs.yaml").write_text(pairs + "    target: rain/target/{name}\n")
    (tmp_path / "clean.yaml").write_text(DATASET.format(name="clean", input="clean/*.png"))
    path = tmp_path / "small.yaml"
    path.write_text(SUITE.format(dataset=tmp_path / "pairs.yaml", clean=tmp_path / "clean.yaml"))
    return path
