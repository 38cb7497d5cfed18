"""The degradations: laws that all of them keep, their parameters, and likeness to real sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from pydantic import TypeAdapter

from restorebench.degradation import Image, Scene
from restorebench_benchmarks.degradations import (
    JPEG,
    DefocusBlur,
    Haze,
    LowLight,
    LowResolution,
    MotionBlur,
    RainStreaks,
    Snow,
)

Ours = RainStreaks | Haze | MotionBlur | LowLight | Snow | DefocusBlur | JPEG | LowResolution

RAIN = RainStreaks(
    density=(20, 40), length=(40, 70), width=(1.6, 2.4), angle=(-12, 22), strength=(0.45, 0.6)
)
HAZE = Haze(beta=(0.4, 0.8), airlight=(0.8, 1.0))
BLUR = MotionBlur(length=(7, 12), angle=(-90, 90), curvature=(0, 45))
DARK = LowLight(gain=(0.01, 0.055), gamma=1.1, shot=8e-5, read=3e-4)
SNOW = Snow(size=(8, 16), fall=(4, 20), angle=(-30, 30), opacity=(0.8, 1.0), density=(40, 80))
DEFOCUS = DefocusBlur(radius=(2, 4))
COMPRESSED = JPEG(quality=(10, 40))
SMALL = LowResolution(scale=(2, 4))
VARIED: list[Ours] = [RAIN, HAZE, BLUR, DARK, SNOW, DEFOCUS]
ALL: list[Ours] = [*VARIED, COMPRESSED, SMALL]
PHOTOGRAPHS = ["astronaut", "chelsea", "coffee", "rocket", "stereo_motorcycle"]

every_degradation = pytest.mark.parametrize("degradation", ALL, ids=lambda d: type(d).__name__)
every_varied = pytest.mark.parametrize("degradation", VARIED, ids=lambda d: type(d).__name__)
sides = st.integers(16, 40)
seeds = st.integers(0, 2**32)


@cache
def photograph(name: str) -> Image:
    loaded = getattr(skimage.data, name)()
    pixels = loaded[0] if isinstance(loaded, tuple) else loaded  # of a stereo pair, the left one
    image: Image = pixels[:320, :480] / 255
    return image


def generator(seed: int = 7) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def degraded(degradation: Ours, image: Image, seed: int = 7) -> Image:
    return degradation.apply(Scene(image), generator(seed))


def changed(degradation: Ours, **changes: Any) -> Ours:
    return replace(degradation, **changes)


def grey(value: float, height: int = 32, width: int = 48) -> Image:
    return np.full((height, width, 3), value)


def psnr(image: Image, clean: Image) -> float:
    return float(-10 * np.log10(np.mean((image - clean) ** 2)))


@every_degradation
@settings(deadline=None, max_examples=20)
@given(height=sides, width=sides, seed=seeds)
def test_the_result_is_an_image_of_the_same_shape_and_the_scene_is_left_alone(
    degradation: Ours, height: int, width: int, seed: int
) -> None:
    rng = generator(seed)
    scene = Scene(rng.random((height, width, 3)), rng.random((height, width)))
    assert scene.depth is not None
    image, depth = scene.image.copy(), scene.depth.copy()
    result = degradation.apply(scene, rng)
    assert result.shape == image.shape
    assert result.dtype == np.float64
    assert 0 <= result.min() <= result.max() <= 1  # false for NaN, too
    np.testing.assert_array_equal(scene.image, image)
    np.testing.assert_array_equal(scene.depth, depth)


@every_degradation
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_images_stay_in_range(degradation: Ours, value: float) -> None:
    result = degraded(degradation, grey(value, 16, 16))
    assert 0 <= result.min() <= result.max() <= 1


@every_degradation
@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_a_seed_gives_one_image(degradation: Ours, seed: int) -> None:
    image = photograph("chelsea")[:48, :64]
    first = degraded(degradation, image, seed)
    assert first.tobytes() == degraded(degradation, image, seed).tobytes()


@every_varied
@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_another_seed_gives_another_image(degradation: Ours, seed: int) -> None:
    image = photograph("chelsea")[:48, :64]
    first = degraded(degradation, image, seed)
    assert first.tobytes() != degraded(degradation, image, seed + 1).tobytes()


@every_degradation
@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_numbers_are_those_that_apply_draws(degradation: Ours, seed: int) -> None:
    image = photograph("coffee")[:32, :48]
    names = [field.name for field in fields(degradation)]
    drawn = dict(zip(names, degradation.numbers(generator(seed)), strict=True))
    fixed = changed(degradation, **drawn)
    assert np.array_equal(degraded(fixed, image, seed), degraded(degradation, image, seed))


@every_degradation
def test_numpys_older_generator_serves_as_well(degradation: Ours) -> None:
    image = photograph("chelsea")[:32, :32]
    first = degradation.apply(Scene(image), np.random.RandomState(0))
    assert first.tobytes() == degradation.apply(Scene(image), np.random.RandomState(0)).tobytes()
    assert not np.array_equal(first, image)


STRONGER = [
    (RAIN, "strength", (0.2, 0.4, 0.8)),
    (RAIN, "density", (5, 20, 60)),
    (HAZE, "beta", (0.2, 0.6, 1.8)),
    (BLUR, "length", (4, 10, 25)),
    (DARK, "gain", (0.3, 0.1, 0.02)),
    (SNOW, "opacity", (0.2, 0.5, 1.0)),
    (SNOW, "density", (10, 40, 160)),
    (DEFOCUS, "radius", (1, 3, 9)),
    (COMPRESSED, "quality", (80, 40, 10)),
    (SMALL, "scale", (2, 3, 4)),
    (replace(DARK, gain=1, gamma=1), "shot", (1e-4, 1e-3, 1e-2)),
    (replace(DARK, gain=1, gamma=1), "read", (0.001, 0.01, 0.1)),
]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize(("degradation", "field", "values"), STRONGER)
def test_more_degradation_is_a_lower_psnr(
    degradation: Ours, field: str, values: Sequence[float], name: str
) -> None:
    image = photograph(name)
    results = [degraded(changed(degradation, **{field: v}), image) for v in values]
    scores = [psnr(result, image) for result in results]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


@pytest.mark.parametrize(
    ("degradation", "field", "value", "message"),
    [
        (RAIN, "density", -1.0, r"density must be .* at least 0, got -1\.0"),
        (RAIN, "length", 0.5, "length must be .* at least 1"),
        (RAIN, "width", 0.0, "width must be .* at least 0.5"),
        (RAIN, "angle", (-91.0, 0.0), r"angle must be .* from -90 to 90, got \(-91"),
        (RAIN, "strength", (0.5, 1.5), "strength must be .* from 0 to 1"),
        (HAZE, "beta", (2.0, 1.0), r"beta must be .*\(low, high\), at least 0, got \(2"),
        (HAZE, "beta", float("inf"), "beta must be a finite number"),
        (HAZE, "airlight", float("nan"), "airlight must be .* from 0 to 1, got nan"),
        (BLUR, "length", -2.0, "length must be .* at least 0"),
        (BLUR, "angle", 181.0, "angle must be .* from -180 to 180"),
        (BLUR, "curvature", -5.0, "curvature must be .* at least 0"),
        (DARK, "gain", 2.0, "gain must be .* from 0 to 1"),
        (DARK, "gamma", 0.0, "gamma must be .* at least 0.1"),
        (DARK, "shot", -1e-3, "shot must be .* at least 0"),
        (DARK, "read", (-1e-3, 1e-3), "read must be .* at least 0"),
        (SNOW, "size", 0.0, "size must be .* from 1 to 200"),
        (SNOW, "fall", -1.0, "fall must be .* from 0 to 500"),
        (SNOW, "angle", 100.0, "angle must be .* from -90 to 90"),
        (SNOW, "opacity", 1.5, "opacity must be .* from 0 to 1"),
        (SNOW, "density", (5.0, 1.0), "density must be .* from 0 to 1000"),
        (DEFOCUS, "radius", -1.0, "radius must be .* from 0 to 100"),
        (COMPRESSED, "quality", 0.0, "quality must be .* from 1 to 100"),
        (SMALL, "scale", 0.5, "scale must be .* from 1 to 16"),
    ],
)
def test_a_parameter_out_of_range_is_refused(
    degradation: Ours, field: str, value: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        changed(degradation, **{field: value})


@every_degradation
def test_parameters_may_come_from_a_spec_file(degradation: Ours) -> None:
    parameters = {f.name: getattr(degradation, f.name) for f in fields(degradation)}
    assert TypeAdapter(type(degradation)).validate_python(parameters) == degradation


@settings(deadline=None, max_examples=10)
@given(beta=st.floats(0, 3), seed=seeds)
def test_a_pair_of_equal_ends_is_the_number(beta: float, seed: int) -> None:
    image = photograph("coffee")[:16, :16]
    pair, number = (Haze(beta=b, airlight=0.9) for b in ((beta, beta), beta))
    assert np.array_equal(degraded(pair, image, seed), degraded(number, image, seed))


def test_a_pair_is_drawn_from_evenly() -> None:
    fog = Haze(beta=1000, airlight=(0.2, 0.6))
    rng, scene = generator(), Scene(grey(0, 16, 16), np.ones((16, 16)))
    drawn = np.sort([fog.apply(scene, rng)[0, 0, 0] for _ in range(400)])
    # The largest gap between the empirical distribution and the uniform one (Kolmogorov).
    assert np.abs(drawn - np.linspace(0.2, 0.6, 400)).max() < 0.4 * 1.63 / np.sqrt(400)


@pytest.mark.parametrize(
    ("degradation", "low", "high"),
    [(RAIN, 24.5, 26.5), (HAZE, 16, 19), (BLUR, 24.5, 26.5), (DARK, 7, 9.5)],
    ids=["Rain100L 25.5", "SOTS-outdoor 16 to 19", "GoPro 25.6", "LOL-v1 7.8"],
)
def test_photographs_are_about_as_degraded_as_the_real_set(
    degradation: Ours, low: float, high: float
) -> None:
    scores = [
        psnr(degraded(degradation, photograph(name), seed), photograph(name))
        for name in PHOTOGRAPHS
        for seed in range(5)
    ]
    assert low < mean(scores) < high


def test_rain_covers_as_much_as_that_of_rain100l(real_data: Path) -> None:
    def covered(rain: Image) -> float:
        return float((rain > 0.1).mean())

    folder = real_data / "test" / "derain" / "Rain100L"
    real = []
    for number in range(1, 31):
        rainy, clean = (
            np.asarray(PillowImage.open(folder / kind / f"{number}.png")) / 255
            for kind in ("input", "target")
        )
        real.append(covered((rainy - clean).mean(2)))
    ours = [covered(degraded(RAIN, grey(0, 320, 480), seed)[..., 0]) for seed in range(30)]
    assert mean(ours) == pytest.approx(mean(real), rel=0.35)


GOLDEN = {
    "RainStreaks": (0.43937415, 0.27233476, 0.79905729, 0.20784314),
    "Haze": (0.54466471, 0.19903028, 0.81523225, 0.36940766),
    "MotionBlur": (0.42186381, 0.25803115, 0.78198365, 0.24805362),
    "Snow": (0.43285381, 0.25987621, 0.78039216, 0.27281753),
    "DefocusBlur": (0.42061517, 0.26023917, 0.78192110, 0.22108549),
    "LowResolution": (0.41778450, 0.26356261, 0.78039216, 0.20784314),
    "LowLight": (0.07842290, 0.06911824, 0.18304042, 0.01799118),
}


@pytest.mark.parametrize(
    "degradation", [*VARIED, SMALL], ids=lambda d: type(d).__name__
)  # not JPEG, whose last bits are those of Pillow's libjpeg
def test_images_do_not_drift(degradation: Ours) -> None:
    """The benchmark's sample is made by these: other values are another benchmark."""
    result = degraded(degradation, photograph("coffee")[100:148, 200:264])
    values = (result.mean(), result.std(), result[8, 8, 0], result[24, 40, 1])
    assert values == pytest.approx(GOLDEN[type(degradation).__name__], abs=1e-7)
