"""Noise: independent of order when keyed, and the family's own stream when asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.degradation import Scene
from restorebench.errors import ImageError
from restorebench.noise import GaussianNoise, NoiseScheme, NoiseSource, degrade, values_of
from restorebench_benchmarks.degradations.haze import Haze

KEYED = NoiseScheme(name="keyed", title="", draw="keyed", clip=True, quantise="floor")
STREAM = NoiseScheme(name="stream", title="", draw="stream", clip=True, quantise="floor")
SIZES = [(16, 32), (32, 16), (16, 16), (48, 16)]
NAMES = ["a", "b", "c", "d"]
MIX = (GaussianNoise(sigma=25),)
KEPT = [-0.8587739903153486, -0.26225769238928825, -0.4435775456225335]


def images(seed: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


def the_scripts_noise(clean: list[np.ndarray], sigma: int) -> list[np.ndarray]:
    """Do what the AirNet family's evaluation does, written out from its protocol."""
    rng = np.random.RandomState(0)
    return [np.clip(c + rng.randn(*c.shape) * sigma, 0, 255).astype(np.uint8) for c in clean]


def ours(source: NoiseSource, scheme: NoiseScheme, index: int, clean: np.ndarray) -> np.ndarray:
    rngs = source.generators(NAMES[index], MIX)
    return np.asarray(degrade(Scene(clean / 255.0), MIX, rngs, scheme) * 255)


@given(st.permutations(range(4)))
def test_the_stream_is_the_scripts_whatever_the_order_it_is_asked_in(order: list[int]) -> None:
    clean = images()
    expected = the_scripts_noise(clean, 25)
    source = NoiseSource(STREAM, "set", NAMES, SIZES)
    for index in order:
        found = ours(source, STREAM, index, clean[index])
        assert np.array_equal(np.rint(found).astype(np.uint8), expected[index])


def test_a_continued_stream_goes_on_where_the_first_task_ended() -> None:
    clean = images()
    whole = the_scripts_noise(clean + clean, 25)
    start = sum(values_of(size) for size in SIZES)
    source = NoiseSource(STREAM, "set", NAMES, SIZES, start=start)
    for index in range(4):
        found = ours(source, STREAM, index, clean[index])
        assert np.array_equal(np.rint(found).astype(np.uint8), whole[4 + index])


def test_keyed_noise_does_not_depend_on_the_other_images() -> None:
    clean = images()
    whole = NoiseSource(KEYED, "set", NAMES)
    alone = NoiseSource(KEYED, "set", NAMES[2:3])
    first = ours(whole, KEYED, 2, clean[2])
    assert np.array_equal(first, ours(alone, KEYED, 2, clean[2]))
    assert np.array_equal(first, ours(whole, KEYED, 2, clean[2]))


@pytest.mark.parametrize(
    "other",
    [
        NoiseSource(KEYED, "another set", NAMES),
        NoiseSource(KEYED.model_copy(update={"seed": 1}), "set", NAMES),
    ],
    ids=["data set", "seed"],
)
def test_keyed_noise_depends_on_its_key(other: NoiseSource) -> None:
    clean = images()[2]
    here = ours(NoiseSource(KEYED, "set", NAMES), KEYED, 2, clean)
    assert not np.array_equal(here, ours(other, KEYED, 2, clean))


@pytest.mark.parametrize("scheme", [KEYED, STREAM], ids=["keyed", "stream"])
def test_another_draw_is_other_noise_and_nothing_else_is_drawn_anew(scheme: NoiseScheme) -> None:
    source = NoiseSource(scheme, "set", NAMES, SIZES)
    mix = (Haze(beta=(0.4, 0.8), airlight=(0.8, 1.0)), GaussianNoise(sigma=25))
    draws = [
        [rng.standard_normal((4,)) for rng in source.generators(NAMES[1], mix, draw)]
        for draw in (0, 1, 2, 1)
    ]
    haze, noise = zip(*draws, strict=True)
    assert {tuple(values) for values in haze} == {tuple(haze[0])}
    assert len({tuple(values) for values in noise}) == 3
    assert np.array_equal(noise[1], noise[3])
    plain = source.generators(NAMES[1], mix)[1].standard_normal((4,))
    assert np.array_equal(plain, noise[0])


def test_keyed_noise_differs_between_images_and_sigmas() -> None:
    source = NoiseSource(KEYED, "set", NAMES)
    draws = [
        source.generators(name, (GaussianNoise(sigma=sigma),))[0].standard_normal((4,))
        for name in NAMES
        for sigma in (15, 25)
    ]
    assert len({tuple(d) for d in draws}) == len(draws)


def test_keyed_noise_is_the_same_on_every_machine() -> None:
    """Values drawn once with numpy 2.4 and kept: a changed key or generator shows here."""
    rng = NoiseSource(KEYED, "bsd68", ["101085"]).generators("101085", MIX)[0]
    assert rng.standard_normal((3,)) == pytest.approx(KEPT, abs=1e-12)


def test_a_stream_does_not_pass_an_unreadable_image() -> None:
    source = NoiseSource(STREAM, "set", NAMES, [(16, 16), None, (16, 16), (16, 16)])
    assert source.generators("b", MIX)
    with pytest.raises(ImageError, match="noise of c depends on b, which cannot be read"):
        source.generators("c", MIX)


@given(st.integers(0, 255), st.sampled_from(["floor", "round"]))
def test_eight_bit_values_survive_quantisation(level: int, how: str) -> None:
    scheme = KEYED.model_copy(update={"quantise": how})
    image = np.full((4, 4, 3), level / 255)
    rngs = [np.random.default_rng(0)]
    kept = degrade(Scene(image), (GaussianNoise(sigma=0),), rngs, scheme)
    assert np.array_equal(np.rint(kept * 255), np.full((4, 4, 3), level))
    # What methods get is float32: it must be the float32 that 8-bit files are read as.
    as_file = np.float32(level) / np.float32(255)
    assert (kept.astype(np.float32) == as_file).all()


def test_floor_leaves_a_bias_of_half_a_level_and_float_noise_none() -> None:
    image = np.full((200, 200, 3), 128 / 255)
    bias = {}
    for how in ("floor", "none"):
        scheme = KEYED.model_copy(update={"quantise": how})
        rngs = [np.random.default_rng(0)]
        noisy = degrade(Scene(image), (GaussianNoise(sigma=15),), rngs, scheme)
        bias[how] = float((noisy - image).mean() * 255)
    assert bias["floor"] == pytest.approx(bias["none"] - 0.5, abs=0.02)


def test_sigma_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match="sigma must be at least 0"):
        GaussianNoise(sigma=-1)


def test_the_stream_on_the_real_set_is_the_scripts(real_data: Path) -> None:
    from PIL import Image

    from restorebench.image import centre_crop

    paths = sorted((real_data / "test/denoise/bsd68").glob("*.png"))[:4]
    clean = []
    for path in paths:
        with Image.open(path) as file:
            clean.append(centre_crop(np.array(file, np.uint8), 16))
    names = [p.stem for p in paths]
    source = NoiseSource(STREAM, "bsd68", names, [(c.shape[0], c.shape[1]) for c in clean])
    for name, image, expected in zip(names, clean, the_scripts_noise(clean, 25), strict=True):
        rngs = source.generators(name, MIX)
        found = degrade(Scene(image / 255.0), MIX, rngs, STREAM)
        assert np.array_equal(np.rint(found * 255).astype(np.uint8), expected)
