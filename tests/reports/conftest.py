"""A real run whose board needs every word there is, and each renderer's output as text."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from torch import Tensor, nn

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style, table_of
from restorebench.catalog import Catalog
from restorebench.method import Card, Method
from restorebench.terminal import print_table

ON_SCREEN = "terminal"
UNLIKE = ("bibtex", "json")
"""No tables: the one holds no number, the other is held to its schema by test_document.py."""
RENDERERS = [*(n for n in Catalog.installed().names("renderers") if n not in UNLIKE), ON_SCREEN]

Rendered = Callable[..., str]


class Rebuilt(Method):
    """A network that was built from a paper and needs weights."""

    network_class = nn.Identity
    info = Card(title="Rebuilt", paper="none", status="reconstruction", needs_weights=True)


class Broken(Method):
    """Fails on every image."""

    network_class = nn.Identity
    info = Card(title="Broken", paper="none", status="external", needs_weights=False)

    def restore(self, x: Tensor) -> Tensor:
        raise ZeroDivisionError("on purpose")


@pytest.fixture
def noted(suite: Path, data_root: Path, tmp_path: Path) -> Leaderboard:
    """Sample, partial and limited columns; untrained, absent, rebuilt and failed rows."""
    (data_root / "rain" / "input" / "2.png").unlink()
    absent = (tmp_path / "pairs.yaml").read_text().replace("rain/", "absent/")
    (tmp_path / "absent.yaml").write_text(absent)
    task = (
        "  - name: blur\n    title: Blur\n    kind: deblur\n"
        f"    dataset: {tmp_path / 'absent.yaml'}\n"
        "    sample:\n      title: Sampled\n      dataset: sample\n"
        "      mix:\n        - gaussian_noise: {sigma: 25}\n"
    )
    suite.write_text(suite.read_text() + task)
    methods: list[str | Method] = [
        "identity",
        Rebuilt(precision="bfloat16"),
        Broken(precision="bfloat16"),
    ]
    board, without = (
        restorebench.run(
            str(suite),
            methods,
            data_root,
            limit=2,
            out=tmp_path / "run",
            untrained=untrained,
            precision="bfloat16",
        )
        for untrained in (True, False)
    )
    missing = without.info.rows[1].model_copy(update={"name": "absent", "title": "Absent"})
    rows = (*board.info.rows, missing)
    return Leaderboard(board.info.model_copy(update={"rows": rows}), board.records)


@pytest.fixture
def rendered(tmp_path: Path) -> Rendered:
    """Render a board, and return what was written."""

    def call(board: Leaderboard, renderer: str, style: Style = "plain") -> str:
        if renderer == ON_SCREEN:
            screen = StringIO()
            print_table(table_of(board, style), Console(file=screen, width=200))
            return screen.getvalue()
        path = Catalog.installed().renderer(renderer)(board, tmp_path / "tables", style)
        assert isinstance(path, Path)
        return path.read_text(encoding="utf-8")

    return call
