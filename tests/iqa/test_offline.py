"""pyiqa's metrics that need no weights, against known answers and independent formulas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.signal import convolve2d
from skimage.metrics import structural_similarity

from restorebench.catalog import Catalog
from restorebench.errors import ImageError
from restorebench.metrics import Metric
from restorebench_benchmarks import iqa

from .conftest import Cli, Image, noisy

pytestmark = [
    pytest.mark.iqa,
    # pyiqa forgets to close a file while it is imported.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

PERFECT = {
    "cw_ssim": 1.0,
    "fsim": 1.0,
    "gmsd": 0.0,
    "mad": 0.0,
    "ms_ssim": 1.0,
    "nlpd": 0.0,
    "vif": 1.0,
    "vsi": 1.0,
}
PROTOCOL = """\
name: offline
version: 1
title: Perceptual metrics that need no weights
source: this test
colour: rgb
value_range: float [0, 1], clamped
rounding: none
centre_crop: 16
metrics: {psnr: psnr, gmsd: gmsd, piqe: piqe}
noise: keyed
"""


def through_pyiqa() -> dict[str, Metric]:
    catalog = Catalog.installed()
    found = {name: catalog.metric(name) for name in catalog.names("metrics")}
    return {name: metric for name, metric in found.items() if "pyiqa" in metric.packages}


def luma(image: Image) -> NDArray[np.float64]:
    """Y of YIQ, 0-255, rounded, as pyiqa takes it for most metrics."""
    return np.rint(255 * (image.astype(np.float64) @ [0.299, 0.587, 0.114]))


def test_directions_and_references_are_those_that_pyiqa_states() -> None:
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    metrics = through_pyiqa()
    assert len(metrics) == 17
    for metric in metrics.values():
        stated = DEFAULT_CONFIGS[metric.score.__self__.name]  # type: ignore[attr-defined]
        assert metric.higher_is_better != stated.get("lower_better", False), metric.title
        assert metric.needs_target == (stated["metric_mode"] == "FR"), metric.title


@pytest.mark.parametrize("name", sorted(PERFECT))
def test_identical_images_score_perfectly_and_noise_scores_worse_and_worse(
    name: str, clean: Image
) -> None:
    metric = through_pyiqa()[name]
    assert metric.unavailable() is None
    scores = [metric.score(image, clean) for image in (clean, noisy(clean, 15), noisy(clean, 50))]
    assert scores[0] == pytest.approx(PERFECT[name], abs=1e-5)
    worse = np.diff(scores) * (-1 if metric.higher_is_better else 1)
    assert (worse > 1e-3).all(), scores


def test_piqe_is_worse_for_noise_and_entropy_is_raised_by_it(clean: Image) -> None:
    images = [noisy(clean, sigma) for sigma in (5, 15, 50)]
    assert (np.diff([iqa.PIQE.score(image) for image in images]) > 1).all()
    assert (np.diff([iqa.ENTROPY.score(image) for image in images]) > 0).all()
    assert 0 <= iqa.PIQE.score(images[2]) <= 100


def test_entropy_is_that_of_the_histogram(clean: Image) -> None:
    _, counts = np.unique(luma(clean), return_counts=True)
    share = counts / counts.sum()
    assert iqa.ENTROPY.score(clean) == pytest.approx(-np.sum(share * np.log2(share)), abs=1e-3)
    half = np.zeros((32, 32, 3), np.float32)
    half[:16] = 1
    assert iqa.ENTROPY.score(half) == pytest.approx(1, abs=1e-6)


def test_gmsd_is_the_deviation_of_gradient_similarity(clean: Image) -> None:
    # Xue et al., TIP 2014: Prewitt gradients of the halved image, c = 170, eq. 4 and 6.
    def gradient(image: Image) -> NDArray[np.float64]:
        y = luma(image)
        halved = (y[::2, ::2] + y[1::2, ::2] + y[::2, 1::2] + y[1::2, 1::2]) / 4
        prewitt = np.array([[1, 0, -1]] * 3) / 3
        return np.hypot(*(convolve2d(halved, k, mode="same") for k in (prewitt, prewitt.T)))

    restored = noisy(clean, 25)
    a, b = gradient(restored), gradient(clean)
    similarity = (2 * a * b + 170) / (a**2 + b**2 + 170)
    assert iqa.GMSD.score(restored, clean) == pytest.approx(np.std(similarity, ddof=1), abs=1e-5)


def test_ms_ssim_is_the_product_over_five_scales(clean: Image) -> None:
    # Wang et al., Asilomar 2003, eq. 7: contrast and structure at each scale, luminance at the
    # last. At one scale contrast-structure is SSIM of images whose local means agree, so it is
    # taken here as (2 cov + C2) / (var + var + C2) with scikit-image's window.
    from scipy.ndimage import gaussian_filter

    def structure(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        def mean(z: NDArray[np.float64]) -> NDArray[np.float64]:
            return gaussian_filter(z, 1.5, radius=5)[5:-5, 5:-5]

        covariance = mean(x * y) - mean(x) * mean(y)
        variances = mean(x * x) - mean(x) ** 2 + mean(y * y) - mean(y) ** 2
        c2 = (0.03 * 255) ** 2
        return float(np.mean(np.maximum((2 * covariance + c2) / (variances + c2), 0)))

    restored = noisy(clean, 25)
    x, y, product = luma(restored), luma(clean), 1.0
    for weight in (0.0448, 0.2856, 0.3001, 0.2363):
        product *= structure(x, y) ** weight
        x, y = (uniform_filter(z, 2, origin=-1)[::2, ::2] for z in (x, y))
    last = structural_similarity(
        x, y, data_range=255, gaussian_weights=True, use_sample_covariance=False
    )
    product *= last**0.1333
    assert iqa.MS_SSIM.score(restored, clean) == pytest.approx(product, abs=1e-5)


def test_an_image_that_a_metric_is_not_defined_on_is_named(clean: Image) -> None:
    with pytest.raises(ImageError, match="gmsd is defined on RGB, but the protocol scores luma"):
        iqa.GMSD.score(clean[..., :1], clean[..., :1])
    with pytest.raises(ImageError, match="ms_ssim failed on 64x48 pixels: "):
        iqa.MS_SSIM.score(clean[:48, :64], clean[:48, :64])


def test_a_run_scores_with_it_and_tells_its_licence_once(cli: Cli, tmp_path: Path) -> None:
    protocol = tmp_path / "offline.yaml"
    protocol.write_text(PROTOCOL)
    arguments = ["--suite", "three_deg", "--data", "sample", "--limit", 1, "-m", "identity"]
    done = cli("run", *arguments, "--protocol", protocol, "--protocol", "airnet", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("licence PolyForm-Noncommercial") == 1
    assert "GMSD: computed by pyiqa" in done.stdout
    records = pd.read_parquet(tmp_path / "run/records.parquet")
    assert len(records) == 5
    assert records[["psnr", "gmsd", "piqe"]].notna().all(axis=None)
    by_task = records.set_index("task")
    assert by_task.gmsd["bsd68_s15"] < by_task.gmsd["bsd68_s25"] < by_task.gmsd["bsd68_s50"]
    session = json.loads((tmp_path / "run/manifest.json").read_text())["sessions"][0]
    assert {"pyiqa", "torchvision"} <= session["packages"].keys()
    other = pd.read_parquet(tmp_path / "run/airnet/records.parquet")
    assert records.psnr.tolist() == other.psnr.tolist()
    # Another version of pyiqa must measure again; other protocols do not depend on it.
    assert set(records.environment).isdisjoint(other.environment)
