"""Scoring folders of images that someone else restored, with real files and processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from restorebench.board.leaderboard import Leaderboard
from restorebench.catalog import Catalog
from restorebench.commands.score import score
from restorebench.errors import BenchError, DataError, PairError
from restorebench.image import centre_crop, read_image
from restorebench.restored import RestoredFolder
from restorebench.suspicion import bias, remarks_on

from .conftest import Cli

PAIRS = {"dataset": "pairs.yaml"}
Find = Callable[[Path], RestoredFolder]


@pytest.fixture
def pairs(suite: Path) -> Path:
    """The set of three pairs, as a YAML file."""
    return suite.with_name("pairs.yaml")


@pytest.fixture
def restored(data_root: Path, tmp_path: Path) -> Path:
    """Images half-way between the rainy and the clean ones."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in (data_root / "rain/input").iterdir():
        both = [read_image(data_root / "rain" / side / path.name) for side in ("input", "target")]
        PIL.Image.fromarray(np.rint(np.mean(both, axis=0)).astype(np.uint8)).save(
            folder / path.name
        )
    return folder


@pytest.fixture
def find(pairs: Path, data_root: Path) -> Find:
    """Match a folder to the three pairs."""
    dataset = Catalog.installed().dataset(str(pairs))
    return lambda folder: RestoredFolder.find(folder, dataset, dataset.find(data_root))


def test_the_inputs_themselves_score_as_the_identity_method_does(
    cli: Cli, suite: Path, pairs: Path, data_root: Path, restored: Path, tmp_path: Path
) -> None:
    inputs = data_root / "rain/input"
    common = ("--data-root", data_root, "--protocol", "airnet", "--protocol", "restormer_derain")
    done = cli("score", inputs, restored, "--dataset", pairs, *common, "--out", "score",
               "--name", "Nothing done", "--name", "Mine [bold]")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert cli("run", "--suite", suite, "-m", "identity", *common, "--out", "run").returncode == 0
    for inner in ("", "restormer_derain"):
        scored = pd.read_parquet(tmp_path / "score" / inner / "records.parquet")
        run = pd.read_parquet(tmp_path / "run" / inner / "records.parquet").query("task == 'rain'")
        mine = scored[scored.method == "Nothing done"]
        for name in ("image", "psnr", "ssim", "protocol", "data_fingerprint", "height"):
            assert mine[name].tolist() == run[name].tolist(), name
        better = scored[scored.method == "Mine [bold]"]
        assert (better.psnr.to_numpy() > mine.psnr.to_numpy() + 5).all()
        assert set(mine.weights).isdisjoint(better.weights)
    assert "Mine [bold]" in done.stdout
    assert "external images" in done.stdout
    assert "Nothing done: equal to the input: 3 of 3 files" in done.stderr
    for file in ("leaderboard.html", "leaderboard.md", "leaderboard.tex"):
        assert "external images" in (tmp_path / "score" / file).read_text()
    shutil.copy(data_root / "rain/target/0.png", restored / "0.png")
    done = cli("score", restored, "--dataset", pairs, *common, "--out", "score")
    assert "equal to the target: 1 of 3 files" in done.stderr
    assert Leaderboard.load(tmp_path / "score").cell("mine", "pairs", "psnr").value == np.inf


def test_whatever_is_wrong_with_a_file_is_named_and_leaves_the_rest(
    cli: Cli, pairs: Path, data_root: Path, restored: Path, tmp_path: Path
) -> None:
    (restored / "0.png").unlink()
    with PIL.Image.open(restored / "1.png") as image:
        image.resize((32, 32)).save(restored / "1.png")
    with PIL.Image.open(restored / "2.png") as image:
        image.convert("L").save(restored / "2.png")
    (restored / "notes.txt").write_text("made on a Sunday")
    whole = tmp_path / "whole"
    shutil.copytree(data_root / "rain/target", whole)
    PIL.Image.new("RGB", (64, 48)).save(whole / "7.png")
    damaged = tmp_path / "damaged"
    shutil.copytree(whole, damaged)
    (damaged / "2.png").write_bytes((whole / "2.png").read_bytes()[:200])
    (damaged / "1.jpg").write_bytes(b"")
    done = cli("score", restored, whole, damaged, "--dataset", pairs, "--data-root", data_root,
               "--out", "run")  # fmt: skip
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    for message in (
        "mine on pairs, 0: image 0 has no restored image; expected 0.png",
        "1.png is 32x32, image 1 64x48; they must agree",
        "2.png: a greyscale image",
        "mine: notes.txt belongs to no image of the set",
        "whole: 7.png belongs to no image of the set",
        "damaged/2.png: damaged image",
        "damaged on pairs, 1: image 1: 1.jpg, 1.png may be meant; keep one file for each image",
    ):
        assert message in done.stderr, message
    board = Leaderboard.load(tmp_path / "run")
    assert board.cell("mine", "pairs", "psnr").value is None
    assert board.cell("whole", "pairs", "psnr").value == np.inf
    assert board.cell("damaged", "pairs", "psnr").scored == 1


@pytest.mark.parametrize(
    ("folders", "options", "code", "message"),
    [
        ("mine", {}, 2, "say which set was restored, with --dataset or --task"),
        ("mine", {"dataset": "rain100"}, 2, "Did you mean 'rain100l'?"),
        ("mine", {"dataset": "bsd68"}, 2, "choose one with --task: bsd68_s"),
        ("mine", {"task": "bsd68_s25", "dataset": "rain100l"}, 2, "is on bsd68, not on rain100l"),
        ("mine", {"dataset": "rain100l"}, 4, "Rain100L was not found below"),
        ("nowhere", PAIRS, 4, "nowhere is not a folder"),
        ("empty", PAIRS, 4, "no files lie in it; expected files such as 0.png"),
        ("data/rain", PAIRS, 4, "; give one of its folders instead: input, target"),
        ("other", PAIRS, 4, "such as x.png; expected files such as 0.png"),
        ("mine mine", PAIRS, 2, "is named twice: mine, mine"),
        ("mine", {"name": ["a", "b"], **PAIRS}, 2, "1 folders but 2 names"),
    ],
)
def test_bad_usage_says_what_is_wrong(
    pairs: Path, data_root: Path, restored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    folders: str, options: dict[str, Any], code: int, message: str,
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    shutil.copy(restored / "0.png", tmp_path / "other/x.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError) as caught:
        score([Path(folder) for folder in folders.split()], data_root=data_root, **options)
    assert caught.value.exit_code == code
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_file_may_have_another_suffix_capitals_or_the_targets_name(
    find: Find, data_root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for side in ("input", "target"):
        (data_root / "rain" / side / "0.png").rename(data_root / "rain" / side / "Scène.png")
    with PIL.Image.open(data_root / "rain/target/1.png") as image:
        image.save(folder / "1.JPG", quality=95)
        image.save(folder / "2.bmp")
        image.save(folder / "SCE\u0300NE.png")
    found = find(folder)
    assert {k: v.name for k, v in found.files.items() if isinstance(v, Path)} == {
        "1": "1.JPG",
        "2": "2.bmp",
        "Scène": "SCE\u0300NE.png",
    }
    assert found.extra == ()


def haze(tmp_path: Path, targets: list[str]) -> tuple[Path, Path]:
    """A set whose inputs are called a_1, b_1, ... and share targets as named."""
    root = tmp_path / "haze"
    for folder in ("in", "gt"):
        (root / folder).mkdir(parents=True)
    image = PIL.Image.fromarray(np.full((32, 32, 3), 90, np.uint8))
    for index, target in enumerate(targets):
        image.save(root / "in" / f"{target}_{index}.png")
        image.save(root / "gt" / f"{target}.png")
    spec = tmp_path / "haze.yaml"
    spec.write_text(
        f"name: haze\ntitle: Haze\ncount: {len(targets)}\nsource: this test\nlayouts:\n"
        "  - {input: in/*.png, match: '(?P<scene>.+)_.+[.]png', target: 'gt/{scene}.png'}\n"
    )
    return root, spec


def test_the_targets_name_is_taken_where_no_other_image_has_it(tmp_path: Path) -> None:
    root, spec = haze(tmp_path, ["a", "b", "b", "c"])
    dataset = Catalog.installed().dataset(str(spec))
    mine = tmp_path / "mine"
    shutil.copytree(root / "gt", mine)
    shutil.copy(mine / "c.png", mine / "c_3.png")
    found = RestoredFolder.find(mine, dataset, dataset.find(root))
    assert found.files["a_0"] == mine / "a.png"
    for image in ("b_1", "b_2"):
        reason = found.files[image]
        assert reason == (
            f"image {image}: b.png may be meant, for b_1, b_2; keep one file for each image, "
            "called by its name"
        )
    assert found.files["c_3"] == mine / "c_3.png"
    assert found.extra == (mine / "c.png",)
    assert found.found == 2


@settings(max_examples=15)
@given(st.permutations(range(6)), st.integers(0, 6))
def test_every_file_is_of_one_image_or_extra_and_order_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], kept: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("set")
    root, spec = haze(tmp_path, list("abcdef"))
    dataset = Catalog.installed().dataset(str(spec))
    items = dataset.find(root)
    mine = tmp_path / "mine"
    mine.mkdir()
    for index in order[:kept]:
        shutil.copy(root / "gt/a.png", mine / f"{'abcdef'[index]}_{index}.png")
    if kept == 0:
        with pytest.raises(DataError, match="no files lie in it"):
            RestoredFolder.find(mine, dataset, items)
        return
    found = RestoredFolder.find(mine, dataset, [items[i] for i in order])
    assert found.found == kept
    assert found.extra == ()
    same = RestoredFolder.find(mine, dataset, items)
    assert found.fingerprint() == same.fingerprint()


def test_a_file_is_cut_as_the_target_is_or_was_cut_already(
    find: Find, data_root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(data_root / "rain/target", folder)
    whole = read_image(folder / "0.png")
    PIL.Image.fromarray(centre_crop(whole, 32)).save(folder / "1.png")
    found = find(folder)
    dataset = Catalog.installed().dataset(str(tmp_path / "pairs.yaml"))
    items = dataset.find(data_root)
    assert np.array_equal(found.read(items[0], (48, 64)), whole)
    assert np.array_equal(found.read(items[0], (32, 64)), centre_crop(whole, 32))
    assert np.array_equal(found.read(items[1], (32, 64)), centre_crop(whole, 32))
    with pytest.raises(PairError, match=r"1.png is 64x32, image 1 64x48; they must agree"):
        found.read(items[1], (48, 64))


def errors(seed: int) -> np.ndarray:
    """Return smooth errors of two levels, as a good network leaves them."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((64, 64, 3)), (1, 1, 0))
    return np.asarray(2 * noise / noise.std())


def test_floor_is_told_from_round() -> None:
    ramp = np.linspace(30, 220, 64)
    clean = np.rint(np.stack([np.tile(ramp, (64, 1))] * 3, axis=-1)).astype(np.uint8)
    cases = {
        "round": [np.rint(clean + errors(i)) for i in range(4)],
        "floor": [np.floor(clean + errors(i)) for i in range(4)],
        "darker": [np.rint(clean + errors(i) - 6) for i in range(4)],
        "uneven": [np.rint(clean + errors(i) + level) for i, level in enumerate((3, -4, -2, 3))],
    }
    said = {
        name: remarks_on((image.astype(np.uint8), clean, None) for image in images)
        for name, images in cases.items()
    }
    assert said.pop("floor")[0].startswith("looks floored: the files are 0.")
    assert all(remarks == () for remarks in said.values()), said
    assert bias(cases["floor"][0].astype(np.uint8), clean) == pytest.approx(-0.5, abs=0.1)


def test_real_images_look_floored_only_if_they_were(
    cli: Cli, real_data: Path, tmp_path: Path
) -> None:
    for name in ("rounded", "floored"):
        (tmp_path / name).mkdir()
    (folder,) = (real_data / "test/enhance/lol").glob("*target")
    for seed, path in enumerate(sorted(folder.glob("*.png"))):
        clean = read_image(path)
        noise = gaussian_filter(np.random.default_rng(seed).standard_normal(clean.shape), (1, 1, 0))
        for name, rounding in (("rounded", np.rint), ("floored", np.floor)):
            image = rounding(clean + 2.5 * noise / noise.std()).clip(0, 255).astype(np.uint8)
            PIL.Image.fromarray(image).save(tmp_path / name / path.name)
    done = cli("score", "rounded", "floored", "--dataset", "lol_v1", "--data-root", real_data,
               "--out", "run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "floored: looks floored: the files are 0.5" in done.stderr
    assert "rounded: looks" not in done.stderr
    board = Leaderboard.load(tmp_path / "run")
    values = [board.cell(name, "lol_v1", "psnr").value for name in ("rounded", "floored")]
    assert values[0] is not None
    assert values[1] is not None
    assert values[0] > values[1] + 0.05
