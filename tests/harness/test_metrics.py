"""PSNR and SSIM against scikit-image and against the authors' own metric code."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from restorebench.errors import ImageError
from restorebench.metrics import psnr, ssim_uniform7


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


def test_identical_images_have_infinite_psnr_and_an_ssim_of_one() -> None:
    _, clean = noisy_pair(0, 0.1)
    assert psnr(clean, clean) == math.inf
    assert ssim_uniform7(clean, clean) == pytest.approx(1.0, abs=1e-6)


@given(st.integers(0, 100))
def test_more_noise_scores_less(seed: int) -> None:
    weak, clean = noisy_pair(seed, 0.02)
    strong, _ = noisy_pair(seed, 0.2)
    assert psnr(weak, clean) > psnr(strong, clean)
    assert ssim_uniform7(weak, clean) > ssim_uniform7(strong, clean)


@pytest.mark.parametrize("metric", [psnr, ssim_uniform7])
def test_shapes_must_agree(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(ImageError, match="the shapes must agree"):
        metric(np.zeros((8, 8, 3), "f4"), np.zeros((8, 9, 3), "f4"))


def test_the_airnet_familys_golden_values_are_reproduced(
    reference: Path, reference_weights: ModuleType
) -> None:
    golden = json.loads((reference / "golden_metrics.json").read_text())["values"]
    for index in range(len(reference_weights.PAIRS)):
        pair = reference_weights.make_pair(index)
        clean, restored = (t[0].permute(1, 2, 0).numpy() for t in pair)
        clean, restored = clean.clip(0, 1), restored.clip(0, 1)
        expected = golden["promptir.compute_psnr_ssim.psnr"][index]
        assert psnr(restored, clean) == pytest.approx(expected, abs=1e-6)
        expected = golden["promptir.compute_psnr_ssim.ssim"][index]
        assert ssim_uniform7(restored, clean) == pytest.approx(expected, abs=1e-6)
