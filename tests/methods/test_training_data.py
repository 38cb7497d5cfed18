"""Crops: a function of seed and number alone; and nothing is trained on that is tested on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restorebench.catalog import Catalog
from restorebench.errors import DataError, ImageError, UsageError
from restorebench_methods.training.data import _turned, find_dataset
from restorebench_methods.training.loop import Options, Training
from restorebench_methods.training.overlap import find_test_images, find_tested
from restorebench_methods.training.recipe import find_course

Trainer = Callable[..., Training]


def test_a_sample_depends_on_its_number_alone(trainer: Trainer) -> None:
    first, second = trainer("restormer").crops, trainer("restormer").crops
    forwards = [first[index] for index in range(12)]
    backwards = [second[index] for index in reversed(range(12))][::-1]
    for (degraded, clean, kind), (again, clean_again, kind_again) in zip(
        forwards, backwards, strict=True
    ):
        assert torch.equal(degraded, again)
        assert torch.equal(clean, clean_again)
        assert kind == kind_again
    assert len({degraded.numpy().tobytes() for degraded, *_ in forwards}) == 12


def test_a_cycle_shows_each_source_in_turn_and_each_image_as_often(trainer: Trainer) -> None:
    training = trainer("restormer")
    assert [training.crops[index][2] for index in range(10)] == [0, 0, 0, 1, 2] * 2
    images = len(training.sources[0].training)
    assert images == 4  # of five, one is held out
    shown = Counter(training.crops._choose(5 * turn)[1] for turn in range(3 * images))
    assert set(shown.values()) == {3}


def test_a_cycle_shows_sources_once_they_begin_and_as_often_as_they_repeat(
    training_root: Path, recipe: Path, tmp_path: Path
) -> None:
    noise = "kind: denoise, datasets: [bsd400], mix: [gaussian_noise: {sigma: 15}]"
    (tmp_path / "mix.yaml").write_text(
        "name: mix\ntitle: rain first\nsources:\n"
        f"  - {{name: late, begin: 6, {noise}}}\n"
        f"  - {{name: early, repeat: 2, {noise}}}\n"
        f"  - {{name: latest, begin: 11, repeat: 3, {noise}}}\n"
    )
    recipe.write_text(
        recipe.read_text().replace("mixture: three_deg_synthetic", "mixture: mix.yaml")
    )
    course = find_course("hair", str(recipe))
    options = Options(data_root=training_root, out=tmp_path / "out")
    chosen = Training(course, options, Catalog.installed()).crops._choose
    shown = [chosen(index)[0].spec.name for index in range(23)]
    assert shown[:6] == ["early"] * 6
    assert shown[6:11] == ["late", "early", "early", "late", "early"]
    assert shown[11:] == ["late", "early", "latest", "early", "latest", "latest"] * 2
    images = Counter(chosen(index)[1] for index in range(4))
    assert set(images.values()) == {1}, "each of the four images before the first again"
    short = replace(options, steps=3)
    with pytest.raises(UsageError, match="latest begins at sample 11, but 3 steps show only 9"):
        Training(course, short, Catalog.installed())


def test_an_epoch_shows_each_image_as_often_as_the_mixture_says(
    training_root: Path, recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "mix.yaml").write_text(
        "name: mix\ntitle: two sources\nsources:\n"
        "  - {name: much, kind: denoise, datasets: [bsd400], repeat: 3,"
        " mix: [gaussian_noise: {sigma: 15}]}\n"
        "  - {name: little, kind: derain, datasets: [bsd400], mix: [gaussian_noise: {sigma: 50}]}\n"
    )
    text = recipe.read_text().replace("three_deg_synthetic", "mix.yaml\norder: shuffled")
    recipe.write_text(text)
    options = Options(data_root=training_root, out=tmp_path / "out")
    crops = Training(find_course("hair", str(recipe)), options, Catalog.installed()).crops
    assert crops.epoch == 16
    for epoch in range(2):
        chosen = [crops._choose(16 * epoch + k) for k in range(16)]
        counts = Counter((source.spec.name, image) for source, image in chosen)
        assert len(counts) == 8
        assert {n for (name, _), n in counts.items() if name == "much"} == {3}
        assert {n for (name, _), n in counts.items() if name == "little"} == {1}
    first = [crops._choose(k)[1] for k in range(16)]
    assert first != [crops._choose(16 + k)[1] for k in range(16)]


def test_noise_is_as_strong_as_it_says_and_falls_on_whole_levels(trainer: Trainer) -> None:
    crops = trainer("restormer").crops
    errors: dict[int, list[torch.Tensor]] = {0: [], 1: [], 2: []}
    for index in (k for k in range(100) if k % 5 < 3):
        degraded, clean, _ = crops[index]
        levels = degraded * 255
        assert torch.allclose(levels, levels.round(), atol=1e-3)
        inside = (clean > 0.35) & (clean < 0.65)  # where nothing is clipped
        errors[index % 5].append((degraded[0] - clean)[inside] * 255)
    for which, sigma in enumerate((15, 25, 50)):
        pooled = torch.cat(errors[which])
        assert pooled.numel() > 2000
        assert pooled.std().item() == pytest.approx(sigma, rel=0.06)


def test_two_views_show_one_degraded_image_twice(trainer: Trainer) -> None:
    degraded, clean, _ = trainer("airnet").crops[3]
    assert degraded.shape == (2, 3, 16, 16)
    assert clean.shape == (3, 16, 16)
    assert not torch.equal(degraded[0], degraded[1])
    one = trainer("restormer").crops[3][0]
    assert one.shape == (1, 3, 16, 16)


@given(st.integers(0, 2**32 - 1))
def test_turns_are_all_eight_and_keep_every_pixel(seed: int) -> None:
    image = np.random.default_rng(seed).random((4, 4, 3))
    turned = [
        _turned(image, quarters, vertical, horizontal)
        for quarters in (0, 1)
        for vertical in (False, True)
        for horizontal in (False, True)
    ]
    assert len({one.tobytes() for one in turned}) == 8
    assert all(np.array_equal(np.sort(one, None), np.sort(image, None)) for one in turned)


def photograph_of_the_sample(root: Path) -> np.ndarray:
    item = Catalog.installed().dataset("sample").find(root)[0]
    assert item.target is not None
    with PIL.Image.open(item.target) as image:
        return np.array(image)


def training_on(root: Path, images: list[np.ndarray], recipe: Path) -> Training:
    folder = root / "train/bsd400"
    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(images):
        PIL.Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=80)
    options = Options(data_root=root, out=root / "out")
    return Training(find_course("restormer", str(recipe)), options, Catalog.installed())


def scenes(count: int) -> list[np.ndarray]:
    """Return smooth random scenes that share nothing."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(count)]
    return [np.array(PIL.Image.fromarray(c).resize((64, 64))) for c in coarse]


def test_a_test_image_is_left_out_however_it_is_stored(recipe: Path, tmp_path: Path) -> None:
    pixels = photograph_of_the_sample(tmp_path)
    turned = np.rot90(pixels)[::2, ::2]
    training = training_on(tmp_path, [*scenes(3), turned], recipe)
    assert training.sets["bsd400"].left_out == {"3": "sample astronaut"}
    used = [item.image for source in training.sources for _, item in source.training]
    used += [item.image for source in training.sources for _, item in source.held_out]
    assert set(used) == {"0", "1", "2"}


def test_the_users_own_test_sets_count_too(recipe: Path, tmp_path: Path) -> None:
    images = scenes(4)
    test = tmp_path / "test/denoise/urban100"
    test.mkdir(parents=True)
    PIL.Image.fromarray(images[1][:, ::-1]).save(test / "img_001.png")
    training = training_on(tmp_path, images, recipe)
    assert list(training.sets["bsd400"].left_out) == ["1"]
    with pytest.raises(DataError, match="test images apart, but of BSD400, found 1"):
        training_on(tmp_path / "other", [photograph_of_the_sample(tmp_path)], recipe)


def test_an_image_too_small_for_a_crop_is_named(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"0\.jpg: 15x64 pixels, a crop has 16x16"):
        training_on(tmp_path, [scenes(1)[0][:, :15], *scenes(3)[1:]], recipe)


def test_what_bsd400_shares_with_rain100l_is_left_out(real_data: Path) -> None:
    """Rain100L was made from photographs of BSDS500, which the field trains on."""
    catalog = Catalog.installed()
    bsd400 = find_dataset("bsd400", catalog)
    items = bsd400.find(real_data)
    assert len(items) == bsd400.count == 400
    left_out = find_tested(bsd400, items, find_test_images(catalog, real_data))
    assert len(left_out) == 67  # 75 test images, some cut twice from one photograph
    assert {name.split()[0] for name in left_out.values()} == {"rain100l"}
