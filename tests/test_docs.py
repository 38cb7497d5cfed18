"""What the documents tell people to do is done here, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

import restorebench
from restorebench.catalog import Catalog
from restorebench.testing import check_method

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with every file that the guide says to save."""
    for text in [*blocks("python"), *blocks("yaml")]:
        name = re.match(r"# file: (\S+)\n", text)
        assert name is not None
        (tmp_path / name[1]).write_text(text, encoding="utf-8")
    return tmp_path


def restorebench_in(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = command.split()
    assert words[0] == "restorebench"
    line = [sys.executable, "-m", *words]
    return subprocess.run(line, capture_output=True, text=True, cwd=folder)


def test_the_guides_method_is_scored_by_the_guides_command(workplace: Path) -> None:
    command = next(block for block in blocks("sh") if "--plugin" in block)
    done = restorebench_in(workplace, command)
    assert done.returncode == 0, done.stderr
    assert "Brighter" in done.stdout
    method = Catalog.installed([workplace / "brighter.py"]).method("brighter")()
    check_method(method)


def test_the_guides_suite_is_scored_by_the_guides_command(workplace: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("noisy", "clean"):
        (workplace / "data/night" / folder).mkdir(parents=True)
    for scene in ("street", "harbour"):
        image = rng.integers(0, 256, (32, 48, 3), np.uint8)
        PIL.Image.fromarray(image).save(workplace / f"data/night/clean/{scene}.png")
        noisy = image // 2 + 30
        PIL.Image.fromarray(noisy).save(workplace / f"data/night/noisy/{scene}_iso800.png")
    command = re.search(r"`(restorebench run --suite night_suite.yaml [^`]*)`", GUIDE)
    assert command is not None
    done = restorebench_in(workplace, command[1])
    assert done.returncode == 0, done.stderr
    elsewhere = command[1].replace("night_suite.yaml", f"{workplace.name}/night_suite.yaml")
    elsewhere = elsewhere.replace("--data-root ", f"--data-root {workplace.name}/")
    again = restorebench_in(workplace.parent, f"{elsewhere} --out {workplace}/elsewhere")
    assert again.returncode == 0, again.stderr
    table = pd.read_csv(workplace / "runs/night_suite/leaderboard.csv")
    psnr = table[table["metric"] == "psnr"].set_index("task")["value"]
    assert psnr["night"] > psnr["night_s25"]
    assert abs(psnr["night"] - psnr["night_rain"]) > 0.1


def test_the_guides_data_set_mix_and_suite_are_under_thirty_lines_in_all() -> None:
    lines = [line for block in blocks("yaml") for line in block.splitlines()]
    written = [line for line in lines if not line.startswith("# file:")]
    assert len(blocks("yaml")) == 3
    assert len(written) < 30
    assert f"Three YAML files, {len(written)} lines in all" in GUIDE


def test_the_guides_mix_degrades_a_photograph_by_the_guides_command(workplace: Path) -> None:
    photograph = np.full((64, 96, 3), 60, np.uint8)
    PIL.Image.fromarray(photograph).save(workplace / "photo.png")
    command = re.search(r"`(restorebench degrade photo.png --mix drizzle[^`]*)`", GUIDE)
    assert command is not None
    done = restorebench_in(workplace, command[1])
    assert done.returncode == 0, done.stderr
    with PIL.Image.open(workplace / "drizzle.png") as image:
        assert np.array(image).mean() > photograph.mean() + 10


def test_the_readme_lists_every_method_and_every_dependency() -> None:
    for name in restorebench.list_methods():
        assert f"`{name}`" in README
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in project["dependencies"]:
        assert re.split(r"[<>=\[]", requirement)[0] in README


def test_the_documents_count_the_data_sets_that_there_are() -> None:
    catalog = Catalog.installed()
    sets = (name for name in catalog.names("datasets") if not catalog.dataset(name).embedded)
    names = sorted({name.partition("/")[0] for name in sets})
    documented = (ROOT / "docs/datasets.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`", documented, flags=re.MULTILINE) == names
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert len(names) == 16
    assert "Sixteen data sets" in changes


def test_the_two_commands_stand_at_the_top_and_ci_runs_the_second() -> None:
    test_command = "pip install nox && nox -s tests"
    assert README.index("pip install nox && nox -s bench -- --suite three_deg") < 800
    assert README.index(test_command) < 900
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
