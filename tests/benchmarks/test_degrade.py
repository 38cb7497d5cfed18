"""`restorebench degrade` as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import skimage.data

from restorebench.catalog import Catalog
from restorebench.errors import UsageError
from restorebench_benchmarks.degrade import changed


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "restorebench", "degrade", *map(os.fspath, map(str, arguments))]
    return subprocess.run(line, capture_output=True, text=True, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two photographs."""
    for name in ("coffee", "chelsea"):
        pixels = getattr(skimage.data, name)()[100:180, 150:270]
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def pixels(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as image:
        assert image.format == "PNG"
        return np.array(image)


def test_it_writes_a_png_and_says_what_was_drawn(folder: Path) -> None:
    done = run(folder, "coffee.png", "--mix", "haze+rain", "-o", "out.png", "--seed", 3)
    assert done.returncode == 0, done.stderr
    haze, rain, seed, *_ = done.stdout.splitlines()
    assert haze.startswith("- haze: {beta: 0.")
    assert rain.startswith("- rain_streaks: {length: ")
    assert seed == "seed: 3"
    assert pixels(folder / "out.png").shape == (80, 120, 3)


def test_what_was_printed_gives_the_same_file_as_a_mix(folder: Path) -> None:
    fixed = ("--set", "haze.beta=1.25", "--set", "haze.airlight=0.75")
    done = run(folder, "coffee.png", "--mix", "haze", "-o", "a.png", *fixed)
    steps = "\n".join(f"  {line}" for line in done.stdout.splitlines() if line.startswith("- "))
    (folder / "mine.yaml").write_text(f"name: m\ntitle: M\nsource: here\nsteps:\n{steps}\n")
    run(folder, "coffee.png", "--mix", "mine.yaml", "-o", "b.png")
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


def test_bytes_depend_on_photograph_and_seed_alone(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "coffee.png").rename(folder / "elsewhere/-x $(ls) \u2028.png")
    (folder / "elsewhere/a").write_text("another file")
    copy = "elsewhere/-x $(ls) \u2028.png"
    first = run(folder, copy, "--mix", "snow+noise", "-o", "a b.png")
    assert first.returncode == 0, first.stderr
    run(folder, copy, "--mix", "snow+noise", "-o", "c.png")
    run(folder, copy, "--mix", "snow+noise", "-o", "d.png", "--seed", 1)
    assert (folder / "a b.png").read_bytes() == (folder / "c.png").read_bytes()
    assert (folder / "a b.png").read_bytes() != (folder / "d.png").read_bytes()


def test_a_stronger_rain_is_asked_for_by_set(folder: Path) -> None:
    for strength, name in ((0.1, "weak"), (0.9, "strong")):
        change = f"rain.strength={strength}"
        done = run(folder, "coffee.png", "--mix", "rain", "--set", change, "-o", f"{name}.png")
        assert f"strength: {strength}" in done.stdout, done.stderr
    weak, strong = pixels(folder / "weak.png"), pixels(folder / "strong.png")
    assert (strong >= weak).all()
    assert strong.mean() > weak.mean() + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["coffee.png", "--mix", "hase", "-o", "o.png"], "Did you mean 'haze'?"),
        (["coffee.png", "--mix", "haze", "-o", "coffee.png"], "is the photograph itself"),
        (["coffee.png", "--mix", "haze", "-o", "link.png"], "is the photograph itself"),
        (["coffee.png", "--mix", "haze", "-o", "o.jpg"], "a name that ends with .png"),
        (["coffee.png", "-o", "o.png"], "give --mix"),
        (["coffee.png", "--mix", "haze", "--sheet", "-o", "o.png"], "give --mix"),
        (["none.png", "--mix", "haze", "-o", "o.png"], "does not exist"),
        (["coffee.png", "--mix", "haze"], "Missing option"),
        (["coffee.png", "--mix", "haze", "-o", "o.png", "--set", "haze.beat=1"], "mean 'beta'?"),
        (["coffee.png", "--sheet", "-o", "o.png", "--set", "haze.beta=1"], "--set changes a --mix"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    folder: Path, arguments: list[str], message: str
) -> None:
    (folder / "link.png").symlink_to(folder / "coffee.png")
    before = (folder / "coffee.png").read_bytes()
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (folder / "coffee.png").read_bytes() == before
    assert not (folder / "o.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("beta=1", "expected MIX.PARAMETER=VALUE"),
        ("haze.beta", "expected MIX.PARAMETER=VALUE"),
        (".beta=1", "expected MIX.PARAMETER=VALUE"),
        ("rain.angle=1", "the mix has no 'rain'; it has haze"),
        ("haze.beta=x", "a number is needed"),
        ("haze.beta=", "a number is needed"),
        ("haze.beat=1", "Did you mean 'beta'?"),
        ("haze.beta=2,1", r"\(low, high\)"),
        ("haze.beta=1,2,3", "haze: beta"),
        ("haze.beta=1e999", "finite"),
        ("haze.beta=nan", "finite"),
    ],
)
def test_a_change_that_cannot_be_made_is_named(change: str, message: str) -> None:
    catalog = Catalog.installed()
    with pytest.raises(UsageError, match=message):
        list(map(catalog.degradation, changed(catalog.mix("haze"), [change])))


def test_a_change_reaches_every_step_of_that_name_and_no_other() -> None:
    steps = Catalog.installed().mix("haze+rain+thick_haze")
    by_mix = changed(steps, ["thick_haze.beta=9"])
    assert [step.parameters.get("beta") for step in by_mix] == [(0.4, 0.8), None, 9]
    by_degradation = changed(steps, ["haze.beta=1,2"])
    assert [step.parameters.get("beta") for step in by_degradation] == [(1, 2), None, (1, 2)]


def test_an_image_that_cannot_be_read_is_one_line(folder: Path) -> None:
    PIL.Image.new("L", (32, 32)).save(folder / "grey.png")
    (folder / "text.png").write_text("no image")
    for name in ("grey.png", "text.png"):
        done = run(folder, name, "--mix", "haze", "-o", "o.png")
        assert done.returncode == 3
        assert name in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_exit_4(folder: Path) -> None:
    done = run(folder, "coffee.png", "--mix", "x2", "-o", "chelsea.png/o.png")
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1


def test_a_sheet_shows_every_mix_without_changing_the_photograph(folder: Path) -> None:
    before = (folder / "coffee.png").read_bytes()
    done = run(folder, "coffee.png", "--sheet", "-o", "sheet.png")
    assert done.returncode == 0, done.stderr
    sheet = pixels(folder / "sheet.png")
    assert np.array_equal(sheet[8:88, 8:128], pixels(folder / "coffee.png"))
    assert sheet.shape[0] > 5 * 80
    assert sheet.shape[1] > 4 * 120
    assert (folder / "coffee.png").read_bytes() == before
