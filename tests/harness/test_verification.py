"""Every kind of bad copy is named for what it is; each case is made of real files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from scipy.io import savemat

from restorebench.catalog import Catalog
from restorebench.data.dataset import Dataset
from restorebench.data.evidence import gather, manifest_of
from restorebench.data.verification import Verdict, verify
from restorebench.errors import SpecError

SCENES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
HEIGHT, WIDTH = 65, 97

PAIRS = """\
name: dark
title: Dark
count: 5
sizes: [97x65]
source: cut from the photographs of scikit-image
layouts:
  - input: dark/input/*
    target: dark/target/{name}
brightness: {low: -200, high: -20, otherwise: degraded images that are hardly darker}
"""
CLEAN = """\
name: sharp
title: Sharp
count: 5
sizes: [97x65]
source: cut from the photographs of scikit-image
layouts:
  - input: dark/target/*
"""


def scene(index: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Cut a piece out of one of five photographs; later rounds cut other pieces."""
    path = Path(str(files("skimage.data"))) / SCENES[index % len(SCENES)]
    with PIL.Image.open(path) as image:
        pixels = np.array(image.convert("RGB"))
    turn = index // len(SCENES)
    top, left = 20 + 31 * (turn % 4), 30 + 37 * (turn % 5)
    return pixels[top : top + height, left : left + width]


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path, quality=92)  # which PNG takes no notice of


def opened(path: Path) -> PIL.Image.Image:
    with PIL.Image.open(path) as image:
        image.load()
        return image


def each(root: Path, change: Callable[[PIL.Image.Image], PIL.Image.Image]) -> None:
    """Change every image of the set in place."""
    for path in sorted(root.rglob("*.png")):
        change(opened(path)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five dark images with their targets, two specs beside them, and manifests of both."""
    root = tmp_path / "data"
    for index in range(5):
        clean = scene(index)
        dark = (clean * 0.3).astype(np.uint8)
        save(dark, root / f"dark/input/{index}.png")
        save(clean, root / f"dark/target/{index}.png")
    for name, text in (("dark", PAIRS), ("sharp", CLEAN)):
        spec = tmp_path / f"{name}.yaml"
        spec.write_text(text)
        found = Catalog.installed().dataset(str(spec))
        (tmp_path / f"{name}.json").write_text(manifest_of(gather(found, found.find(root))).text())
        spec.write_text(f"{text}manifest: {name}.json\n")
    return root


def dataset(root: Path, name: str, *, manifest: bool = True) -> Dataset:
    spec = root.parent / f"{name}.yaml"
    if not manifest:
        text = spec.read_text().replace(f"manifest: {name}.json\n", "")
        spec = root.parent / f"{name}_unknown.yaml"
        spec.write_text(text)
    return Catalog.installed().dataset(str(spec))


def texts(verdict: Verdict) -> str:
    return "\n".join([verdict.summary, *map(str, verdict.findings)])


def names_of(verdict: Verdict, part: str) -> tuple[str, ...]:
    return next(finding.names for finding in verdict.findings if part in finding.text)


def remove_one(root: Path) -> None:
    (root / "dark/input/3.png").unlink()


def add_one(root: Path) -> None:
    save(scene(7), root / "dark/target/9.png")
    save((scene(7) * 0.3).astype(np.uint8), root / "dark/input/9.png")


def lose_a_target(root: Path) -> None:
    (root / "dark/target/3.png").unlink()


def tear(root: Path) -> None:
    path = root / "dark/input/3.png"
    path.write_bytes(path.read_bytes()[:2000])


def recompress(root: Path) -> None:
    for path in root.rglob("*.png"):
        opened(path).save(path, compress_level=1)


def as_bmp(root: Path) -> None:
    for path in root.rglob("*.png"):
        opened(path).save(path.with_suffix(".bmp"))
        path.unlink()


def as_jpeg(root: Path) -> None:
    for path in root.rglob("*.png"):
        opened(path).save(path.with_suffix(".jpg"), quality=90)
        path.unlink()


def targets_as_jpeg(root: Path) -> None:
    for path in root.glob("dark/target/*.png"):
        opened(path).save(path.with_suffix(".jpg"), quality=90)
        path.unlink()


def grey(root: Path) -> None:
    each(root, lambda image: image.convert("L"))


def grey_as_rgb(root: Path) -> None:
    each(root, lambda image: image.convert("L").convert("RGB"))


def cut16(root: Path) -> None:
    each(root, lambda image: image.crop((0, 0, 96, 64)))


def halve(root: Path) -> None:
    each(root, lambda image: image.resize((48, 32)))


def swap(root: Path) -> None:
    (root / "dark/input").rename(root / "dark/other")
    (root / "dark/target").rename(root / "dark/input")
    (root / "dark/other").rename(root / "dark/target")


def shuffle(root: Path) -> None:
    folder = root / "dark/target"
    for index in range(5):
        (folder / f"{index}.png").rename(folder / f"new{(index + 1) % 5}.png")
    for index in range(5):
        (folder / f"new{index}.png").rename(folder / f"{index}.png")


def rename_all(root: Path) -> None:
    for path in root.rglob("*.png"):
        path.rename(path.with_name(f"img_{path.name}"))


def copy_target(root: Path) -> None:
    for path in root.glob("dark/target/*.png"):
        shutil.copy(path, root / "dark/input" / path.name)


def repeat(root: Path) -> None:
    for folder in ("input", "target"):
        shutil.copy(root / f"dark/{folder}/0.png", root / f"dark/{folder}/4.png")


def another_set(root: Path) -> None:
    for index in range(5):
        save(scene(index + 10), root / f"dark/target/{index}.png")
        save((scene(index + 10) * 0.3).astype(np.uint8), root / f"dark/input/{index}.png")


def link_out(root: Path) -> None:
    (root / "dark/input/3.png").rename(root.parent / "secret.png")
    (root / "dark/input/3.png").symlink_to(root.parent / "secret.png")


def in_sixteen_bits(root: Path) -> None:
    pixels = np.full((HEIGHT, WIDTH), 7000, np.uint16)
    PIL.Image.fromarray(pixels).save(root / "dark/input/3.png")


def unequal(root: Path) -> None:
    path = root / "dark/input/3.png"
    opened(path).crop((0, 0, 97, 64)).save(path)


def nothing(root: Path) -> None:
    return


Case = tuple[Callable[[Path], None], str, str]
KNOWN: list[Case] = [
    (nothing, "ok", "10 of 10 files are those on record"),
    (remove_one, "partial", "1 of 5 images are missing: 3"),
    (remove_one, "partial", "targets that no degraded image belongs to: 3.png"),
    (add_one, "unknown", "images that are not of the known copy (1): 9"),
    (lose_a_target, "damaged", "1 images have no target: 3"),
    (tear, "damaged", "dark/input/3.png: damaged image"),
    (recompress, "ok", "re-encoded copy, but pixels equal (10 files of other bytes)"),
    (as_bmp, "ok", "re-encoded copy, but pixels equal (10 files of other bytes)"),
    (as_jpeg, "re-encoded copy", "pixels near but not equal (10 files)"),
    (targets_as_jpeg, "re-encoded copy", "targets of another file type (5)"),
    (grey, "greyscale", "no colours"),
    (grey_as_rgb, "greyscale", "no colours"),
    (cut16, "wrong variant", "cut to multiples of 16, 97x65 to 96x64"),
    (halve, "wrong variant", "resized or cut, 97x65 to 48x32"),
    (swap, "wrong variant", "degraded images and targets are swapped"),
    (shuffle, "wrong variant", "targets are not in the order of the images: 0 has the target of"),
    (rename_all, "ok", "images under other names"),
    (copy_target, "wrong variant", "degraded images that are equal to their targets (5)"),
    (repeat, "duplicates", "the same pixels under several names (1): 0 = 4"),
    (another_set, "unknown", "images that are not of the known copy (5)"),
    (link_out, "damaged", "is a link out of the data root"),
    (in_sixteen_bits, "damaged", "a 16-bit image"),
    (unequal, "damaged", "pairs of unequal sizes (1): 3, 97x64 and 97x65"),
]
UNKNOWN: list[Case] = [
    (nothing, "ok", "no manifest of this set is on record"),
    (remove_one, "partial", "4 of 5 images are there"),
    (add_one, "unknown", "6 images, more than the 5 of the known set"),
    (cut16, "wrong variant", "size 96x64, not 97x65: cut to multiples of 16"),
    (halve, "wrong variant", "size 48x32, not 97x65: resized or cut"),
    (swap, "wrong variant", "degraded images and targets are swapped"),
    (shuffle, "wrong variant", "targets that show another scene"),
    (grey_as_rgb, "greyscale", "no colours"),
    (repeat, "duplicates", "the same pixels under several names (1): 0 = 4"),
    (copy_target, "wrong variant", "degraded images that are hardly darker"),
]


@pytest.mark.parametrize(("change", "status", "text"), KNOWN)
def test_a_bad_copy_of_a_known_set_is_named(
    root: Path, change: Callable[[Path], None], status: str, text: str
) -> None:
    change(root)
    verdict = verify(dataset(root, "dark"), root)
    assert verdict.status == status, texts(verdict)
    assert text in texts(verdict)
    assert verdict.is_wrong == (status != "ok")


@pytest.mark.parametrize(("change", "status", "text"), UNKNOWN)
def test_a_bad_copy_of_a_set_without_manifest_is_named(
    root: Path, change: Callable[[Path], None], status: str, text: str
) -> None:
    change(root)
    verdict = verify(dataset(root, "dark", manifest=False), root)
    assert verdict.status == status, texts(verdict)
    assert text in texts(verdict)


def test_clean_images_need_no_pairs(root: Path) -> None:
    assert verify(dataset(root, "sharp"), root).status == "ok"
    (root / "dark/target/1.png").unlink()
    verdict = verify(dataset(root, "sharp"), root)
    assert verdict.summary == "partial, 4 of 5"
    assert names_of(verdict, "are missing") == ("1",)


def test_what_else_lies_there_is_named(root: Path) -> None:
    (root / "dark/input/notes.txt").write_text("mine")
    (root / "dark/input/Thumbs.db").write_text("theirs")
    verdict = verify(dataset(root, "dark"), root)
    assert verdict.status == "ok"
    assert names_of(verdict, "no images of the set by their names") == ("notes.txt",)
    (root / "dark/input/7.png").symlink_to("nowhere.png")
    verdict = verify(dataset(root, "dark"), root)
    assert verdict.status == "damaged"
    assert names_of(verdict, "links to nothing") == ("7.png",)


def test_a_set_that_is_still_packed_is_absent_but_named(tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "downloads/GOPRO_Large"), "zip", tmp_path)
    verdict = verify(Catalog.installed().dataset("gopro"), tmp_path)
    assert verdict.status == "not unpacked"
    assert names_of(verdict, "still an archive") == ("downloads/GOPRO_Large.zip",)
    assert not verdict.is_wrong
    assert verify(Catalog.installed().dataset("lol_v1"), tmp_path).status == "absent"


@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_blur_gamma_shows_by_its_brightness(tmp_path: Path, gamma: float) -> None:
    # The camera moves over a photograph; blur_gamma averages its light, blur its pixel values.
    for index in range(5):
        frames = [scene(index, 96, 200)[:, step : step + 128] / 255 for step in range(11)]
        blurred = np.mean([frame**gamma for frame in frames], axis=0) ** (1 / gamma)
        folder = tmp_path / "test/deblur/gopro"
        save((blurred * 255).round().astype(np.uint8), folder / f"input/A_1-00000{index}.png")
        save((frames[5] * 255).round().astype(np.uint8), folder / f"target/A_1-00000{index}.png")
    verdict = verify(Catalog.installed().dataset("gopro"), tmp_path)
    assert ("blur_gamma" in texts(verdict)) == (gamma != 1)


def test_blur_gamma_shows_by_its_name(tmp_path: Path) -> None:
    save(scene(0), tmp_path / "GOPRO_Large/test/GOPR0384_11_00/blur_gamma/000001.png")
    verdict = verify(Catalog.installed().dataset("gopro"), tmp_path)
    assert verdict.status == "wrong variant"
    assert verdict.is_wrong
    assert "blur_gamma" in texts(verdict)


def test_jpeg_targets_of_sots_are_a_re_encoded_copy(tmp_path: Path) -> None:
    for index in range(3):
        save(scene(index), tmp_path / f"test/dehaze/input/000{index}_0.8_0.2.jpg")
        save(scene(index), tmp_path / f"test/dehaze/target/000{index}_0.8_0.2.jpg")
    verdict = verify(Catalog.installed().dataset("sots_outdoor"), tmp_path)
    assert verdict.status == "re-encoded copy"
    assert "0000_0.8_0.2.jpg for 0000.png" in texts(verdict)


def test_urban100_cut_for_super_resolution_shows_by_its_sizes(tmp_path: Path) -> None:
    for index in range(4):
        save(scene(index, 61 + index, 80), tmp_path / f"test/denoise/urban100/img_{index}.png")
    assert "multiples" not in texts(verify(Catalog.installed().dataset("urban100"), tmp_path))
    for index in range(4):
        size = (60 + 4 * index, 80)
        save(scene(index, *size), tmp_path / f"test/denoise/urban100/img_{index}.png")
    verdict = verify(Catalog.installed().dataset("urban100"), tmp_path)
    assert verdict.status == "wrong variant"
    assert "all sides are multiples of 4" in texts(verdict)


def test_the_uncropped_kodak_photographs_are_another_variant(tmp_path: Path) -> None:
    # Larger than our photographs, so one of them is stretched: only the size matters here.
    image = PIL.Image.fromarray(scene(0)).resize((768, 512))
    save(np.array(image), tmp_path / "Kodak24/kodim01.png")
    verdict = verify(Catalog.installed().dataset("kodak24"), tmp_path)
    assert verdict.status == "wrong variant"
    assert "the uncropped photographs of 768x512" in texts(verdict)


def test_five_hundred_targets_of_sots_are_another_copy(tmp_path: Path) -> None:
    spec = tmp_path / "hazy.yaml"
    spec.write_text(PAIRS.replace("count: 5", "count: 2\ntargets: 1").partition("brightness")[0])
    for index in range(2):
        save(scene(index), tmp_path / f"dark/input/{index}.png")
        save(scene(index + 5), tmp_path / f"dark/target/{index}.png")
    verdict = verify(Catalog.installed().dataset(str(spec)), tmp_path)
    assert "2 targets instead of 1" in texts(verdict)


def test_sidd_is_read_from_its_matlab_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (2, 3, 256, 256, 3), np.uint8)
    folder = tmp_path / "SIDD"
    folder.mkdir()
    savemat(folder / "ValidationNoisyBlocksSrgb.mat", {"ValidationNoisyBlocksSrgb": noisy})
    sidd = Catalog.installed().dataset("sidd_val")
    assert "6 images have no target" in texts(verify(sidd, tmp_path))
    savemat(folder / "ValidationGtBlocksSrgb.mat", {"ValidationGtBlocksSrgb": noisy // 2})
    items = sidd.find(tmp_path)
    assert [item.image for item in items] == ["00-00", "00-01", "00-02", "01-00", "01-01", "01-02"]
    photograph = sidd.load(items[4])
    assert photograph.degraded is not None
    assert photograph.clean is not None
    assert np.array_equal(photograph.degraded, noisy[1, 1])
    assert np.array_equal(photograph.clean, noisy[1, 1] // 2)
    assert items[4].size() == (256, 256)
    assert len({item.content_hash() for item in items}) == 6
    assert verify(sidd, tmp_path).summary == "partial, 6 of 1280"


def test_a_matlab_file_that_is_none_is_every_blocks_error(tmp_path: Path) -> None:
    (tmp_path / "SIDD").mkdir()
    for name in ("ValidationNoisyBlocksSrgb.mat", "ValidationGtBlocksSrgb.mat"):
        (tmp_path / "SIDD" / name).write_bytes(b"<html>" * 40)
    sidd = Catalog.installed().dataset("sidd_val")
    verdict = verify(sidd, tmp_path)
    assert verdict.status == "damaged"
    assert "no MATLAB file with ValidationNoisyBlocksSrgb" in texts(verdict)


def test_a_manifest_that_is_none_is_a_spec_error(root: Path) -> None:
    (root.parent / "dark.json").write_text('{"name": "dark", "files": [{}]}')
    with pytest.raises(SpecError, match=r"dark\.json: no manifest: decoder: Field required"):
        verify(dataset(root, "dark"), root)
    (root.parent / "dark.json").unlink()
    with pytest.raises(SpecError, match=r"dark\.json: cannot be read"):
        verify(dataset(root, "dark"), root)


@pytest.mark.parametrize("name", ["bsd68", "kodak24", "rain100l", "lol_v1"])
def test_the_real_sets_are_those_on_record(real_data: Path, name: str) -> None:
    verdict = verify(Catalog.installed().dataset(name), real_data)
    assert verdict.status == "ok", texts(verdict)
    assert f"{len(verdict_files(name))} files are those on record" in texts(verdict)


def verdict_files(name: str) -> tuple[object, ...]:
    manifest = Catalog.installed().dataset(name).manifest()
    assert manifest is not None
    return manifest.files


def test_the_part_of_sots_that_is_there_is_partial(real_data: Path) -> None:
    verdict = verify(Catalog.installed().dataset("sots_outdoor"), real_data)
    assert verdict.summary == "partial, 5 of 500"
