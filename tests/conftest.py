"""Where tests find the reference facts and the real images, if they lie beside the project."""

from __future__ import annotations

from pathlib import Path

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
def real_data() -> Path:
    """The folder of real test images; the test is skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real images does not lie beside the project")
    return folder
