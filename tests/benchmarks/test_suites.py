"""The suites that ship: all load, name their average, and run on a machine without data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from ruamel.yaml import YAML
from scipy.io import savemat

import restorebench
from restorebench.catalog import Catalog
from restorebench.errors import DataError

CATALOG = Catalog.installed()
NAMES = CATALOG.names("suites")
NEEDS_DATA = {"real"}
"""Photographs without a reference; nothing embedded can stand in for them."""


def columns(name: str) -> list[str]:
    return [task.name for task in CATALOG.suite(name).tasks]


@pytest.mark.parametrize("name", NAMES)
def test_every_suite_says_what_its_average_is_and_has_a_sample(name: str) -> None:
    suite = CATALOG.suite(name)
    assert suite.name == name
    assert "column" in suite.average or "task" in suite.average
    if name not in NEEDS_DATA:
        assert all(task.sample is not None for task in suite.tasks)


def test_no_column_has_the_title_of_another_of_its_suite() -> None:
    for name in NAMES:
        titles = [task.title for task in CATALOG.suite(name).tasks]
        assert len(set(titles)) == len(titles)


def test_a_sample_never_goes_by_the_name_of_the_real_set() -> None:
    for name in NAMES:
        for task in CATALOG.suite(name).tasks:
            if task.sample is not None:
                assert task.real.dataset.title not in task.sample.title


SIGMAS = (15, 25, 50)
NOISE = ["bsd68_s15", "bsd68_s25", "bsd68_s50"]
NOISE_X2 = ["bsd68_s15_x2", "bsd68_s25_x2", "bsd68_s50_x2"]


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("three_deg", ["sots_outdoor", "rain100l", *NOISE]),
        ("five_deg", ["sots_outdoor", "rain100l", "bsd68_s25", "gopro", "lol_v1"]),
        ("noise_rain", [*NOISE, "rain100l"]),
        ("noise_haze", [*NOISE, "sots_outdoor"]),
        ("rain_haze", ["rain100l", "sots_outdoor"]),
        ("noise_rain_x2", [*NOISE_X2, "rain100l_x2"]),
        ("noise_haze_x2", [*NOISE_X2, "sots_outdoor_x2"]),
        ("rain_haze_x2", ["rain100l_x2", "sots_outdoor_x2"]),
        ("three_deg_x2", [*NOISE_X2, "rain100l_x2", "sots_outdoor_x2"]),
        ("denoise", [f"{name}_s{s}" for name in ("bsd68", "urban100", "kodak24") for s in SIGMAS]),
        ("real", ["sidd_val", "real_rain", "rtts"]),
    ],
)
def test_columns_are_those_of_the_papers(name: str, tasks: list[str]) -> None:
    assert columns(name) == tasks


def test_cdd11_has_eleven_columns_each_with_a_sample_of_its_own_mix() -> None:
    suite = CATALOG.suite("cdd11")
    assert len(suite.tasks) == 11
    assert "eleven" in suite.average
    mixes = {task.sample.mix for task in suite.tasks if task.sample is not None}
    assert len(mixes) == 11
    for task in suite.tasks:
        assert task.sample is not None
        assert len(task.sample.mix) == len(task.title.split("+"))


def test_real_photographs_are_asked_for_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"was not found and task .* has no sample"):
        restorebench.run("real", ["identity"], out=tmp_path / "run")


def test_every_column_is_scored_on_the_sample(tmp_path: Path) -> None:
    """All columns of all suites in one run, each once; one image of each."""
    tasks: dict[str, object] = {}
    for name in sorted(set(NAMES) - NEEDS_DATA):
        document = YAML(typ="safe").load(_text(name))
        tasks |= {t if isinstance(t, str) else t["name"]: t for t in document["tasks"]}
    suite = {"name": "all", "version": 1, "title": "All", "average": "mean of all columns"}
    YAML().dump({**suite, "tasks": list(tasks.values())}, tmp_path / "all.yaml")
    board = restorebench.run(tmp_path / "all.yaml", ["identity"], out=tmp_path / "run", limit=1)
    assert not board.failures()
    scores = board.frame.xs("psnr", axis=1, level="metric").loc["identity"]
    assert list(scores.index) == list(tasks)
    assert 3 < scores.min() <= scores.max() < 45
    # The stronger the noise the worse, alone as well as at half the resolution.
    for more in ("", "_x2"):
        noise = [scores[f"bsd68_s{sigma}{more}"] for sigma in (15, 25, 50)]
        assert noise == sorted(noise, reverse=True)
    assert scores["bsd68_s100"] < scores["bsd68_s75"] < scores["bsd68_s60"] < scores["bsd68_s50"]


def _text(name: str) -> str:
    import restorebench_benchmarks

    return (restorebench_benchmarks.SUITES / f"{name}.yaml").read_text(encoding="utf-8")


CONTRAST = """\
from restorebench.metrics import Metric
METRICS = {
    "contrast": Metric(
        title="Contrast", unit="", digits=3, higher_is_better=True,
        score=lambda restored: float(restored.std()), needs_target=False,
    )
}
"""
BLIND = """\
name: blind
version: 1
title: Without a reference
source: a test
colour: rgb
value_range: float [0, 1], clamped
rounding: none
centre_crop: 16
metrics: {contrast: contrast}
noise: keyed
"""


def test_real_photographs_are_scored_without_a_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("test/real/rtts", "test/real/rain"):
        (tmp_path / folder).mkdir(parents=True)
        pixels = rng.integers(0, 256, (32, 48, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / folder / "1.png")
    (tmp_path / "SIDD").mkdir()
    for kind in ("Noisy", "Gt"):
        name = f"Validation{kind}BlocksSrgb"
        blocks = rng.integers(0, 256, (1, 2, 256, 256, 3), np.uint8)
        savemat(tmp_path / "SIDD" / f"{name}.mat", {name: blocks})
    (tmp_path / "contrast.py").write_text(CONTRAST)
    (tmp_path / "blind.yaml").write_text(BLIND)
    arguments = "--suite real -m identity --data-root . --limit 1 --protocol blind.yaml"
    more = "--plugin contrast.py --out run"
    line = [sys.executable, "-m", "restorebench", "run", *f"{arguments} {more}".split()]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = pd.read_csv(tmp_path / "run" / "records.csv")
    assert list(records["task"]) == ["sidd_val", "real_rain", "rtts"]
    assert records["contrast"].between(0.2, 0.4).all()
