"""Which files of a folder are taken for images of a set, as they lie on real disks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import restorebench
from restorebench.catalog import Catalog
from restorebench.errors import ImageError, PairError
from restorebench.image import read_image


def ids(root: Path, name: str) -> list[str]:
    return [item.image for item in Catalog.installed().dataset(name).find(root)]


@pytest.fixture
def rain(data_root: Path) -> Path:
    """The small pairs under the names of the real set."""
    folder = data_root / "test" / "derain"
    folder.mkdir(parents=True)
    (data_root / "rain").rename(folder / "Rain100L")
    return data_root


def test_capitals_in_file_names_do_not_hide_a_set(rain: Path) -> None:
    for path in (rain / "test/derain/Rain100L/input").iterdir():
        path.rename(path.with_suffix(".PNG"))
    dataset = Catalog.installed().dataset("rain100l")
    items = dataset.find(rain)
    assert [item.image for item in items] == ["0", "1", "2"]
    assert all(dataset.load(item).degraded is not None for item in items)


def test_a_hazy_image_finds_its_target_whatever_the_capitals(data_root: Path) -> None:
    folder = data_root / "test" / "dehaze"
    folder.mkdir(parents=True)
    (data_root / "rain/input").rename(folder / "input")
    (data_root / "rain/target").rename(folder / "target")
    (folder / "input/0.png").rename(folder / "input/0_0.8_0.2.JPG")
    (folder / "target/0.png").rename(folder / "target/0.PNG")
    dataset = Catalog.installed().dataset("sots_outdoor")
    first = dataset.find(data_root)[0]
    assert first.image == "0_0.8_0.2"
    assert first.files["target"].name == "0.PNG"
    assert dataset.read(first, "target").shape == (48, 64, 3)


def test_what_systems_leave_in_folders_is_no_image(rain: Path) -> None:
    folder = rain / "test/derain/Rain100L/input"
    for name in ("Thumbs.db", ".DS_Store", "._1.png", "notes.txt"):
        (folder / name).write_bytes(b"\x00\x05\x16\x07")
    (folder / "more.png").mkdir()
    (folder / "gone.png").symlink_to("nowhere.png")
    assert ids(rain, "rain100l") == ["0", "1", "2"]


def test_a_name_that_is_no_utf8_is_scored_and_stored(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    folder = os.fsencode(data_root / "clean")
    try:
        os.rename(folder + b"/0.png", folder + b"/\xff.png")  # noqa: PTH104 - no Path holds it
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with open(folder + b"/\xfe.png", "wb") as file:  # noqa: PTH123
        file.write(b"no image")
    board = restorebench.run(suite, "identity", data_root, out=tmp_path / "run")
    noise = board.records[board.records["task"] == "noise"].set_index("image")
    assert noise.index.tolist() == ["1", "2", r"\udcfe", r"\udcff"]
    assert noise["psnr"].notna().tolist() == [True, True, False, True]
    assert r"\udcfe.png: not a PNG" in str(noise.loc[r"\udcfe", "error"])


def test_a_link_out_of_the_data_root_is_that_images_error(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (data_root / "clean/1.png").rename(tmp_path / "elsewhere.png")
    (data_root / "clean/1.png").symlink_to(tmp_path / "elsewhere.png")
    board = restorebench.run(suite, "identity", data_root, out=tmp_path / "run")
    errors = board.records.set_index(["task", "image"])["error"].dropna()
    assert errors.index.tolist() == [("noise", "1")]
    assert "clean/1.png is a link out of the data root" in errors.iloc[0]


def test_a_sets_folder_may_be_a_link_to_another_disk(rain: Path, tmp_path: Path) -> None:
    (rain / "test/derain/Rain100L").rename(tmp_path / "disk")
    (rain / "test/derain/Rain100L").symlink_to(tmp_path / "disk")
    dataset = Catalog.installed().dataset("rain100l")
    assert all(dataset.load(item).degraded is not None for item in dataset.find(rain))


def test_a_file_that_the_system_cannot_read_is_an_image_error() -> None:
    unreadable = Path("/proc/self/mem")
    if not unreadable.exists():
        pytest.skip("no file is known here that cannot be read even by root")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(unreadable)


def test_a_fault_of_an_image_names_its_file(data_root: Path, rain: Path) -> None:
    dataset = Catalog.installed().dataset("rain100l")
    first = dataset.find(rain)[0]
    first.files["target"].write_bytes(b"<html>")
    with pytest.raises(ImageError, match=r"target/0\.png: not a PNG, JPEG or BMP image"):
        dataset.load(first)
    first.files["target"].unlink()
    with pytest.raises(PairError, match=r"0 has no target: put it at .*target/0\.png"):
        dataset.load(first)
