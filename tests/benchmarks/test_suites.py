"""The suites that ship: all load, name their average, and run on a machine without data."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

import restorebench
from restorebench.catalog import Catalog

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
    ],
)
def test_columns_are_those_of_the_papers(name: str, tasks: list[str]) -> None:
    assert columns(name) == tasks


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
