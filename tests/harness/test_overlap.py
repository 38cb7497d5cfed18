"""Test images are found among training images, however they were saved; others are not."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Transpose

from restorebench.catalog import Catalog
from restorebench.data.evidence import Evidence, gather
from restorebench.data.folder import LooseImages
from restorebench.data.looks import distances, look
from restorebench.data.overlap import overlaps

Image = PIL.Image.Image
CHANGES: dict[str, Callable[[Image], Image]] = {
    "copied": lambda image: image,
    "flipped": lambda image: image.transpose(Transpose.FLIP_LEFT_RIGHT),
    "upside-down": lambda image: image.transpose(Transpose.FLIP_TOP_BOTTOM),
    "turned": lambda image: image.transpose(Transpose.ROTATE_90),
    "transposed": lambda image: image.transpose(Transpose.TRANSPOSE),
    "halved": lambda image: image.resize((image.width // 2, image.height // 2)),
    "squeezed": lambda image: image.resize((256, 256)),
    "cut": lambda image: image.crop((0, 0, image.width // 16 * 16, image.height // 16 * 16)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "darker": lambda image: image.point(lambda value: value // 3),
}


def photograph(name: str) -> Image:
    with PIL.Image.open(Path(str(files("skimage.data"))) / name) as image:
        return image.convert("RGB")


def loose(folder: Path) -> Evidence:
    images = LooseImages(folder)
    return gather(images, images.find(None))


@pytest.fixture
def test_set(tmp_path: Path) -> Evidence:
    """Three photographs as the clean images of a set."""
    folder = tmp_path / "data/Kodak24"
    folder.mkdir(parents=True)
    for index, name in enumerate(("astronaut.png", "coffee.png", "rocket.jpg")):
        photograph(name).save(folder / f"kodim0{index}.png")
    dataset = Catalog.installed().dataset("kodak24")
    return gather(dataset, dataset.find(tmp_path / "data"))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found(tmp_path: Path, test_set: Evidence, change: str, suffix: str) -> None:
    train = tmp_path / "train/deep"
    train.mkdir(parents=True)
    CHANGES[change](photograph("coffee.png")).save(train / f"x{suffix}", quality=60)
    photograph("chelsea.png").save(train / "cat.png")
    photograph("motorcycle_left.png").save(train / "motorcycle.png")
    (found,) = overlaps(loose(tmp_path / "train"), test_set)
    assert (found.train, found.dataset, found.image) == (f"deep/x{suffix}", "kodak24", "kodim01")
    assert ("equal pixels" in str(found)) == (change == "copied" and suffix == ".png")


def test_nothing_is_found_where_nothing_is_shared(tmp_path: Path, test_set: Evidence) -> None:
    (tmp_path / "train").mkdir()
    photograph("chelsea.png").save(tmp_path / "train/cat.png")
    assert list(overlaps(loose(tmp_path / "train"), test_set)) == []


@pytest.mark.slow
def test_the_training_photographs_hold_none_of_bsd68(real_data: Path, tmp_path: Path) -> None:
    catalog = Catalog.installed()
    bsd400 = loose(real_data / "train/bsd400")
    assert len(bsd400.seen) == 400
    bsd68, rain = (catalog.dataset(name) for name in ("bsd68", "rain100l"))
    clean = gather(bsd68, bsd68.find(real_data))
    assert list(overlaps(bsd400, clean)) == []
    # Rain was put on photographs of the same collection, most of which are training images.
    rainy = gather(rain, rain.find(real_data))
    assert len({pair.image for pair in overlaps(bsd400, rainy) if pair.role == "target"}) == 75
    with PIL.Image.open(real_data / "test/denoise/bsd68/3096.png") as image:
        image.transpose(Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "planted.jpg", quality=70)
    (found,) = overlaps(loose(tmp_path), clean)
    assert found.image == "3096"


@given(st.integers(0, 2**32 - 1))
def test_a_look_is_at_no_distance_from_its_own_orientations(seed: int) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    pixels = np.asarray(PIL.Image.fromarray(coarse).resize((64, 64)))
    ways = [pixels, pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1]]
    ways += [way.transpose(1, 0, 2) for way in ways]
    looks = [look(np.ascontiguousarray(way)) for way in ways]
    # A frequency of almost no strength may change its sign by rounding.
    assert distances(looks, looks).max() <= 8
    assert (distances(looks, looks) == distances(looks, looks).T).all()
