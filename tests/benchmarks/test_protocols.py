"""Each protocol against the authors' own metric code, and against what is known of real sets."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr

from restorebench.catalog import Catalog
from restorebench.column import find_columns
from restorebench.degradation import Scene
from restorebench.metrics import SSIM_GAUSS11, psnr
from restorebench.noise import GaussianNoise, NoiseSource, degrade
from restorebench.protocol import luma
from restorebench.work import load_pair

CATALOG = Catalog.installed()


@pytest.mark.parametrize(
    ("protocol", "metric", "golden"),
    [
        ("airnet", "psnr", "promptir.compute_psnr_ssim.psnr"),
        ("airnet", "ssim", "promptir.compute_psnr_ssim.ssim"),
        ("moce_ir", "psnr", "moce.test.peak_signal_noise_ratio"),
        ("moce_ir", "ssim", "moce.test.calc_ssim"),
        ("ndr", "psnr", "ndr.test.compute_psnr"),
        ("ndr", "ssim", "ndr.test.compute_ssim"),
        ("restormer_denoise", "psnr", "moce.test_utils.calculate_psnr.uint8"),
        ("gopro_matlab", "psnr", "moce.test_utils.calculate_psnr.uint8"),
    ],
)
def test_a_protocol_gives_its_authors_values(
    protocol: str, metric: str, golden: str, reference: Path, reference_weights: ModuleType
) -> None:
    found = CATALOG.protocol(protocol)
    score = CATALOG.metric(found.spec.metrics[metric]).score
    values = json.loads((reference / "golden_metrics.json").read_text())["values"][golden]
    for index, expected in enumerate(values):
        pair = reference_weights.make_pair(index)
        clean, restored = (found.seen(t[0].permute(1, 2, 0).numpy()) for t in pair)
        assert score(restored, clean) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_eight_bit_images_is_restormers(
    reference: Path, reference_weights: ModuleType
) -> None:
    seen = CATALOG.protocol("gopro_matlab").seen
    values = json.loads((reference / "golden_metrics.json").read_text())["values"]
    for index, expected in enumerate(values["moce.test_utils.calculate_ssim.uint8"]):
        pair = reference_weights.make_pair(index)
        clean, restored = (seen(t[0].permute(1, 2, 0).numpy()) for t in pair)
        assert SSIM_GAUSS11.score(restored, clean) == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 1000))
def test_luma_is_scikit_images_and_a_third_of_a_decibel_scale_apart_from_full_range(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.random((8, 9, 3), np.float32) for _ in range(2))
    assert luma(a)[..., 0] * 255 == pytest.approx(rgb2ycbcr(a)[..., 0], abs=1e-3)
    # Luma in 16-235 has 219 of 255 levels: 20 log10(255 / 219) = 1.322 dB above full range.
    full = [((luma(z) * 255 - 16) / 219).astype("f4") for z in (a, b)]
    gain = psnr(luma(a), luma(b)) - psnr(full[0], full[1])
    assert gain == pytest.approx(20 * np.log10(255 / 219), abs=1e-3)


def test_eight_bit_luma_lies_on_whole_levels() -> None:
    seen = CATALOG.protocol("restormer_derain").seen
    image = np.random.default_rng(0).random((16, 16, 3), np.float32) * 1.4 - 0.2
    levels = seen(image) * 255
    assert levels.shape == (16, 16, 1)
    assert levels == pytest.approx(np.rint(levels), abs=1e-4)
    assert levels.min() >= 16 - 1e-4
    assert levels.max() <= 235 + 1e-4


def test_restormers_noise_is_one_draw_for_every_image_and_leaves_the_range() -> None:
    scheme = CATALOG.protocol("restormer_denoise").noise
    mix = (GaussianNoise(sigma=50),)
    source = NoiseSource(scheme, "set", ["a", "b"])
    white = Scene(np.ones((20, 30, 3)))
    noisy = [degrade(white, mix, source.generators(name, mix), scheme) for name in ("a", "b")]
    drawn = np.random.RandomState(0).normal(0, 50 / 255, (20, 30, 3))
    assert noisy[0] == pytest.approx(1 + drawn, abs=1e-12)
    assert np.array_equal(noisy[0], noisy[1])
    assert noisy[0].max() > 1.2


def test_noise_that_is_not_clipped_cannot_be_quantised(tmp_path: Path) -> None:
    from restorebench.errors import SpecError

    path = tmp_path / "odd.yaml"
    path.write_text("name: odd\ntitle: odd\ndraw: keyed\nclip: false\nquantise: floor\n")
    with pytest.raises(SpecError, match="cannot be quantised to 8 bit"):
        CATALOG.protocol("airnet", str(path))


@pytest.mark.parametrize(
    ("protocol", "task", "expected_psnr", "expected_ssim"),
    [
        ("airnet", "rain100l", 25.5234, 0.8140),
        ("restormer_derain", "rain100l", 26.9001, 0.8383),
        ("airnet", "lol_v1", 7.7708, 0.1912),
        ("gopro_matlab", "lol_v1", 7.7733, 0.1259),
    ],
)
def test_what_the_degraded_images_of_real_sets_score(
    protocol: str, task: str, expected_psnr: float, expected_ssim: float, real_data: Path
) -> None:
    found = CATALOG.protocol(protocol)
    column = find_columns(CATALOG.suite("five_deg"), found, real_data, "auto", None)
    chosen = next(c for c in column if c.task.name == task)
    scores = []
    for item in chosen.items:
        pair = [found.seen(image) for image in load_pair(chosen, item) if image is not None]
        scores.append([CATALOG.metric(m).score(*pair) for m in found.spec.metrics.values()])
    mean_psnr, mean_ssim = np.mean(scores, axis=0)
    assert mean_psnr == pytest.approx(expected_psnr, abs=5e-5)
    assert mean_ssim == pytest.approx(expected_ssim, abs=5e-5)
