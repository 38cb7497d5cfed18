"""`imresize`: MATLAB's documented algorithm, by hand, by dense matrices and against Pillow."""

from __future__ import annotations

import math

import numpy as np
import PIL.Image
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from restorebench.degradation import Scene
from restorebench_benchmarks.degradations import LowResolution
from restorebench_benchmarks.degradations.resize import imresize

Array = NDArray[np.float64]
COFFEE = skimage.data.coffee()
scales = st.sampled_from([0.25, 1 / 3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0])


def keys(x: float) -> float:
    """The cubic kernel of Keys 1981, equation 15, for a = -1/2."""
    x = abs(x)
    if x < 1:
        return 3 / 2 * x**3 - 5 / 2 * x**2 + 1
    return -1 / 2 * x**3 + 5 / 2 * x**2 - 4 * x + 2 if x < 2 else 0.0


def dense(size: int, scale: float) -> Array:
    """The resizing of one axis as a matrix, element by element from the definition."""
    shrunk = min(scale, 1.0)
    matrix = np.zeros((math.ceil(size * scale), size))
    for i in range(matrix.shape[0]):
        centre = (i + 1) / scale + 0.5 * (1 - 1 / scale)  # MATLAB counts from 1
        for position in range(-10 * size, 11 * size):
            inside = position - 1
            while not 0 <= inside < size:  # mirrored with the border repeated, as often as needed
                inside = -1 - inside if inside < 0 else 2 * size - 1 - inside
            matrix[i, inside] += shrunk * keys(shrunk * (centre - position))
        matrix[i] /= matrix[i].sum()
    return matrix


@given(height=st.integers(4, 20), width=st.integers(4, 20), scale=scales, seed=st.integers(0, 99))
def test_the_result_is_that_of_dense_matrices(
    height: int, width: int, scale: float, seed: int
) -> None:
    image = np.random.default_rng(seed).random((height, width))
    expected = dense(height, scale) @ image @ dense(width, scale).T
    np.testing.assert_allclose(imresize(image, scale), expected, atol=1e-12)


def test_halving_takes_the_weights_known_by_hand() -> None:
    """``h(x) = c(x / 2) / 2`` at x = 1/2, 3/2, 5/2, 7/2, in multiples of 1/256."""
    row = np.zeros((1, 32))
    row[0, 16] = 256
    half = np.array([-3, -9, 29, 111, 111, 29, -9, -3])
    np.testing.assert_allclose(imresize(row, 0.5)[0, 6:10], half[[0, 2, 4, 6]], atol=1e-12)
    np.testing.assert_allclose(imresize(row[:, ::-1], 0.5)[0, 6:10], half[[1, 3, 5, 7]], atol=1e-12)


def test_doubling_takes_the_weights_known_by_hand() -> None:
    """c at 1/4, 3/4, 5/4, 7/4, in multiples of 1/128."""
    row = np.zeros((1, 16))
    row[0, 8] = 128
    double = [-3, -9, 29, 111, 111, 29, -9, -3]
    np.testing.assert_allclose(imresize(row, 2)[0, 13:21], double, atol=1e-12)


@pytest.mark.parametrize("scale", [0.25, 0.5, 2.0, 4.0])
def test_pillow_agrees_in_the_interior(scale: float) -> None:
    """Pillow has the same kernel; it cuts the weights at the border where MATLAB mirrors."""
    grey = COFFEE[:320, :480, 1].astype(np.float32)
    size = round(480 * scale), round(320 * scale)
    theirs = np.asarray(PIL.Image.fromarray(grey).resize(size, PIL.Image.Resampling.BICUBIC))
    ours = imresize(grey, scale)
    inner = np.s_[16:-16, 16:-16]
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=1e-3)
    assert np.abs(ours - theirs).max() > 0.1


def test_8_bit_images_are_rounded_half_up_after_each_pass_rows_first() -> None:
    rows = np.floor(dense(48, 0.5) @ COFFEE[:48, :64, 0] + 0.5).clip(0, 255)
    expected = np.floor(rows @ dense(64, 0.5).T + 0.5).clip(0, 255)
    result = imresize(COFFEE[:48, :64, 0], 0.5)
    assert result.dtype == np.uint8
    assert np.array_equal(result, expected)


def test_overshoot_is_clipped_in_8_bit_and_kept_in_floating_point() -> None:
    edge = np.zeros((8, 8), np.uint8)
    edge[:, 4:] = 255
    assert imresize(edge, 2).max() == 255
    assert imresize(edge / 255.0, 2).max() > 1.01
    assert imresize(edge / 255.0, 2).min() < -0.01


@given(value=st.integers(0, 255), scale=scales, height=st.integers(1, 9))
def test_one_colour_stays(value: int, scale: float, height: int) -> None:
    result = imresize(np.full((height, 7, 3), value, np.uint8), scale)
    assert result.shape == (math.ceil(height * scale), math.ceil(7 * scale), 3)
    assert (result == value).all()


@given(scale=scales, seed=st.integers(0, 99))
def test_mirroring_and_transposing_commute_with_resizing(scale: float, seed: int) -> None:
    image = np.random.default_rng(seed).random((12, 12))
    result = imresize(image, scale)
    np.testing.assert_allclose(imresize(image.T, scale), result.T, atol=1e-12)
    if (12 * scale).is_integer():  # else the last sample reaches over the border
        np.testing.assert_allclose(imresize(image[::-1], scale), result[::-1], atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_a_scale_that_is_none_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be positive and finite"):
        imresize(COFFEE, scale)


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("shape", [(48, 64), (49, 63)])
def test_down_and_up_again_does_not_shift_the_image(scale: float, shape: tuple[int, int]) -> None:
    ramp = np.linspace(0.2, 0.8, shape[1]) + 0.1 * np.linspace(-1, 1, shape[0])[:, None]
    image = np.repeat(ramp[..., None], 3, axis=2)
    result = LowResolution(scale=scale).apply(Scene(image), np.random.default_rng(0))
    assert result.shape == image.shape
    inner = np.s_[12:-12, 12:-12]
    np.testing.assert_allclose(result[inner], image[inner], atol=2.5 / 255)
    # Half a pixel would be 1.2 grey levels; the roundings half up are worth 0.4.
    assert abs((result - image)[inner].mean()) < 0.6 / 255


def test_scale_1_only_rounds() -> None:
    image = np.random.default_rng(0).random((16, 24, 3))
    result = LowResolution(scale=1).apply(Scene(image), np.random.default_rng(0))
    np.testing.assert_array_equal(result, np.rint(image * 255) / 255)
