"""Every installed method keeps the contract that the harness and its users rely on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

import restorebench
from restorebench.catalog import Catalog
from restorebench.errors import ConfigError, DeviceError, RestoreError, UnknownNameError
from restorebench.method import Card, Method, reflect_to_multiple
from restorebench.precision import Precision
from restorebench.testing import check_method

NAMES = restorebench.list_methods()


def test_the_methods_of_the_field_are_there() -> None:
    assert set(NAMES) >= {
        *("airnet", "anyir", "anyir_sf", "daair", "hair", "identity", "moce_ir", "moce_ir_s"),
        *("ndr_restore", "nl_means", "promptir", "restormer"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_method_keeps_the_contract(name: str) -> None:
    method = restorebench.load_method(name)
    assert isinstance(method.network, nn.Module)
    assert not method.network.training
    check_method(method)


@pytest.mark.parametrize("name", NAMES)
def test_every_card_says_what_a_reader_needs(name: str) -> None:
    info = Catalog.installed().method(name).info
    assert info.title
    assert info.paper
    assert (info.status == "baseline") == (not info.needs_weights)
    if info.needs_weights:
        assert info.trained_on
        assert "our own" in info.code_licence or info.status == "reconstruction"
        assert info.size_multiple >= 1
    if info.status == "reconstruction":
        assert any("reconstruct" in note.lower() for note in info.notes)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("identity", "nl_means")])
def test_an_untrained_network_is_the_same_every_time(name: str) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first = restorebench.load_method(name).network.state_dict()
    assert torch.equal(torch.get_rng_state(), state)  # the caller's stream is left alone
    torch.manual_seed(8)
    second = restorebench.load_method(name).network.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_identity_returns_the_very_image() -> None:
    x = torch.rand(2, 3, 19, 33)
    assert torch.equal(restorebench.load_method("identity").restore(x), x)


def test_nl_means_removes_noise_and_keeps_a_flat_image() -> None:
    method = restorebench.load_method("nl_means")
    flat = torch.full((1, 3, 32, 32), 0.5)
    noisy = (
        flat + 0.1 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    ).clamp(0, 1)
    assert (method.restore(flat) - flat).abs().max() < 1e-5
    assert (method.restore(noisy) - flat).square().mean() < (noisy - flat).square().mean()


@pytest.mark.parametrize(
    "x",
    [
        torch.rand(3, 32, 32),
        torch.rand(1, 1, 32, 32),
        torch.rand(1, 3, 15, 32),
        torch.rand(1, 3, 32, 32, dtype=torch.float64),
    ],
    ids=["no batch", "grey", "too small", "double"],
)
def test_what_is_no_batch_of_images_is_refused(x: Tensor) -> None:
    with pytest.raises(RestoreError, match="restore takes"):
        restorebench.load_method("identity").restore(x)


@pytest.mark.parametrize("x", [None, [1, 2], torch.zeros(1, 3, 16, 16).numpy(), torch.zeros(5)])
def test_what_is_no_tensor_of_four_axes_is_refused_too(x: Any) -> None:
    with pytest.raises(RestoreError, match="restore takes"):
        restorebench.load_method("identity").restore(x)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_restored_image_is_the_callers_own(layout: torch.memory_format) -> None:
    x = torch.rand(2, 3, 16, 24).contiguous(memory_format=layout).requires_grad_()
    y = restorebench.load_method("identity").restore(x)
    assert not y.requires_grad
    assert y.is_contiguous()
    y.view(-1).mul_(0)  # in place, which tensors of inference mode refuse
    assert x.count_nonzero() > 0


SMALL: dict[str, Any] = {"dim": 16, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("restormer", {**SMALL, "ffn_expansion_factor": -1}),
        ("restormer", {**SMALL, "ffn_expansion_factor": 0}),
        ("restormer", {**SMALL, "ffn_expansion_factor": "2"}),
        ("restormer", {**SMALL, "ffn_expansion_factor": float("inf")}),
        ("restormer", {**SMALL, "dim": 10**30}),
        ("promptir", {**SMALL, "prompt_len": 0}),
        ("promptir", {**SMALL, "prompt_len": -1}),
        ("nl_means", {"patch_size": 2.5}),
        ("nl_means", {"patch_distance": 10**9}),
        ("nl_means", {"h": float("nan")}),
        ("identity", {"args": 1}),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_value_that_makes_no_network_is_a_config_error_of_one_line(
    name: str, config: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as caught:
        restorebench.load_method(name, **config)
    assert "\n" not in str(caught.value)


def test_an_unknown_precision_is_refused() -> None:
    wrong: Any = "float64"
    with pytest.raises(ConfigError, match=r"precision cannot be 'float64'\. Known: float32"):
        restorebench.load_method("identity", precision=wrong)
    with pytest.raises(DeviceError, match="device 'meta' cannot be used"):
        restorebench.load_method("identity", device="meta")


def test_tf32_is_refused_where_nothing_would_be_rounded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="precision tf32 is CUDA's; on cpu it would be float32"):
        restorebench.load_method("identity", precision="tf32")
    with pytest.raises(ConfigError, match="precision tf32 is CUDA's"):  # before anything is scored
        restorebench.run("derain", "identity", data="sample", precision="tf32", out=tmp_path)
    assert not [*tmp_path.iterdir()]


class Watching(nn.Module):
    """Notes what is allowed while it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        if len(self.seen) > 1:
            raise ZeroDivisionError("on purpose")
        return x


class WatchingMethod(Method):
    network_class = Watching
    info = Card(title="Watching", paper="none", status="external", needs_weights=False)


@pytest.mark.parametrize("outside", [("highest", False), ("high", True), ("medium", True)])
@pytest.mark.parametrize("precision", get_args(Precision))
def test_only_tf32_allows_tf32_and_what_the_process_allows_comes_back(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, outside: tuple[str, bool]
) -> None:
    monkeypatch.setattr("restorebench.method.check_precision", lambda *_: None)  # as on CUDA
    products, convolutions = outside
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions
    try:
        method, x = WatchingMethod(precision=precision), torch.zeros(1, 3, 16, 16)
        method.restore(x)
        with pytest.raises(ZeroDivisionError):
            method.restore(x)
        after = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
    assert method.network.seen == [(precision == "tf32",) * 2] * 2
    assert after == outside


NEWER = """
import sys, torch, restorebench
from torch import backends as b
parts = (b.cudnn.conv, b.cudnn.rnn, b.cuda.matmul, b.mkldnn.conv, b.mkldnn.matmul)
exec(sys.argv[1])
before = [part.fp32_precision for part in parts]
method = restorebench.load_method("promptir", dim=8, num_blocks=[1, 1, 1, 1])
inside = []
hook = lambda *_: inside.extend(part.fp32_precision for part in parts)
method.network.register_forward_hook(hook)
method.restore(torch.zeros(1, 3, 16, 16))
assert set(inside) <= {"ieee", "none"}, inside
assert [part.fp32_precision for part in parts] == before
"""


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="needs torch 2.9 or newer")
@pytest.mark.parametrize(
    "setting",
    [
        "b.fp32_precision = 'tf32'",
        "torch.set_float32_matmul_precision('medium'); b.fp32_precision = 'bf16'",
        "b.cuda.matmul.fp32_precision = 'tf32'",
        "b.cudnn.fp32_precision = 'tf32'",
        "b.cudnn.conv.fp32_precision = 'ieee'",
        "b.mkldnn.conv.fp32_precision = 'bf16'",
    ],
)
def test_the_newer_settings_of_a_process_neither_reduce_nor_break(setting: str) -> None:
    # In a process of its own, for nothing takes such a setting back.
    done = subprocess.run([sys.executable, "-c", NEWER, setting], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_names_keywords_and_devices_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'restormer'"):
        restorebench.load_method("restorme")
    with pytest.raises(ConfigError, match=r"takes no 'dims'\. Did you mean 'dim'"):
        restorebench.load_method("restormer", dims=16)
    with pytest.raises(ConfigError, match="cannot be built: dim must be an even number"):
        restorebench.load_method("restormer", dim=15)
    with pytest.raises(ConfigError, match="num_blocks needs four numbers"):
        restorebench.load_method("restormer", num_blocks=(1, 2))
    with pytest.raises(ConfigError, match="192 wide, not a multiple of 5 heads"):
        restorebench.load_method("restormer", heads=(1, 2, 5, 8))
    with pytest.raises(ConfigError, match="a level has 0 to 1000 blocks, got -1"):
        restorebench.load_method("restormer", num_refinement_blocks=-1)
    with pytest.raises(ConfigError, match="whole numbers from 1 to 1000"):
        restorebench.load_method("restormer", num_blocks=(1, 1, 1, 10**9))
    with pytest.raises(DeviceError, match="device 'meteor' cannot be used"):
        restorebench.load_method("identity", device="meteor")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_is_near_and_comes_back_as_float32(precision: Precision) -> None:
    small: dict[str, Any] = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
    x = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    full = restorebench.load_method("restormer", **small).restore(x)
    reduced = restorebench.load_method("restormer", precision=precision, **small).restore(x)
    assert reduced.dtype == torch.float32
    assert 0 < (reduced - full).abs().max() < 0.05


@pytest.mark.parametrize(("size", "multiple", "minimum"), [(17, 8, 1), (16, 32, 32), (16, 64, 128)])
def test_padding_reflects_without_repeating_the_edge(
    size: int, multiple: int, minimum: int
) -> None:
    x = torch.arange(size * size, dtype=torch.float32).reshape(1, 1, size, size)
    padded = reflect_to_multiple(x, multiple, minimum)
    assert padded.shape[-1] % multiple == 0
    assert padded.shape[-1] >= minimum
    assert torch.equal(padded[..., :size, :size], x)
    if padded.shape[-1] > size:
        assert torch.equal(padded[..., :size, size], x[..., :, size - 2])
    if padded.shape[-1] - size < size:  # torch's own padding goes no further
        amount = padded.shape[-1] - size
        assert torch.equal(padded, nn.functional.pad(x, (0, amount, 0, amount), mode="reflect"))


class Wrong(Method):
    """Breaks one promise."""

    network_class = nn.Identity
    info = Card(title="Wrong", paper="none", status="external", needs_weights=False)
    fault = ""

    def restore(self, x: Tensor) -> Tensor:
        if self.fault == "changes its input":
            return x.mul_(0.5)
        if self.fault == "for (2, 3, 17, 23)":
            return x[..., :16, :16]
        if self.fault == "is not deterministic":
            return x + torch.rand(1)
        if self.fault == "when another is in the batch":
            return x - x.mean()
        return x.double() if self.fault == "not float32" else x / 0


@pytest.mark.parametrize(
    "fault",
    [
        "changes its input",
        "for (2, 3, 17, 23)",
        "is not deterministic",
        "when another is in the batch",
        "not float32",
        "NaN or infinity",
    ],
)
def test_a_broken_promise_is_named(fault: str) -> None:
    method = Wrong()
    method.fault = fault
    with pytest.raises(RestoreError) as caught:
        check_method(method)
    assert fault in str(caught.value)
