"""Compiling with a real engine, where one is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

STOP = ("-interaction=nonstopmode", "-halt-on-error")


def engine() -> str:
    """Return pdflatex; the test is skipped where there is none."""
    found = shutil.which("pdflatex")
    if found is None:
        pytest.skip("pdflatex is not on PATH")
    return found


def compiled(file: Path, error: str = "") -> str:
    """Compile a file, or see it stopped by an error of this text, and return the log."""
    done = subprocess.run(
        [engine(), *STOP, file.name], cwd=file.parent, capture_output=True, timeout=300, check=False
    )
    log = done.stdout.decode(errors="replace")
    if error:
        assert done.returncode != 0
        # The engine breaks lines after 79 letters.
        assert error in log.replace("\n", ""), log[-2000:]
    else:
        assert done.returncode == 0, log[-2000:]
        assert file.with_suffix(".pdf").is_file()
    return log


def with_references(file: Path) -> str:
    """Compile a file as often as its citations need, and return the last log."""
    compiled(file)
    bibtex = Path(engine()).with_name("bibtex")
    subprocess.run([bibtex, file.stem], cwd=file.parent, capture_output=True, check=True)
    compiled(file)
    return compiled(file)
