"""Outputs that are odd, and images that are there twice, are said beside the numbers."""

from __future__ import annotations

import html
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import table_of
from restorebench.catalog import Catalog
from restorebench.flags import counted, flags_of
from restorebench.rows import Options
from restorebench.session import Session

PLUGIN = """
import torch
from restorebench import Card, Method

class Toy(Method):
    network_class = torch.nn.Identity
    info = Card(title="Toy", paper="none", status="external", needs_weights=False)

class Copy(Toy):
    info = Card(title="Copy", paper="none", status="external", needs_weights=False)

class Dark(Toy):
    info = Card(title="Dark", paper="none", status="external", needs_weights=False)
    forward = lambda self, x: x * 0.1

class Wild(Toy):
    info = Card(title="Wild", paper="none", status="external", needs_weights=False)
    forward = lambda self, x: x * 8

METHODS = {"copy": Copy, "dark": Dark, "wild": Wild}
"""


@pytest.fixture
def run_folder(suite: Path, data_root: Path, tmp_path: Path) -> Path:
    """A finished run of the degraded input and three odd methods; a rainy image is there twice."""
    shutil.copy(data_root / "rain/input/0.png", data_root / "rain/input/1.png")
    (tmp_path / "odd.py").write_text(PLUGIN)
    catalog = Catalog.installed([tmp_path / "odd.py"])
    methods = ["identity", "copy", "dark", "wild"]
    session = Session(str(suite), methods, Options(data_root=data_root), tmp_path / "run", catalog)
    assert len(list(session.measure())) == session.total
    session.finish()
    return tmp_path / "run"


def test_odd_outputs_are_counted_in_words_in_every_format(run_folder: Path) -> None:
    words = [
        "equal to its input on 3 of 3 images",
        "worse than its input on 3 of 3 images",
        "over 10% of the values out of range on 3 of 3 images",
        "duplicates: 1 of 3 images equal another one",
    ]
    assert set(words) <= set(table_of(Leaderboard.load(run_folder)).notes)
    for name in ("leaderboard.csv", "leaderboard.md", "leaderboard.tex", "leaderboard.html"):
        text = html.unescape((run_folder / name).read_text()).replace("\\%", "%")
        assert [word for word in words if word not in text] == [], name


def test_odd_outputs_are_told_apart_by_method(run_folder: Path) -> None:
    board = Leaderboard.load(run_folder)
    assert board.oddities("copy", "noise") == ["equal to its input on 3 of 3 images"]
    assert board.oddities("dark", "noise") == ["worse than its input on 3 of 3 images"]
    assert len(board.oddities("wild", "noise")) == 2
    flags = pd.read_csv(run_folder / "records.csv").groupby("method")["flags"]
    assert flags.get_group("identity").isna().all()  # which says so in its card
    assert flags.get_group("wild").str.contains(r"out of range: \d+ % of values clipped").all()


def test_duplicates_do_not_make_a_set_less_than_whole(run_folder: Path) -> None:
    assert [column.extent for column in Leaderboard.load(run_folder).info.columns] == ["", ""]


@given(st.floats(0, 1), st.floats(0.001, 0.5))
def test_what_comes_nearer_to_the_target_is_never_flagged(level: float, distance: float) -> None:
    clean = np.full((4, 4, 3), level, np.float32)
    degraded = clean + np.float32(distance)
    restored = clean + np.float32(distance / 2)
    assert flags_of(restored.clip(0, 1), degraded, clean) == ()


def test_without_a_target_nothing_is_worse() -> None:
    grey = np.full((4, 4, 3), 0.5, np.float32)
    assert flags_of(grey * 0, grey, None) == ()
    assert flags_of(grey * 0, grey, grey) == ("worse than input",)


def test_a_kind_of_a_newer_version_is_counted_under_its_own_name() -> None:
    assert counted(["upside down: 3", "upside down: 4"], 5) == ["upside down on 2 of 5 images"]


def test_flags_cost_next_to_nothing() -> None:
    # Against the cheapest thing that a network of this field does: one 3x3 convolution to 48
    # channels, of which the smallest has over a hundred.
    import torch

    rng = np.random.default_rng(0)
    clean, degraded, restored = (rng.random((320, 480, 3), dtype=np.float32) for _ in range(3))
    layer = torch.nn.Conv2d(48, 48, 3)
    features = torch.rand(1, 48, 320, 480)

    def seconds(work: object) -> float:
        assert callable(work)
        found = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            found.append(time.perf_counter() - start)
        return min(found)

    with torch.no_grad():
        convolution = seconds(lambda: layer(features))
    assert seconds(lambda: flags_of(restored, degraded, clean)) < convolution
