"""Where tests find the reference facts and the real images, if they lie beside the project."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
