"""The shipped data sets are found in every layout that the field uses, under the same ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from restorebench.catalog import Catalog
from restorebench.errors import SpecError, UnknownNameError

SIDE = 24

# Data set, degraded image, its target (empty if it has none), its id.
LAYOUTS = [
    ("bsd68", "test/denoise/bsd68/3096.jpg", "", "3096"),
    ("bsd68", "denoising/cBSD68/original_png/0000.png", "", "0000"),
    ("bsd68", "Denoise/cbsd68/3096.png", "", "3096"),
    ("bsd68", "CBSD68/original/3096.jpg", "", "3096"),
    ("bsd68", "CBSD68/original_png/0000.png", "", "0000"),
    ("bsd68", "CBSD68/3096.png", "", "3096"),
    ("urban100", "test/denoise/urban100/img_001.png", "", "img_001"),
    ("urban100", "Urban100/HR/img_001.png", "", "img_001"),
    ("kodak24", "test/denoise/kodak24/kodim01.png", "", "kodim01"),
    ("kodak24", "Kodak24/kodim01.png", "", "kodim01"),
    ("mcmaster", "McMaster/1.bmp", "", "1"),
    ("div2k_valid", "DIV2K/DIV2K_valid_HR/0801.png", "", "0801"),
    ("rain100l", "test/derain/Rain100L/input/7.png", "test/derain/Rain100L/target/7.png", "7"),
    (
        "rain100l",
        "test/derain/Rain100L/rainy/rain-007.png",
        "test/derain/Rain100L/gt/norain-007.png",
        "7",
    ),
    ("rain100l", "deraining/Rain100L/rainy/7.png", "deraining/Rain100L/gt/7.png", "7"),
    ("rain100l", "Rain100L/rainy/rain-7.png", "Rain100L/gt/norain-7.png", "7"),
    ("rain100l", "Rain100L/rain-007.png", "Rain100L/norain-007.png", "7"),
    (
        "rain100l",
        "rain_data_test_Light/rain-007.png",
        "rain_data_test_Light/norain-007.png",
        "7",
    ),
    ("rain100h", "test/derain/Rain100H/input/7.png", "test/derain/Rain100H/target/7.png", "7"),
    (
        "rain100h",
        "rain_data_test_Heavy/rain-007.png",
        "rain_data_test_Heavy/norain-007.png",
        "7",
    ),
    (
        "sots_outdoor",
        "test/dehaze/input/0001_0.8_0.2.jpg",
        "test/dehaze/target/0001.png",
        "0001_0.8_0.2",
    ),
    (
        "sots_outdoor",
        "dehazing/SOTS/outdoor/hazy/0001_0.8_0.2.jpg",
        "dehazing/SOTS/outdoor/gt/0001.png",
        "0001_0.8_0.2",
    ),
    ("sots_outdoor", "hazy/0001_0.8_0.2.jpg", "GT/0001.png", "0001_0.8_0.2"),
    ("sots_indoor", "SOTS/indoor/hazy/1400_1.png", "SOTS/indoor/gt/1400.png", "1400_1"),
    (
        "gopro",
        "test/deblur/gopro/input/GOPR0384_11_00_000001.png",
        "test/deblur/gopro/target/GOPR0384_11_00_000001.png",
        "GOPR0384_11_00-000001",
    ),
    (
        "gopro",
        "GoPro/test/input/GOPR0384_11_00-000001.png",
        "GoPro/test/target/GOPR0384_11_00-000001.png",
        "GOPR0384_11_00-000001",
    ),
    (
        "gopro",
        "Deblur/blur/GOPR0384_11_00-000001.png",
        "Deblur/sharp/GOPR0384_11_00-000001.png",
        "GOPR0384_11_00-000001",
    ),
    (
        "gopro",
        "GOPRO_Large/test/GOPR0384_11_00/blur/000001.png",
        "GOPRO_Large/test/GOPR0384_11_00/sharp/000001.png",
        "GOPR0384_11_00-000001",
    ),
    (
        "gopro",
        "test/GOPR0384_11_00/blur/000001.png",
        "test/GOPR0384_11_00/sharp/000001.png",
        "GOPR0384_11_00-000001",
    ),
    ("lol_v1", "test/enhance/lol/input/22.png", "test/enhance/lol/target/22.png", "22"),
    ("lol_v1", "llie/LOLv1/Test/input/22.png", "llie/LOLv1/Test/target/22.png", "22"),
    ("lol_v1", "Lowlight/low/22.png", "Lowlight/high/22.png", "22"),
    ("lol_v1", "LOLdataset/eval15/low/22.png", "LOLdataset/eval15/high/22.png", "22"),
    ("cdd11/haze", "CDD-11/test/haze/00001.png", "CDD-11/test/clear/00001.png", "00001"),
    (
        "cdd11/low_haze_rain",
        "cdd11/test/low_haze_rain/00001.png",
        "cdd11/test/clear/00001.png",
        "00001",
    ),
]
WITHOUT_REFERENCE = [
    ("rtts", "RTTS/JPEGImages/AM_Bing_211.png"),
    ("real_rain", "test/real/rain/1.jpg"),
    ("sirr", "SIRR/12.jpg"),
]


def put(root: Path, name: str, height: int = SIDE, width: int = SIDE, seed: int = 0) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(("name", "degraded", "target", "image"), LAYOUTS)
def test_a_set_is_found_as_it_is_laid_out(
    tmp_path: Path, name: str, degraded: str, target: str, image: str
) -> None:
    put(tmp_path, degraded)
    if target:
        put(tmp_path, target, seed=1)
    dataset = Catalog.installed().dataset(name)
    (item,) = dataset.find(tmp_path)
    assert item.image == image
    assert item.target == tmp_path / (target or degraded)
    photograph = dataset.load(item)
    assert (photograph.degraded is not None) == bool(target)


@pytest.mark.parametrize(("name", "degraded"), WITHOUT_REFERENCE)
def test_a_real_photograph_has_no_target(tmp_path: Path, name: str, degraded: str) -> None:
    put(tmp_path, degraded)
    dataset = Catalog.installed().dataset(name)
    (item,) = dataset.find(tmp_path)
    assert item.target is None
    photograph = dataset.load(item)
    assert photograph.clean is None
    assert photograph.degraded is not None
    assert item.size() == (SIDE, SIDE)


def test_frames_of_the_same_number_stay_apart(tmp_path: Path) -> None:
    for scene in ("GOPR0384_11_00", "GOPR0385_11_01"):
        for frame in ("000001", "000002"):
            put(tmp_path, f"GOPRO_Large/test/{scene}/blur/{frame}.png")
            put(tmp_path, f"GOPRO_Large/test/{scene}/sharp/{frame}.png")
            put(tmp_path, f"GOPRO_Large/test/{scene}/blur_gamma/{frame}.png")
    items = Catalog.installed().dataset("gopro").find(tmp_path)
    assert [item.image for item in items] == [
        "GOPR0384_11_00-000001",
        "GOPR0384_11_00-000002",
        "GOPR0385_11_01-000001",
        "GOPR0385_11_01-000002",
    ]
    assert len({item.target for item in items}) == 4


def test_the_border_of_a_larger_indoor_target_is_cut(tmp_path: Path) -> None:
    put(tmp_path, "SOTS/indoor/hazy/1400_1.png", 46, 62)
    put(tmp_path, "SOTS/indoor/gt/1400.png", 48, 64)
    dataset = Catalog.installed().dataset("sots_indoor")
    (item,) = dataset.find(tmp_path)
    photograph = dataset.load(item)
    with PIL.Image.open(tmp_path / "SOTS/indoor/gt/1400.png") as whole:
        assert photograph.clean is not None
        assert np.array_equal(photograph.clean, np.array(whole)[1:47, 1:63])


def test_a_set_with_subsets_is_asked_for_by_subset() -> None:
    catalog = Catalog.installed()
    with pytest.raises(SpecError, match="cdd11 has subsets; name one of them: cdd11/low, "):
        catalog.dataset("cdd11")
    with pytest.raises(UnknownNameError, match=r"no subset of cdd11 .*Did you mean 'haze'"):
        catalog.dataset("cdd11/hase")
    names = [name for name in catalog.names("datasets") if name.startswith("cdd11")]
    assert len(names) == 11
    assert {catalog.dataset(name).count for name in names} == {200}


def test_counts_are_the_fields() -> None:
    catalog = Catalog.installed()
    counts = {name: catalog.dataset(name).count for name in catalog.names("datasets")}
    assert counts | {"bsd68": 68, "urban100": 100, "kodak24": 24, "mcmaster": 18} == counts
    assert counts | {"rain100l": 100, "rain100h": 100, "gopro": 1111, "lol_v1": 15} == counts
    assert counts | {"sots_outdoor": 500, "sots_indoor": 500, "div2k_valid": 100} == counts
    assert counts | {"rtts": 4322, "sidd_val": 1280, "real_rain": 15, "sirr": 147} == counts


def test_the_documents_list_every_set_and_layout() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/datasets.md").read_text(encoding="utf-8")
    catalog = Catalog.installed()
    sets = [catalog.dataset(name) for name in catalog.names("datasets")]
    for dataset in (one for one in sets if not one.embedded):
        family = dataset.name.partition("/")[0]
        row = next(line for line in text.splitlines() if line.startswith(f"| `{family}`"))
        assert str(dataset.count) in row
        for place in dataset.places():
            assert f"- `{place.replace(' with ', '` with `')}`\n" in text
