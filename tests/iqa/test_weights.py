"""pyiqa's metrics that need weights: planted ones, and none to be had."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import torch
from torch import Tensor, nn

from restorebench.errors import SetupError
from restorebench.metrics import Metric
from restorebench_benchmarks import iqa

from .conftest import Cli, Image, noisy

pytestmark = [
    pytest.mark.iqa,
    # pyiqa forgets to close a file while it is imported.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

ALEX = ("alexnet", "alexnet-owt-7be5be79.pth", "LPIPS_v0.1_alex-df73285e.pth")
VGG = ("vgg16", "vgg16-397923af.pth", "LPIPS_v0.1_vgg-a78928a0.pth")
RELUS = {"alexnet": (1, 4, 7, 9, 11), "vgg16": (3, 8, 15, 22, 29)}


def plant_backbone(torch_home: Path, network: str, file: str) -> nn.Module:
    """Write random weights where torchvision looks for its own; return the convolutions."""
    from torchvision import models

    torch.manual_seed(0)
    model: nn.Module = getattr(models, network)()
    state = {
        # The classifier is never run: one number stands for each of its large matrices.
        key: torch.zeros(()).expand(value.shape) if key.startswith("classifier") else value
        for key, value in model.state_dict().items()
    }
    torch.save(state, torch_home / "hub/checkpoints" / file)
    features = model.features
    assert isinstance(features, nn.Sequential)
    return features.eval().requires_grad_(False)


def lpips(layers: nn.Module, relus: Sequence[int], linear: list[Tensor], *pair: Image) -> float:
    """Zhang et al., CVPR 2018, eq. 1, on inputs in [-1, 1] standardised as its authors do."""
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
    features = []
    for image in pair:
        x = (torch.from_numpy(image).permute(2, 0, 1) * 2 - 1 - shift) / scale
        found = []
        for index, layer in enumerate(layers.children()):
            x = layer(x)
            if index in relus:
                found.append(x / (x.norm(dim=0, keepdim=True) + 1e-10))
        features.append(found)
    squares = [(a - b) ** 2 for a, b in zip(*features, strict=True)]
    return float(sum((w * s).sum(0).mean() for w, s in zip(linear, squares, strict=True)))


@pytest.mark.parametrize(
    ("metric", "planted"), [(iqa.LPIPS_ALEX, ALEX), (iqa.LPIPS_VGG, VGG)], ids=["alex", "vgg"]
)
def test_lpips_is_its_formula_on_images_from_0_to_1(
    torch_home: Path, clean: Image, metric: Metric, planted: tuple[str, str, str]
) -> None:
    network, backbone, head = planted
    layers = plant_backbone(torch_home, network, backbone)
    rng = torch.Generator().manual_seed(1)
    relus = RELUS[network]
    convolutions = [layer for layer in layers.children() if isinstance(layer, nn.Conv2d)]
    counts = [c.out_channels for c in convolutions]
    if network == "vgg16":  # one layer in each block of two or three
        counts = [64, 128, 256, 512, 512]
    linear = [torch.rand(count, 1, 1, generator=rng) for count in counts]
    state = {f"lin{i}.model.1.weight": w[None] for i, w in enumerate(linear)}
    torch.save(state, torch_home / "hub/pyiqa" / head)
    assert metric.unavailable() is None
    assert metric.score(clean, clean) == 0
    scores = [metric.score(noisy(clean, sigma), clean) for sigma in (15, 50)]
    assert 0 < scores[0] < scores[1]
    expected = lpips(layers, relus, linear, noisy(clean, 50), clean)
    assert scores[1] == pytest.approx(expected, rel=1e-4)


def test_networks_that_are_fetched_give_a_number(torch_home: Path, clean: Image) -> None:
    # Their values need the true weights; that they build, load and run needs any.
    from pyiqa.archs.dbcnn_arch import DBCNN, SCNN
    from pyiqa.archs.musiq_arch import MUSIQ

    hub = torch_home / "hub/pyiqa"
    plant_backbone(torch_home, "vgg16", VGG[1])
    dists = {"alpha": torch.ones(1, 1475, 1, 1), "beta": torch.ones(1, 1475, 1, 1)}
    torch.save(dists, hub / "DISTS_weights-f5e65c96.pth")
    torch.save(MUSIQ(pretrained=False).state_dict(), hub / "musiq_koniq_ckpt-e95806b9.pth")
    torch.save(SCNN().state_dict(), hub / "DBCNN_scnn-7ea73d75.pth")
    whole = {"params": DBCNN(pretrained=False).state_dict()}
    torch.save(whole, hub / "DBCNN_KonIQ10k-2de81c0a.pth")
    natural = {"mu_prisparam": np.ones((1, 36)), "cov_prisparam": np.eye(36)}
    scipy.io.savemat(hub / "niqe_modelparameters.mat", natural)
    assert iqa.DISTS.score(clean, clean) == pytest.approx(0, abs=1e-5)
    assert iqa.DISTS.score(noisy(clean, 50), clean) > 0.01
    for metric in (iqa.MUSIQ, iqa.DBCNN, iqa.NIQE):
        assert metric.unavailable() is None, metric.title
        assert np.isfinite(metric.score(clean)), metric.title


def test_weights_that_cannot_be_fetched_leave_the_other_metrics_alone(
    cli: Cli, tmp_path: Path
) -> None:
    arguments = ["--suite", "three_deg", "--data", "sample", "--limit", 1, "-m", "identity"]
    protocols = ["--protocol", "perceptual", "--protocol", "no_reference"]
    done = cli("run", *arguments, *protocols, "--out", "run")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    for title in ("LPIPS-VGG", "DISTS", "NIQE", "MUSIQ", "CLIP-IQA"):
        assert f"{title} unavailable: its weights cannot be fetched (" in done.stderr, title
    assert "Downloading" not in done.stdout
    with_target = pd.read_parquet(tmp_path / "run/records.parquet")
    without = pd.read_parquet(tmp_path / "run/no_reference/records.parquet")
    assert with_target[["psnr", "ssim"]].notna().all(axis=None)
    assert with_target[["lpips", "dists"]].isna().all(axis=None)
    assert without.piqe.notna().all()
    assert without[["niqe", "musiq", "clip_iqa"]].isna().all(axis=None)


def test_an_unavailable_metric_never_gives_a_number(torch_home: Path, clean: Image) -> None:
    with pytest.raises(SetupError, match="niqe: its weights cannot be fetched"):
        iqa.NIQE.score(clean)


def test_a_server_that_never_answers_is_given_up(
    torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("urllib.request._opener", None)  # it keeps the proxies it first saw
        monkeypatch.setattr(iqa, "PATIENCE", 0.2)
        reason = iqa.NIQE.unavailable()
    assert reason is not None
    assert "timed out" in reason
    assert socket.getdefaulttimeout() is None


def test_a_damaged_file_of_weights_is_said(torch_home: Path) -> None:
    (torch_home / "hub/pyiqa/niqe_modelparameters.mat").write_bytes(b"no matrix")
    reason = iqa.NIQE.unavailable()
    assert reason is not None
    assert reason.startswith("pyiqa cannot build it (")
    assert "\n" not in reason
