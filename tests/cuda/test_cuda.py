"""Networks, runs, costs and training on CUDA; `nox -s cuda` runs what needs a device."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from copy import copy, deepcopy
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.catalog import Catalog
from restorebench.costs.profiling import Profile, measure_costs
from restorebench.method import Method
from restorebench.rows import Options, row_of
from restorebench_methods.deformable import gathered, torchvision_operator
from restorebench_methods.training.loop import Training

from ..methods.digests import fill, networks  # noqa: TID252
from ..methods.golden import (  # noqa: TID252
    FLOAT64_EXCEPTIONS,
    METHODS,
    Golden,
    largest_difference,
)
from ..methods.test_training import mean_loss, state_of  # noqa: TID252

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

DEVICE = "cuda:0"
# Wider than on the CPU: a GPU takes sums in another order.
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
# Attention between strongly scaled features, and Fourier transforms by another library.
FLOAT32_EXCEPTIONS = {"hair": 3e-4, "moce_ir": 3e-4, "moce_ir_s": 3e-4}


@pytest.fixture(scope="module", params=sorted(METHODS))
def golden(
    request: pytest.FixtureRequest, reference: Path, reference_weights: ModuleType
) -> Golden:
    found = Golden(request.param, reference, reference_weights, DEVICE)
    if not found.arrays:
        pytest.skip("no code was released, so there are no golden outputs")
    return found


def image(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def differences(golden: Golden, group: str, dtype: torch.dtype) -> dict[str, float]:
    """How far the network is from the authors', by input."""
    network = deepcopy(golden.method.network).to(dtype)
    with golden.method.inference():
        return {
            key: largest_difference(network(x.to(DEVICE, dtype)), golden.arrays[f"{group}/{key}"])
            for key, x in golden.inputs(group)
        }


def test_restored_images_equal_the_authors(golden: Golden) -> None:
    found = differences(golden, "out", torch.float32)
    tolerance = FLOAT32_EXCEPTIONS.get(golden.manifest["method"], TOLERANCE["float32"])
    assert found
    assert max(found.values()) < tolerance, found


def test_restored_images_equal_the_authors_in_double_precision(golden: Golden) -> None:
    found = differences(golden, "out_f64", torch.float64)
    tolerance = FLOAT64_EXCEPTIONS.get(golden.manifest["method"], TOLERANCE["float64"])
    assert found
    assert max(found.values()) < tolerance, found


# The smallest size has reached kernels that no other does.
@pytest.mark.parametrize("size", [(72, 100), (16, 16)])
@pytest.mark.parametrize("name", networks())
def test_both_ways_restore_the_same(name: str, size: tuple[int, int]) -> None:
    ours = restorebench.load_method(name, device=DEVICE)
    fill(ours.network)
    theirs = copy(ours)
    theirs.way = "reference"
    x = image(2, 3, *size)
    restored = ours.restore(x)
    tolerance = FLOAT32_EXCEPTIONS.get(name, TOLERANCE["float32"]) * max(1, float(restored.std()))
    assert torch.allclose(restored, theirs.restore(x), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
@pytest.mark.parametrize("reach", [0.3, 40.0])
def test_both_deformable_convolutions_agree_in_values_and_gradients(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tolerance: float, reach: float
) -> None:
    operator = torchvision_operator()
    if operator is None:
        pytest.skip("torchvision is not installed, or was built for another torch")
    # Here nothing goes through `Method.inference`, and torch may round by default.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    drawn = (
        normal(2, 8, 37, 41),
        reach * normal(2, 18, 37, 41),
        normal(2, 9, 37, 41).sigmoid(),
        normal(9, 8, 3, 3) / 8,
    )
    towards = normal(2, 9, 37, 41).to(DEVICE, dtype)

    def computed(way: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> list[Tensor]:
        inputs = [t.to(DEVICE, dtype).requires_grad_() for t in drawn]
        out = way(*inputs)
        return [out.detach(), *torch.autograd.grad((out * towards).sum(), inputs)]

    names = ("values", "features", "offsets", "masks", "kernel")
    for what, a, b in zip(names, computed(gathered), computed(operator), strict=True):
        assert a.is_cuda
        assert float((a - b).abs().max()) < tolerance * float(b.abs().max()), what


def scored(out: Path, device: str) -> Leaderboard:
    return restorebench.run(
        "derain",
        ["identity", "hair"],
        limit=2,
        device=device,
        out=out,
        data="sample",
        weights={"hair": "small"},
    )


def test_a_run_scores_what_the_cpu_scores_and_names_the_device(tmp_path: Path) -> None:
    here, there = scored(tmp_path / "gpu", DEVICE), scored(tmp_path / "cpu", "cpu")
    assert here.failures() == []
    for method in ("identity", "hair"):
        for task in (column.name for column in here.info.columns):
            ours, theirs = here.image_scores(method, task), there.image_scores(method, task)
            assert list(ours.index) == list(theirs.index)
            assert np.allclose(ours["psnr"], theirs["psnr"], rtol=0, atol=0.002), (method, task)
            assert np.allclose(ours["ssim"], theirs["ssim"], rtol=0, atol=2e-5), (method, task)
    gpu = torch.cuda.get_device_name(DEVICE)
    assert set(here.records["device"]) == {gpu}
    sessions = json.loads((tmp_path / "gpu" / "manifest.json").read_text())["sessions"]
    assert [session["device"] for session in sessions] == [gpu]


def test_tf32_rounds_a_little_and_float32_not_at_all() -> None:
    x = image(1, 3, 128, 128)
    seen: list[tuple[bool, bool]] = []

    def watch(*_: object) -> None:
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))

    def restored(method: Method) -> Tensor:
        method.network.register_forward_hook(watch)
        return method.restore(x)

    rounded = restored(restorebench.load_method("promptir", "small", DEVICE, precision="tf32"))
    full = restored(restorebench.load_method("promptir", "small", DEVICE))
    assert seen == [(True, True), (False, False)]
    assert 0 < float((rounded - full).abs().max()) < 0.005
    exact = restored(restorebench.load_method("promptir", "small"))
    assert float((full - exact).abs().max()) < float((rounded - exact).abs().max()) / 10


def test_costs_are_those_of_the_device(tmp_path: Path) -> None:
    options = Options(device=DEVICE, untrained=True)
    row = row_of(Catalog.installed(), "restormer", options)
    *_, record = measure_costs([row], Profile(latency=True, memory=True), tmp_path)
    assert record.error is None
    assert record.identity.device == torch.cuda.get_device_name(DEVICE)
    assert (record.identity.threads, record.identity.tf32) == (None, False)
    latency, memory = record.latency, record.memory
    assert latency is not None
    assert latency.network is not None
    # The network's time lies within the other one, but for what interrupts a round.
    assert 0 < np.median(latency.network) <= 1.1 * np.median(latency.restore)
    assert memory is not None
    assert memory.reserved is not None
    assert 4 * 26_000_000 < memory.weights <= memory.peak <= memory.reserved


@pytest.mark.parametrize("graph", [False, True])
def test_a_training_lowers_its_loss_and_goes_on_after_an_interruption(
    trainer: Callable[..., Training], tmp_path: Path, graph: bool
) -> None:
    with trainer("restormer", "whole", device=DEVICE, graph=graph) as whole:
        list(whole.run())
    training = trainer("restormer", device=DEVICE, graph=graph)
    before = mean_loss(training)

    def interrupted() -> None:
        with training:
            for progress in training.run():
                assert progress.loss.is_cuda
                if progress.step == 13:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert state_of(tmp_path / "out")["step"] == 13
    with trainer("restormer", device=DEVICE, graph=graph) as training:
        assert [progress.step for progress in training.run()] == [*range(14, 31)]
    assert mean_loss(training) < 0.9 * before
    assert mean_loss(training) == pytest.approx(mean_loss(whole), rel=0.1)
    state = state_of(tmp_path / "out")
    assert (state["step"], [s["from_step"] for s in state["sessions"]]) == (30, [0, 13])
    gpu = torch.cuda.get_device_name(DEVICE)
    assert [session["device"] for session in state["sessions"]] == [gpu, gpu]


@pytest.mark.parametrize("method", sorted({*METHODS} - {"moce_ir", "moce_ir_s"}))
def test_captured_steps_train_as_others_do(
    trainer: Callable[..., Training], recipe: Path, method: str
) -> None:
    # AirNet's loss changes on the way.
    recipe.write_text(recipe.read_text().replace("warm_up: 0,", "warm_up: 15,"))
    losses, ends = [], []
    for graph in (False, True):
        training = trainer(method, f"graph-{graph}", device=DEVICE, graph=graph)
        with training:
            losses.append([float(progress.loss) for progress in training.run()])
        ends.append(mean_loss(training))
    # Sums are taken in an order that varies, and every step builds on the one before.
    assert losses[0][:6] == pytest.approx(losses[1][:6], rel=1e-3)
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert ends[0] == pytest.approx(ends[1], rel=0.1)


def test_a_step_that_asks_the_device_cannot_be_captured_and_says_so(
    training_root: Path, recipe: Path, tmp_path: Path
) -> None:
    # In a process of its own: what is left of a failed capture is not specified.
    words = [sys.executable, "-m", "restorebench", "train", "-m", "moce_ir", "--graph"]
    words += ["--recipe", str(recipe), "--data-root", str(training_root), "--device", DEVICE]
    done = subprocess.run([*words, "--out", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode != 0
    assert "a step of MoCEIR cannot be captured" in done.stderr
    assert "train it without --graph" in done.stderr
    assert "Traceback" not in done.stderr
