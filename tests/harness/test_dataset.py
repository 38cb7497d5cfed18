"""Which files of a folder are taken for images of a set, as they lie on real disks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import restorebench
from restorebench.catalog import Catalog
from restorebench.errors import ImageError, PairError, SpecError
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


def pairs_spec(folder: Path, target: str = "out/{scene}/t.png", extra: str = "") -> Path:
    path = folder / "odd.yaml"
    path.write_text(
        "name: odd\ntitle: Odd\ncount: 1\nsource: made here\nlayouts:\n"
        f"  - input: in/*\n    match: 'x_(?P<scene>.+)_y\\.png'\n    target: {target}\n{extra}"
    )
    return path


@pytest.mark.parametrize("name", ["x_.._y.png", "x_..%2F.._y.png", "x_…_y.png", "x_{stem}_y.png"])
def test_no_file_name_leads_out_of_the_data_root(
    tmp_path: Path, data_root: Path, name: str
) -> None:
    (data_root / "in").mkdir()
    (data_root / "clean/0.png").rename(data_root / "in" / name)
    (tmp_path / "t.png").write_bytes(b"secret")
    (item,) = Catalog.installed().dataset(str(pairs_spec(tmp_path))).find(data_root)
    inside = item.fault or item.files["target"].resolve().is_relative_to(data_root.resolve())
    assert inside
    assert bool(item.fault) == (name == "x_.._y.png")


def test_a_name_that_leads_out_is_an_error_of_its_image(tmp_path: Path, data_root: Path) -> None:
    (data_root / "in").mkdir()
    (data_root / "clean/0.png").rename(data_root / "in/x_.._y.png")
    dataset = Catalog.installed().dataset(str(pairs_spec(tmp_path)))
    (item,) = dataset.find(data_root)
    for read in (dataset.load, lambda item: item.size()):
        with pytest.raises(ImageError, match="its name makes a target outside of the data root"):
            read(item)
    assert len(item.content_hash()) == 64


@pytest.mark.parametrize("path", ["../in/*", "/etc/*", "in/../../*", "a/**b/*", "", "in/\\0/*"])
def test_no_pattern_leads_out_of_the_data_root(tmp_path: Path, path: str) -> None:
    spec = pairs_spec(tmp_path)
    spec.write_text(spec.read_text().replace("in/*", f'"{path}"'))
    with pytest.raises(SpecError, match=r"odd\.yaml:6:5: .*input"):
        Catalog.installed().dataset(str(spec))


def test_a_target_behind_a_link_out_is_not_read(tmp_path: Path, data_root: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (data_root / "clean/0.png").rename(tmp_path / "elsewhere/t.png")
    (data_root / "in").mkdir()
    (data_root / "clean/1.png").rename(data_root / "in/x_a_y.png")
    (data_root / "out/a").mkdir(parents=True)
    (data_root / "out/a/t.png").symlink_to(tmp_path / "elsewhere/t.png")
    (item,) = Catalog.installed().dataset(str(pairs_spec(tmp_path))).find(data_root)
    assert "out/a/t.png is a link out of the data root" in item.fault


def test_equal_names_in_several_folders_get_ids_of_their_own(
    tmp_path: Path, data_root: Path
) -> None:
    spec = tmp_path / "deep.yaml"
    spec.write_text(
        "name: deep\ntitle: Deep\ncount: 3\nsource: made here\nlayouts:\n  - input: in/*/*\n"
        "    match: '.+'\n"
    )
    for index, folder in enumerate(("a", "b", "b%2F")):
        (data_root / "in" / folder).mkdir(parents=True)
        (data_root / f"clean/{index}.png").rename(data_root / "in" / folder / "x.png")
    items = Catalog.installed().dataset(str(spec)).find(data_root)
    assert [item.image for item in items] == ["a%2Fx.png", "b%252F%2Fx.png", "b%2Fx.png"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("subsets: [a]\n", "need each other"),
        ("references: false\n", "a set without references has no target"),
        ("sizes: [12 x 14]\n", "a size is width x height"),
        ("manifest: ../../secret.json\n", "without '..'"),
        ("brightness: {low: 0, high: 900, otherwise: x}\n", "less than or equal to 255"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(
    tmp_path: Path, extra: str, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        Catalog.installed().dataset(str(pairs_spec(tmp_path, extra=extra)))
