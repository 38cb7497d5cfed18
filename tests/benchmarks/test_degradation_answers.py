"""Known answers of each degradation: closed forms, limits, directions and statistics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from restorebench.degradation import Degradation, Image, Scene
from restorebench_benchmarks.degradations import (
    JPEG,
    DefocusBlur,
    Haze,
    LowLight,
    MotionBlur,
    RainStreaks,
    Snow,
)
from restorebench_benchmarks.degradations.blur import disc

ASTRONAUT: Image = skimage.data.astronaut()[:320, :480] / 255
RAIN = RainStreaks(density=30, length=60, width=2, angle=10, strength=0.6)
HAZE = Haze(beta=0.6, airlight=0.9)
BLUR = MotionBlur(length=10, angle=(-90, 90), curvature=45)
SNOW = Snow(size=12, fall=10, angle=20, opacity=0.9, density=50)
seeds = st.integers(0, 2**32)


def generator(seed: int = 7) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def degraded(degradation: Degradation, image: Image, seed: int = 7) -> Image:
    return degradation.apply(Scene(image), generator(seed))


def grey(value: float, height: int = 32, width: int = 48) -> Image:
    return np.full((height, width, 3), value)


@pytest.mark.parametrize("nothing", ["density", "strength"])
def test_rain_of_no_density_or_strength_changes_nothing(nothing: str) -> None:
    assert np.array_equal(degraded(replace(RAIN, **{nothing: 0}), ASTRONAUT), ASTRONAUT)


def test_rain_only_adds_and_adds_the_same_to_all_colours_and_scenes() -> None:
    on_black, on_grey = degraded(RAIN, grey(0)), degraded(RAIN, grey(0.125))
    assert np.ptp(on_black, axis=2).max() == 0
    assert on_black.max() > 0.1
    np.testing.assert_allclose(on_grey, (on_black + 0.125).clip(0, 1), atol=1e-12)


def correlation(rain: Image, rows: float, columns: float) -> float:
    """How alike the rain is to itself shifted by whole pixels, from -1 to 1."""
    shifted = np.roll(rain[..., 0], (round(rows), round(columns)), (0, 1))
    return float(np.corrcoef(rain[..., 0].ravel(), shifted.ravel())[0, 1])


@pytest.mark.parametrize("angle", [-90, -45, 0, 30, 60, 90])
def test_streaks_lie_along_their_angle(angle: int) -> None:
    rain = degraded(replace(RAIN, angle=angle), grey(0, 240, 240))
    up, right = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    assert correlation(rain, -8 * up, 8 * right) > 0.5
    assert correlation(rain, 8 * right, 8 * up) < 0.1  # across


def test_the_brightest_streaks_reach_their_strength_and_streaks_are_longer_than_wide() -> None:
    sparse = RainStreaks(density=3, length=60, width=3, angle=0, strength=0.5)
    peaks = [degraded(sparse, grey(0, 300, 300), seed).max() for seed in range(5)]
    assert mean(peaks) == pytest.approx(0.45, abs=0.08)
    column = degraded(sparse, grey(0, 300, 300))[..., 0].max(axis=0)
    assert (column > 0.01).mean() < 0.5


def test_rain_is_as_dense_at_the_border_as_inside() -> None:
    fog = RainStreaks(density=2000, length=20, width=2, angle=10, strength=0.002)
    rain = degraded(fog, grey(0, 128, 128))[..., 0]
    inside, border = rain[32:96, 32:96].mean(), np.delete(rain, np.s_[4:124], 0).mean()
    assert border == pytest.approx(inside, rel=0.1)


@settings(deadline=None, max_examples=25)
@given(
    beta=st.floats(0, 10), airlight=st.floats(0, 1), depth=st.floats(0, 1), value=st.floats(0, 1)
)
def test_haze_at_one_depth_is_the_closed_form(
    beta: float, airlight: float, depth: float, value: float
) -> None:
    scene = Scene(grey(value, 16, 16), np.full((16, 16), depth))
    hazy = Haze(beta=beta, airlight=airlight).apply(scene, generator())
    expected = airlight + (value - airlight) * np.exp(-beta * depth)
    np.testing.assert_allclose(hazy, expected, atol=1e-12)


def test_no_haze_changes_nothing() -> None:
    assert np.array_equal(degraded(replace(HAZE, beta=0), ASTRONAUT), ASTRONAUT)


def test_what_is_infinitely_far_is_airlight_and_the_nearest_stays_clear() -> None:
    depth = np.ones(ASTRONAUT.shape[:2])
    depth[:, :200] = 0
    hazy = Haze(beta=1000, airlight=0.9).apply(Scene(ASTRONAUT, depth), generator())
    np.testing.assert_array_equal(hazy[:, 200:], 0.9)
    np.testing.assert_array_equal(hazy[:, :200], ASTRONAUT[:, :200])


@settings(deadline=None, max_examples=50)
@given(length=st.floats(0, 60), curvature=st.floats(0, 180), seed=seeds)
def test_kernels_sum_to_one_are_centred_and_no_longer_than_the_path(
    length: float, curvature: float, seed: int
) -> None:
    blur = MotionBlur(length=length, angle=(-180, 180), curvature=curvature)
    kernel = blur.kernel(generator(seed))
    assert kernel.sum() == pytest.approx(1, abs=1e-12)
    assert kernel.min() >= 0
    assert kernel.shape[0] == kernel.shape[1] <= length + 3
    assert kernel.shape[0] % 2 == 1
    offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    assert kernel.sum(1) @ offsets == pytest.approx(0, abs=1e-9)
    assert kernel.sum(0) @ offsets == pytest.approx(0, abs=1e-9)


def test_a_straight_level_path_is_a_row_of_equal_weights() -> None:
    kernel = MotionBlur(length=8, angle=0, curvature=0).kernel(generator())
    assert kernel[4].sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel[4, 1:-1], 1 / 8, atol=0.005)


def test_a_path_rises_at_its_angle() -> None:
    kernel = MotionBlur(length=20, angle=45, curvature=0).kernel(generator())
    assert np.fliplr(kernel).trace() > 0.5
    assert kernel.trace() < 0.1


@settings(deadline=None, max_examples=20)
@given(value=st.floats(0, 1), length=st.floats(0, 60), seed=seeds)
def test_blur_of_one_colour_changes_nothing(value: float, length: float, seed: int) -> None:
    blur = replace(BLUR, length=length)
    result = degraded(blur, grey(value, 16, 16), seed)
    # The two pieces of the transfer function of sRGB miss each other by 3e-8.
    np.testing.assert_allclose(result, value, atol=1e-6)


def test_blur_without_motion_changes_nothing() -> None:
    np.testing.assert_allclose(degraded(replace(BLUR, length=0), ASTRONAUT), ASTRONAUT, atol=1e-9)


def test_blur_averages_light_and_not_stored_values() -> None:
    point = grey(0)
    point[16, 24] = 1
    blur = MotionBlur(length=8, angle=0, curvature=0)
    kernel = blur.kernel(generator())
    stored = 1.055 * kernel[4, 4] ** (1 / 2.4) - 0.055
    assert degraded(blur, point)[16, 24, 0] == pytest.approx(stored, abs=1e-9)


def test_full_exposure_without_noise_changes_nothing() -> None:
    clear = LowLight(gain=1, gamma=1, shot=0, read=0)
    np.testing.assert_allclose(degraded(clear, ASTRONAUT), ASTRONAUT, atol=1e-12)


def test_a_dark_image_without_noise_is_the_closed_form() -> None:
    dark = degraded(LowLight(gain=0.04, gamma=2, shot=0, read=0), grey(0.5))
    light = 0.04 * ((0.5 + 0.055) / 1.055) ** 4.8
    np.testing.assert_allclose(dark, 12.92 * light, atol=1e-12)


@pytest.mark.parametrize("value", [0.3, 0.6])
def test_noise_has_the_variance_of_photons_and_of_the_sensor(value: float) -> None:
    noisy = degraded(LowLight(gain=1, gamma=1, shot=1e-4, read=0.003), grey(value, 200, 200))
    light = ((noisy + 0.055) / 1.055) ** 2.4
    mean_light = ((value + 0.055) / 1.055) ** 2.4
    assert light.mean() == pytest.approx(mean_light, rel=1e-3)
    # Over 120 000 values the variance is known to 0.4 %.
    assert light.var() == pytest.approx(1e-4 * mean_light + 0.003**2, rel=0.02)


def test_noise_is_white_and_differs_between_colours() -> None:
    noise = degraded(LowLight(gain=1, gamma=1, shot=0, read=0.01), grey(0.5, 200, 200)) - 0.5
    red, green = noise[..., 0].ravel(), noise[..., 1].ravel()
    assert abs(np.corrcoef(red, green)[0, 1]) < 0.02
    assert abs(np.corrcoef(red[1:], red[:-1])[0, 1]) < 0.02


@pytest.mark.parametrize("nothing", ["density", "opacity"])
def test_snow_of_no_density_or_opacity_changes_nothing(nothing: str) -> None:
    result = degraded(replace(SNOW, **{nothing: 0}), ASTRONAUT)
    np.testing.assert_allclose(result, ASTRONAUT, atol=1e-15)


def test_snow_hides_every_scene_by_the_same_mask_and_is_white() -> None:
    mask = degraded(SNOW, grey(0, 96, 128))
    assert np.ptp(mask, axis=2).max() == 0
    scene = ASTRONAUT[:96, :128]
    np.testing.assert_allclose(degraded(SNOW, scene), scene * (1 - mask) + mask, atol=1e-12)
    assert np.array_equal(degraded(SNOW, grey(1)), grey(1))


def test_a_flake_at_rest_is_as_wide_as_its_size_and_as_opaque_as_said() -> None:
    still = Snow(size=20, fall=0, angle=0, opacity=0.8, density=1)
    shown = [degraded(still, grey(0, 300, 300), seed)[..., 0] for seed in range(20)]
    assert mean(float(mask.max()) for mask in shown) == pytest.approx(0.7, abs=0.1)
    mask = max(shown, key=lambda mask: float(mask.sum()))
    half = mask > mask.max() / 2
    assert half.any(axis=0).sum() >= 18


@pytest.mark.parametrize("angle", [-60, 0, 40])
def test_flakes_fall_along_their_angle(angle: int) -> None:
    snow = degraded(Snow(size=4, fall=40, angle=angle, opacity=1, density=60), grey(0, 240, 240))
    up, right = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    assert correlation(snow, -5 * up, 5 * right) > correlation(snow, 5 * right, 5 * up) + 0.15


def test_snow_is_as_dense_at_the_border_as_inside() -> None:
    fine = Snow(size=6, fall=8, angle=10, opacity=0.02, density=900)
    snow = degraded(fine, grey(0, 128, 128))[..., 0]
    inside, border = snow[32:96, 32:96].mean(), np.delete(snow, np.s_[4:124], 0).mean()
    assert border == pytest.approx(inside, rel=0.1)


@settings(deadline=None, max_examples=50)
@given(radius=st.floats(0, 30))
def test_a_disc_is_symmetric_sums_to_one_and_has_the_spread_of_its_radius(radius: float) -> None:
    kernel = disc(radius)
    assert kernel.sum() == pytest.approx(1, abs=1e-12)
    assert np.array_equal(kernel, kernel.T)
    assert np.array_equal(kernel, kernel[::-1])
    offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    if radius >= 3:
        # Along each axis a disc has the variance r^2 / 4; with a rim from r - 1/2 to r + 1/2 it is
        # this. Sampled at whole pixels it is off by up to 1.9 % (on a fine grid of radii).
        spread = (radius**4 + radius**2 / 2 + 1 / 80) / (4 * (radius**2 + 1 / 12))
        assert kernel.sum(0) @ offsets**2 == pytest.approx(spread, rel=0.025)


def test_a_point_out_of_focus_is_an_even_disc_of_light() -> None:
    point = grey(0, 33, 33)
    point[16, 16] = 1
    blurred = degraded(DefocusBlur(radius=6), point)[..., 0]
    assert blurred[16, 10] == pytest.approx(blurred[16, 22])
    assert np.ptp(blurred[14:19, 14:19]) < 1e-9
    assert blurred[16, 24] < 1e-6
    light = ((blurred[16, 16] + 0.055) / 1.055) ** 2.4
    assert light == pytest.approx(1 / (np.pi * 6**2), rel=0.02)


def test_no_defocus_changes_nothing() -> None:
    np.testing.assert_allclose(degraded(DefocusBlur(radius=0), ASTRONAUT), ASTRONAUT, atol=1e-9)


def test_jpeg_is_what_a_file_of_that_quality_holds(tmp_path: Path) -> None:
    pixels = (ASTRONAUT * 255).round().astype(np.uint8)
    PillowImage.fromarray(pixels).save(tmp_path / "a.jpg", quality=20)  # 4:2:0 is its default
    with PillowImage.open(tmp_path / "a.jpg") as stored:
        expected = np.asarray(stored) / 255
    assert np.array_equal(degraded(JPEG(quality=20), ASTRONAUT), expected)
    assert np.array_equal(degraded(JPEG(quality=20.4), ASTRONAUT), expected)


def test_jpeg_keeps_the_mean_of_its_blocks() -> None:
    blocks = np.kron(np.random.default_rng(0).random((4, 6)), np.ones((16, 16)))[..., None]
    scene = np.repeat(blocks, 3, axis=2)
    np.testing.assert_allclose(degraded(JPEG(quality=95), scene), scene, atol=2 / 255)
