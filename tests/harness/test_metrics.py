"""PSNR and SSIM against scikit-image and against the authors' own metric code."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from restorebench.errors import ImageError
from restorebench.image import read_image
from restorebench.metrics import (
    PSNR,
    SSIM_GAUSS11,
    SSIM_GAUSS11_SAMPLE,
    SSIM_UNIFORM7,
    Metric,
    psnr,
    psnr_float32,
    ssim_gauss11,
    ssim_gauss11_sample,
    ssim_matlab3d,
    ssim_uniform7,
)


def noisy_pair(seed: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clean = rng.random((24, 32, 3), dtype=np.float32)
    return np.clip(clean + strength * rng.standard_normal(clean.shape), 0, 1).astype("f4"), clean


@given(st.integers(0, 1000), st.floats(0.001, 0.5))
def test_psnr_is_scikit_images(seed: int, strength: float) -> None:
    restored, clean = noisy_pair(seed, strength)
    assert psnr(restored, clean) == pytest.approx(
        peak_signal_noise_ratio(clean, restored, data_range=1), abs=1e-9
    )


WINDOWS = [
    (SSIM_UNIFORM7, {}),
    (SSIM_GAUSS11_SAMPLE, {"gaussian_weights": True}),
    (SSIM_GAUSS11, {"gaussian_weights": True, "use_sample_covariance": False}),
]


def of_tensors(metric: Metric, *images: np.ndarray) -> float:
    assert metric.of_tensors is not None
    return metric.of_tensors(*map(torch.from_numpy, images))


@pytest.mark.parametrize(("metric", "window"), WINDOWS)
@given(
    seed=st.integers(0, 1000),
    strength=st.floats(0.001, 0.5),
    height=st.integers(11, 50),
    width=st.integers(11, 50),
    channels=st.sampled_from([1, 3]),
)
def test_ssim_is_scikit_images(
    metric: Metric,
    window: dict[str, bool],
    seed: int,
    strength: float,
    height: int,
    width: int,
    channels: int,
) -> None:
    rng = np.random.default_rng(seed)
    # Flat parts, too, where a covariance is the small difference of large numbers.
    clean = np.repeat(rng.random((height, 1, channels)), width, axis=1)
    noise = strength * rng.standard_normal(clean.shape)
    images = [np.clip(clean + noise, 0, 1).astype("f4"), clean.astype("f4")]
    doubles = [image.astype(np.float64) for image in images]
    expected = structural_similarity(*doubles, data_range=1, channel_axis=-1, **window)
    assert metric.score(*images) == pytest.approx(expected, abs=1e-9)
    assert of_tensors(metric, *images) == pytest.approx(expected, abs=1e-9)


def test_on_real_images_metrics_are_scikit_images_in_its_own_precision(real_data: Path) -> None:
    for path in sorted((real_data / "test/derain/Rain100L/input").iterdir())[:4]:
        target = next((path.parent.parent / "target").glob(path.name))
        pixels = [read_image(p) for p in (path, target)]
        images = [p.astype(np.float32) / np.float32(255) for p in pixels]
        expected = peak_signal_noise_ratio(images[1], images[0], data_range=1)
        assert PSNR.score(*images) == pytest.approx(expected, abs=1e-6)
        assert of_tensors(PSNR, *images) == pytest.approx(expected, abs=1e-6)
        for metric, window in WINDOWS:
            expected = structural_similarity(*images, data_range=1, channel_axis=-1, **window)
            assert metric.score(*images) == pytest.approx(expected, abs=1e-6)
            assert of_tensors(metric, *images) == pytest.approx(expected, abs=1e-6)


def test_identical_images_have_infinite_psnr_and_an_ssim_of_one() -> None:
    _, clean = noisy_pair(0, 0.1)
    assert psnr(clean, clean) == math.inf
    assert psnr_float32(clean, clean) == math.inf
    for ssim in (ssim_uniform7, ssim_gauss11, ssim_gauss11_sample, ssim_matlab3d):
        assert ssim(clean, clean) == pytest.approx(1.0, abs=1e-6)


@given(st.integers(0, 100))
def test_more_noise_scores_less(seed: int) -> None:
    weak, clean = noisy_pair(seed, 0.02)
    strong, _ = noisy_pair(seed, 0.2)
    assert psnr(weak, clean) > psnr(strong, clean)
    assert ssim_uniform7(weak, clean) > ssim_uniform7(strong, clean)


@pytest.mark.parametrize("metric", [psnr, psnr_float32, ssim_uniform7, ssim_gauss11, ssim_matlab3d])
def test_shapes_must_agree(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(ImageError, match="the shapes must agree"):
        metric(np.zeros((8, 8, 3), "f4"), np.zeros((8, 9, 3), "f4"))


@pytest.mark.parametrize("channels", [1, 3])
def test_matlabs_ssim_of_a_colour_image_is_that_of_a_volume(channels: int) -> None:
    """Against the definition, with a dense 11x11x11 window at every voxel of a padded volume."""
    rng = np.random.default_rng(5)
    clean = rng.random((13, 12, channels))
    restored = np.clip(clean + 0.1 * rng.standard_normal(clean.shape), 0, 1)
    steps = np.arange(-5, 6)
    line = np.exp(-(steps**2) / (2 * 1.5**2))
    window = line[:, None, None] * line[None, :, None] * line[None, None, :]
    window /= window.sum()
    x, y = (
        np.lib.stride_tricks.sliding_window_view(np.pad(z, 5, mode="edge"), window.shape)
        for z in (restored, clean)
    )

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray((values * window).sum(axis=(3, 4, 5)))

    mx, my = mean(x), mean(y)
    vx = mean((x - mx[..., None, None, None]) ** 2)
    vy = mean((y - my[..., None, None, None]) ** 2)
    cov = mean((x - mx[..., None, None, None]) * (y - my[..., None, None, None]))
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    found = ssim_matlab3d(restored.astype("f4"), clean.astype("f4"))
    assert found == pytest.approx(expected.mean(), abs=1e-6)


@pytest.mark.parametrize(("metric", "side"), [(ssim_uniform7, 7), (ssim_gauss11, 11)])
def test_an_image_smaller_than_the_window_is_an_error(metric: object, side: int) -> None:
    assert callable(metric)
    small = np.zeros((side - 1, 64, 3), "f4")
    with pytest.raises(ImageError, match=rf"at least {side}x{side} pixels, got 64x{side - 1}"):
        metric(small, small)


def test_the_windows_rank_as_published_comparisons_have_them() -> None:
    weak, clean = noisy_pair(1, 0.1)
    by_channel = ssim_gauss11(weak, clean)
    assert ssim_gauss11_sample(weak, clean) < by_channel  # sample covariance is larger
    assert psnr_float32(weak, clean) == pytest.approx(psnr(weak, clean), abs=1e-5)
