"""DaAIR has no released code: it is held to the paper's rules, written out a second time here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from restorebench.errors import ConfigError
from restorebench.inference import computing
from restorebench_methods.daair import DaAIR, DaAIRMethod, routing_loss
from restorebench_methods.daair_blocks import DaLe, chosen_experts

SMALL: dict[str, Any] = {
    "dim": 8,
    "num_blocks": (1, 2, 1, 1),
    "num_refinement_blocks": 1,
    "heads": (1, 2, 2, 4),
    "reduction": 2,
    "kernel_size": 5,
    "num_experts": 3,
}
LAYERS = 1 + 2 + 1 + 1 + 1 + 2 + 1


@pytest.fixture
def network() -> DaAIR:
    torch.manual_seed(0)
    return DaAIR(**SMALL)


@pytest.fixture
def method() -> DaAIRMethod:
    return DaAIRMethod(**SMALL)


def images(count: int, height: int = 16, width: int = 16) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def macs(network: nn.Module, x: Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad(), computing("reference"):
        network(x)
    return int(counter.get_total_flops()) // 2


def tied_experts(network: DaAIR) -> list[tuple[Tensor, Tensor]]:
    """Return the tensors (agnostic, controller) of all partners, found by their names."""
    tensors = network.state_dict()
    pairs = []
    for key, controller in tensors.items():
        if ".dale.controller." in key:
            partner = key.replace("decoder.", "encoder.").replace(".controller.", ".agnostic.")
            pairs.append((tensors[partner], controller))
    return pairs


# Parameters, and convolutions and matrix products of one 224 x 224 image as fvcore counts them in
# an independent prototype; fvcore does not see the routers.
SECOND_FIT = {
    "ffn_expansion_factor": 2.66,
    "num_refinement_blocks": 2,
    "reduction": 8,
    "kernel_size": 11,
}


@pytest.mark.parametrize(
    ("config", "parameters", "expected_macs"),
    [
        ({}, 6_453_888, 17_535_909_888),
        ({"num_experts": 3}, 5_999_832, 17_535_909_888),
        (SECOND_FIT, 6_452_128, 17_885_953_344),
        ({"kernel_size": 11}, 6_637_488, 17_963_409_408),
        ({"reduction": 2}, 8_819_322, 20_589_069_312),
        ({"reduction": 8}, 5_597_358, 16_330_406_400),
    ],
)
def test_configurations_have_the_size_and_cost_of_the_prototype(
    config: dict[str, Any], parameters: int, expected_macs: int
) -> None:
    with torch.device("meta"):
        network = DaAIR(**config)
        x = torch.empty(1, 3, 224, 224)
    routers = sum(m.router.weight.numel() for m in network.modules() if isinstance(m, DaLe))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert macs(network, x) - routers == expected_macs


def test_each_image_pays_for_one_expert_only(network: DaAIR) -> None:
    x = images(6)
    _, logits = network.forward_with_routing(x)
    assert len(logits.argmax(-1).unique()) > 1
    assert macs(network, x) == 6 * macs(network, x[:1])
    assert macs(network, x) == macs(network.to("meta"), x.to("meta"))


def test_experts_can_be_chosen_without_asking_which(network: DaAIR) -> None:
    dale = next(m for m in network.modules() if isinstance(m, DaLe))
    z = torch.randn(6, dale.proj_out.out_channels, 16, 24)
    chosen = torch.tensor([2, 0, 1, 2, 2, 0])
    told = torch.cat([dale.experts[n](z1) for n, z1 in zip(chosen, z.split(1), strict=True)])
    untold = chosen_experts(dale.experts, chosen, z)
    torch.testing.assert_close(untold, told)
    ours, theirs = (
        torch.autograd.grad(out.square().sum(), list(dale.experts.parameters()))
        for out in (untold, told)
    )
    torch.testing.assert_close(ours, theirs)


def test_the_global_residual_adds_shallow_features_and_not_the_image(network: DaAIR) -> None:
    x = images(1)
    with torch.no_grad():
        network.get_parameter("fuse.0.weight").zero_()  # nothing but the residual is left
        shallow = network.output(network.patch_embed(x))
        assert torch.equal(network(x), shallow)
    assert float(shallow.abs().max()) > 0


def test_controllers_start_as_copies_and_get_no_gradients(network: DaAIR) -> None:
    pairs = tied_experts(network)
    assert len(pairs) == 4 * (1 + 2 + 1)
    assert all(torch.equal(agnostic, controller) for agnostic, controller in pairs)
    assert all(agnostic.data_ptr() != controller.data_ptr() for agnostic, controller in pairs)

    network(images(1)).sum().backward()
    controllers = [p for k, p in network.named_parameters() if ".controller." in k]
    assert len(controllers) == len(pairs)
    assert all(not p.requires_grad and p.grad is None for p in controllers)


@pytest.mark.parametrize("ema", [0.0, 0.25, 0.999, 1.0])
def test_controllers_follow_the_moving_average_of_their_partner(ema: float) -> None:
    network = DaAIR(**SMALL, ema=ema)
    rng = np.random.default_rng(5)
    pairs = tied_experts(network)
    expected = [controller.double().numpy().copy() for _, controller in pairs]
    for _ in range(3):
        for i, (agnostic, _) in enumerate(pairs):
            theta_a = rng.standard_normal(agnostic.shape).astype(np.float32)
            agnostic.copy_(torch.from_numpy(theta_a))
            expected[i] = ema * expected[i] + (1 - ema) * theta_a
        network.update_controllers()
    for (_, controller), average in zip(pairs, expected, strict=True):
        np.testing.assert_allclose(controller.numpy(), average, rtol=0, atol=1e-6)


def test_routing_loss_is_the_mean_cross_entropy_over_images_and_routers() -> None:
    rng = np.random.default_rng(6)
    logits, labels = rng.standard_normal((4, 5, 3)), np.array([2, 0, 1, 2])
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    terms = [-np.log(probabilities[b, i, labels[b]]) for b in range(4) for i in range(5)]
    ours = routing_loss(torch.from_numpy(logits), torch.from_numpy(labels))
    assert float(ours) == pytest.approx(0.01 * np.mean(terms), rel=1e-12)

    undecided = routing_loss(torch.zeros(4, 5, 3), torch.from_numpy(labels), weight=1)
    assert float(undecided) == pytest.approx(math.log(3), rel=1e-6)


def test_routers_learn_from_the_routing_loss_alone(network: DaAIR) -> None:
    restored, logits = network.forward_with_routing(images(2))
    routers = [p for key, p in network.named_parameters() if key.endswith("router.weight")]
    assert logits.shape == (2, LAYERS, 3)
    assert len(routers) == LAYERS

    restored.abs().mean().backward(retain_graph=True)
    assert all(p.grad is None for p in routers)
    routing_loss(logits, torch.tensor([0, 2])).backward()
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in routers)


def test_training_lowers_the_loss_and_ties_experts_to_degradations(network: DaAIR) -> None:
    clean, labels = images(3), torch.arange(3)
    noise = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(7))
    degraded = torch.stack([clean[0] + noise / 4, clean[1] / 4, clean[2] / 2 + 0.5])
    optimiser = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), lr=3e-3)
    controllers = [controller.clone() for _, controller in tied_experts(network)]
    image_losses, routing_losses = [], []
    for _ in range(40):
        restored, logits = network.forward_with_routing(degraded)
        image_loss = F.l1_loss(restored, clean)
        image_losses.append(image_loss.item())
        by_layer = [routing_loss(layer[:, None], labels, weight=1) for layer in logits.unbind(1)]
        routing_losses.append(torch.stack(by_layer).detach())
        optimiser.zero_grad()
        # Few steps are affordable here, so the routers get a heavier loss than in earnest.
        (image_loss + routing_loss(logits, labels, weight=0.1)).backward()
        optimiser.step()
        network.update_controllers()

    assert image_losses[-1] < image_losses[0] / 2
    assert bool((routing_losses[-1] < routing_losses[0]).all())
    right = network.forward_with_routing(degraded)[1].argmax(-1) == labels[:, None]
    assert float(right.float().mean()) > 0.8  # a third is chance
    for before, (_, after) in zip(controllers, tied_experts(network), strict=True):
        assert not torch.equal(before, after)


def test_a_state_dict_carries_the_controllers(network: DaAIR) -> None:
    for _, controller in tied_experts(network):
        controller.add_(0.1)
    torch.manual_seed(8)
    other = DaAIR(**SMALL)
    other.load_state_dict(network.state_dict())
    x = images(1)
    with torch.no_grad():
        assert torch.equal(other(x), network(x))


def test_a_batch_is_restored_as_its_images_are(method: DaAIRMethod) -> None:
    x = images(2, 24, 32)
    x[1] = 1 - x[1] / 3
    experts = method.embedding(x)["expert"]
    assert not torch.equal(experts[0], experts[1])
    alone = torch.cat([method.restore(x[:1]), method.restore(x[1:])])
    torch.testing.assert_close(method.restore(x), alone, rtol=0, atol=1e-5)


def test_odd_sizes_are_restored_to_their_size(method: DaAIRMethod) -> None:
    restored = method.restore(images(1, 17, 23))
    assert restored.shape == (1, 3, 17, 23)
    assert restored.isfinite().all()


def test_bfloat16_restores_nearly_what_float32_does(method: DaAIRMethod) -> None:
    x = images(2)
    half = DaAIRMethod(precision="bfloat16", **SMALL).restore(x)
    full = method.restore(x)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    assert float((half - full).abs().max()) < 0.1 * float(full.abs().max())


def test_the_embedding_is_the_routing_of_every_layer(method: DaAIRMethod) -> None:
    x = images(2, 17, 23)
    embedding = method.embedding(x)
    routing, expert = embedding["routing"], embedding["expert"]
    assert routing.shape == (2, LAYERS, 3)
    assert routing.dtype == torch.float32
    assert (expert.shape, expert.dtype) == ((2, LAYERS), torch.int64)
    torch.testing.assert_close(routing.sum(-1), torch.ones(2, LAYERS))
    assert torch.equal(routing.argmax(-1), expert)


def test_the_first_routers_logits_are_those_of_the_first_block(method: DaAIRMethod) -> None:
    x = images(2)
    network = method.network
    first = network.get_submodule("encoder.0.0.dale")
    assert isinstance(first, DaLe)
    with torch.no_grad():
        f = network.patch_embed(x)
        z = (f - f.mean(1, keepdim=True)) / (f.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        expected = (z.mean((-2, -1)) @ first.router.weight.T).softmax(-1)
    torch.testing.assert_close(method.embedding(x)["routing"][:, 0], expected)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_blocks": (1, 2, 1)}, "four numbers"),
        ({"dim": 7}, "even number"),
        ({"heads": (3, 2, 2, 4)}, "not a multiple of 3 heads"),
        ({"num_dec_blocks": (1, 1, 1)}, r"num_dec_blocks must be the encoder's \[1, 2, 1\]"),
        ({"num_dec_blocks": 3}, "num_dec_blocks must be"),
        ({"num_refinement_blocks": -1}, "num_refinement_blocks must not be negative, got -1"),
        ({"ffn_expansion_factor": 0.1}, "ffn_expansion_factor 0.1 leaves no channel"),
        ({"reduction": 3}, "a width of 8 is not a multiple of reduction 3"),
        ({"reduction": 0}, "reduction must be at least 1, got 0"),
        ({"kernel_size": 4}, "kernel_size must be odd and positive, got 4"),
        ({"kernel_size": -3}, "kernel_size must be odd and positive, got -3"),
        ({"num_experts": 0}, "num_experts must be at least 1, got 0"),
        ({"ema": 1.5}, r"ema must lie in \[0, 1\], got 1.5"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DaAIR(**(SMALL | config))
    with pytest.raises(ConfigError, match=message):
        DaAIRMethod(**(SMALL | config))


def test_the_decoders_blocks_may_be_named_when_they_are_the_encoders() -> None:
    assert DaAIR(**SMALL, num_dec_blocks=[1, 2, 1]).state_dict().keys() == (
        DaAIR(**SMALL).state_dict().keys()
    )


def test_the_card_says_that_this_is_a_reconstruction() -> None:
    assert DaAIRMethod.info.status == "reconstruction"
    assert "reconstruction: no official code or weights exist" in DaAIRMethod.info.notes
    assert DaAIRMethod.info.checkpoint == ""
