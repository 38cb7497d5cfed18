"""AnyIR beyond what all networks are tested for: sizes, open choices, fusion, gates, training."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from restorebench.errors import ConfigError
from restorebench.method import Method
from restorebench_methods.anyir import AnyIR, AnyIRMethod, GatedDA, GateShape, StochasticDepth
from restorebench_methods.anyir_blocks import SkipSplitAttention
from restorebench_methods.anyir_sf import (
    AnyIRSF,
    AnyIRSFMethod,
    CalibratedGate,
    SpatialFrequencyAttention,
)

METHODS: list[type[Method]] = [AnyIRMethod, AnyIRSFMethod]
SMALL: dict[str, Any] = {
    "dim": 16,
    "num_blocks": (1, 1, 1, 2),
    "num_refinement_blocks": 1,
    "heads": (1, 2, 4, 8),
}
EARLIER_SIZE: dict[str, Any] = {"dim": 32, "num_blocks": (4, 6, 6, 8)}
U_NETS: dict[str, dict[str, Any]] = {
    "official_unet": {"downsample": "unshuffle", "level1": "2C"},
    "unshuffle_C": {"downsample": "unshuffle"},
}


def images(*size: int) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(1))


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def macs_at_224(network: nn.Module) -> int:
    """Multiply-accumulates as fvcore counts them, with two for each value of a batch norm."""
    normed = 0

    def count(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal normed
        normed += output.numel()

    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval().to("meta")(torch.empty(1, 3, 224, 224, device="meta"))
    return int(counter.get_total_flops()) // 2 + 2 * normed


@pytest.fixture(params=METHODS)
def small(request: pytest.FixtureRequest) -> Method:
    method: Method = request.param(**SMALL)
    return method


def test_the_earlier_size_has_its_published_parameters_and_macs() -> None:
    network = AnyIRSF(**EARLIER_SIZE)
    assert parameters(network) == 8_513_436
    assert round(macs_at_224(network) / 1e9, 2) == 39.23


def test_the_default_sizes_have_the_printed_parameters_and_macs() -> None:
    released, printed = AnyIRSF(), AnyIR()
    assert parameters(released) == 5_736_376
    assert macs_at_224(released) == 26_288_677_968
    # Table 4 of the paper of 2024 says 6.29 M and 19 G.
    assert parameters(printed) == 6_294_134
    assert macs_at_224(printed) == 19_271_748_608


def test_the_alternative_u_nets_have_the_macs_of_the_reference() -> None:
    networks = {name: AnyIR(**choices) for name, choices in U_NETS.items()}
    assert {name: parameters(network) for name, network in networks.items()} == {
        "official_unet": 6_250_986,
        "unshuffle_C": 6_071_870,
    }
    # Among these, only a first level C wide meets the 19 G of the paper.
    assert {name: macs_at_224(network) for name, network in networks.items()} == {
        "official_unet": 28_627_866_624,
        "unshuffle_C": 19_271_748_608,
    }


@pytest.mark.parametrize("name", U_NETS)
def test_the_alternative_u_nets_equal_the_reference(name: str, reference: Path) -> None:
    recipe = runpy.run_path(str(reference / "weights.py"))
    method = AnyIRMethod(**U_NETS[name])
    recipe["fill_"](method.network.state_dict())
    x = recipe["make_input"](**recipe["INPUTS"]["s1_1x64x64"])
    with np.load(reference / "anyir" / "golden.npz") as golden:
        expected = torch.from_numpy(golden[f"out_alt_{name}/s1_1x64x64"])
    assert (method.restore(x) - expected).abs().max() < 5e-5


def test_the_reference_of_the_reconstruction_claims_no_authority(reference: Path) -> None:
    manifests = {
        name: json.loads((reference / name / "manifest.json").read_text())
        for name in ("anyir", "anyir_sf")
    }
    assert {name: manifest["authoritative"] for name, manifest in manifests.items()} == {
        "anyir": AnyIRMethod.info.status == "parity-proven",
        "anyir_sf": AnyIRSFMethod.info.status == "parity-proven",
    }


@pytest.mark.parametrize(
    ("method", "config", "message"),
    [
        (AnyIRMethod, {"downsample": "pool"}, "'stride' or 'unshuffle'"),
        (AnyIRMethod, {"level1": "4C"}, "'C' or '2C'"),
        (AnyIRMethod, {"drop_path": 1.0}, r"drop_path must lie in \[0, 1\)"),
        (AnyIRMethod, {"drop_path": -0.1}, r"drop_path must lie in \[0, 1\)"),
        (AnyIRMethod, {"gate_conv_ratio": 3}, "convolves 42 channels of a gate 14 wide"),
        (AnyIRMethod, {"gate_conv_ratio": 0}, "allows 1 to 37"),
        (AnyIRMethod, {"gate_kernel_size": 4}, "odd and positive"),
        (AnyIRSFMethod, {"gate_kernel_size": 4}, "odd and positive"),
        (AnyIRSFMethod, {"gate_expansion_ratio": 2}, "it needs 29 to 42"),
        (AnyIRSFMethod, {"gate_expansion_ratio": 3.5}, "it needs 29 to 42"),
        (AnyIRSFMethod, {"gate_conv_ratio": 1}, "takes no 'gate_conv_ratio'"),
        (AnyIRSFMethod, {"num_blocks": (1, 1, 1)}, "four numbers"),
        (AnyIRSFMethod, {"num_refinement_blocks": -1}, "at least 0"),
        (AnyIRSFMethod, {"ffn_expansion_factor": 0}, "leaves no channel"),
        (AnyIRMethod, {"dim": 27}, "even"),
        # The whole width would do for two heads; the half that the attention works on does not.
        (AnyIRMethod, {"dim": 14, "heads": (2, 2, 2, 2)}, "level 1 is 7 wide"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(
    method: type[Method], config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        method(**config)


def test_the_frequency_branch_equals_the_authors_fourier_round_trip() -> None:
    torch.manual_seed(0)
    attention = SpatialFrequencyAttention(12, 2, nn.Identity()).double()
    attended, gated = images(2, 6, 10, 14).double(), images(2, 6, 10, 14).double().square()
    attention.lam.data.fill_(0.3)
    with torch.no_grad():
        spatial = SkipSplitAttention.fuse(attention, attended, gated)
        spectrum = torch.fft.rfft2(attended) + torch.fft.rfft2(gated)
        frequency = torch.fft.irfft2(spectrum, s=(10, 14)).repeat_interleave(2, dim=1)
        expected = 0.3 * spatial + 0.7 * frequency
        assert torch.allclose(attention.fuse(attended, gated), expected, rtol=0, atol=1e-13)


def test_the_gate_of_2024_follows_the_equations_of_its_paper() -> None:
    torch.manual_seed(0)
    shape = GateShape(expansion=8 / 3, conv_ratio=1, kernel_size=7, drop_path=0.1)
    gate = GatedDA(6, shape).eval().double()
    gate.norm.running_mean = torch.rand(6).double()
    gate.norm.running_var = torch.rand(6).double() + 0.5
    x = images(2, 6, 9, 11).double()
    hidden = 16
    with torch.no_grad():
        # The paper stores and joins alpha first, here it comes last; so gamma, which multiplies
        # the joined channels one by one, turns with them.
        gamma, beta, alpha = gate.gic1.weight.split([hidden, hidden - 6, 6])
        w1, w2 = torch.cat([alpha, beta, gamma.roll(6, dims=0)]), gate.cconv
        w3 = gate.gic2.weight.roll(6, dims=1)
        mean, var = (
            v.reshape(1, -1, 1, 1) for v in (gate.norm.running_mean, gate.norm.running_var)
        )
        f1 = F.conv2d((x - mean) / (var + 1e-5).sqrt(), w1)  # equation 3
        a, b, g = f1.split([6, hidden - 6, hidden], dim=1)
        f2 = torch.cat([w2(a), b], dim=1) * F.gelu(g)  # equation 4
        expected = gate.proj_out(F.conv2d(f2, w3) + x)  # equation 5
        assert torch.allclose(gate(x), expected, rtol=0, atol=1e-13)


def test_the_gate_of_2025_follows_its_description_pixel_by_pixel() -> None:
    torch.manual_seed(0)
    gate = CalibratedGate(3, 8 / 3, 3).eval().double()
    gate.tau.data = torch.tensor([0.5, 2.0, 3.0]).double().reshape(1, 3, 1, 1)
    x = images(1, 3, 5, 4).double()
    with torch.no_grad():
        z = x / np.sqrt(1 + 1e-5)  # a fresh batch norm has mean 0 and variance 1
        mean, spread = z.mean(dim=(-2, -1)), (z.var(dim=(-2, -1), correction=0) + 1e-6).sqrt()
        strength = gate.tau.flatten() / (1 + torch.exp(-(mean + spread)))
        u = torch.einsum("oi,bihw->bohw", gate.W_exp.weight[..., 0, 0], z)
        assert u.shape[1] == 8  # 3 of gamma, 3 of beta, 2 of alpha
        local = gate.W_depth(u[:, 6:]) * (1 + strength[0, :2].reshape(1, 2, 1, 1))
        gated = u[:, :3].sigmoid() * gate.W_gate(torch.cat([u[:, 3:6], local], dim=1))
        assert torch.allclose(gate(x), gate.W_proj(gated + x), rtol=0, atol=1e-13)


def test_only_the_first_entries_of_tau_act() -> None:
    torch.manual_seed(0)
    gate, x = CalibratedGate(14, 8 / 3, 7).eval(), images(1, 14, 8, 8)
    before = gate(x)
    gate.tau.data[:, 9:] = 5.0  # round(8 * 14 / 3) - 2 * 14 = 9 channels are convolved
    assert torch.equal(gate(x), before)
    gate.tau.data[:, 8] = 5.0
    assert not torch.equal(gate(x), before)


@settings(deadline=None, max_examples=25)
@given(probability=st.floats(0, 0.95), seed=st.integers(0, 1000))
def test_in_training_an_image_is_dropped_whole_or_divided_by_its_chance(
    probability: float, seed: int
) -> None:
    depth, x = StochasticDepth(probability).train(), images(16, 3, 4, 4) + 0.5
    torch.manual_seed(seed)
    ratio = (depth(x) / x).flatten(1)
    survived = ratio[:, 0] > 0
    expected = survived[:, None] / (1 - probability)
    assert torch.allclose(ratio, expected.expand_as(ratio), rtol=1e-5)


def test_one_image_in_ten_is_dropped_and_the_mean_stays() -> None:
    torch.manual_seed(0)
    depth = StochasticDepth(0.1).train()
    kept = depth(torch.ones(20_000, 1, 1, 1))
    # Four standard errors of 20000 draws.
    assert (kept == 0).float().mean().item() == pytest.approx(0.1, abs=0.0085)
    assert kept.mean().item() == pytest.approx(1, abs=0.0095)


def test_a_dropped_gate_passes_on_what_it_was_given() -> None:
    torch.manual_seed(0)
    gate = GatedDA(6, GateShape(expansion=2, conv_ratio=1, kernel_size=3, drop_path=0.5)).eval()
    x = images(32, 6, 8, 8)
    with torch.no_grad():
        full, dropped = gate(x), gate.proj_out(x)
        gate.drop_path.train()
        trained = gate(x)
    is_dropped = torch.isclose(trained, dropped, atol=1e-6).flatten(1).all(dim=1)
    # What survives has twice the update; the projection is linear.
    is_doubled = torch.isclose(trained, 2 * full - dropped, atol=1e-5).flatten(1).all(dim=1)
    assert torch.equal(is_dropped, ~is_doubled)
    assert 0 < is_dropped.sum() < 32


def test_stochastic_depth_acts_in_training_only() -> None:
    x = images(4, 3, 16, 16)

    def two_runs(network: nn.Module) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return network(x), network(x)

    network = AnyIR(**SMALL, drop_path=0.5)
    first, second = two_runs(network.eval())
    assert torch.equal(first, second)
    # Batch norm in training uses the batch alone, so only the draws tell two runs apart.
    first, second = two_runs(network.train())
    assert not torch.equal(first, second)
    first, second = two_runs(AnyIR(**SMALL, drop_path=0).train())
    assert torch.equal(first, second)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 23)])
def test_a_batch_is_restored_as_its_images_are(small: Method, height: int, width: int) -> None:
    batch = images(2, 3, height, width)
    together = small.restore(batch)
    alone = torch.cat([small.restore(image[None]) for image in batch])
    assert together.shape == batch.shape
    assert not torch.equal(together, batch)
    assert torch.allclose(together, alone, rtol=0, atol=1e-5)


def test_the_memory_layout_does_not_matter(small: Method) -> None:
    x = images(2, 3, 24, 16)
    plain: nn.Module = type(small).network_class(**SMALL)
    plain.load_state_dict(small.network.state_dict())
    weight = small.network.get_parameter("encoder_level1.0.attn.qkv_dwconv.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.allclose(plain.eval()(x), small.restore(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_stays_near_float32(method: type[Method]) -> None:
    x = images(1, 3, 24, 24)
    exact, rounded = method(**SMALL).restore(x), method(**SMALL, precision="bfloat16").restore(x)
    assert rounded.dtype == torch.float32
    difference = (rounded - exact).abs().max().item()
    # Seven bits of mantissa: it must differ, or it was not used, but not by much.
    assert 0 < difference < 0.1


@pytest.mark.parametrize(
    ("network_class", "config"),
    [
        (AnyIRSF, {}),
        (AnyIR, {"drop_path": 0}),
        (AnyIR, {"drop_path": 0, **U_NETS["official_unet"]}),
    ],
)
def test_every_parameter_learns(network_class: type[nn.Module], config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = network_class(**SMALL, **config).train()
    x = images(2, 3, 24, 24)
    (network(x) - x.flip(-1)).abs().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_a_few_steps_bring_a_small_network_nearer_to_its_target() -> None:
    torch.manual_seed(0)
    clean = images(2, 3, 24, 24)
    degraded = clean + 0.2 * torch.randn_like(clean)
    for network in (AnyIRSF(**SMALL), AnyIR(**SMALL)):
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
        losses = []
        for _ in range(8):
            loss = (network.train()(degraded) - clean).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < 0.95 * losses[0], type(network).__name__
