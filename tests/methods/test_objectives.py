"""Objectives against their equations, written out a second time here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from restorebench_methods.airnet import AirNet
from restorebench_methods.daair import DaAIR
from restorebench_methods.moce_ir import MoCEIR
from restorebench_methods.ndr_restore import NDRN
from restorebench_methods.restormer import Restormer
from restorebench_methods.training.objective import (
    L1,
    Balanced,
    Batch,
    Bidirectional,
    Contrastive,
    L1Fourier,
    Routed,
)

SMALL: dict[str, Any] = {
    "dim": 8,
    "num_blocks": (1, 1, 1, 1),
    "num_refinement_blocks": 1,
    "heads": (1, 2, 2, 2),
}


def batch(side: int = 32) -> Batch:
    rng = torch.Generator().manual_seed(0)
    degraded, clean, other = (torch.rand(3, 3, side, side, generator=rng) for _ in range(3))
    return Batch(degraded=degraded, clean=clean, other=other, kind=torch.tensor([0, 2, 1]))


def mae(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().mean().item()


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


def test_l1_is_the_mean_absolute_error() -> None:
    network, b = Restormer(**SMALL), batch()
    expected = mae(network(b.degraded), b.clean)
    assert L1(kind="l1").loss(network, b, 0).item() == pytest.approx(expected, rel=1e-6)


def test_the_fourier_term_is_that_of_numpy() -> None:
    network, b = Restormer(**SMALL), batch(16)
    restored = network(b.degraded).detach()
    difference = np.fft.rfft2((restored - b.clean).double().numpy())
    fourier = np.abs(np.stack([difference.real, difference.imag])).mean()
    expected = mae(restored, b.clean) + 0.1 * fourier
    objective = L1Fourier(kind="l1_fourier", weight=0.1)
    assert objective.loss(network, b, 0).item() == pytest.approx(expected, rel=1e-5)


def test_both_directions_count_and_train_the_dictionary() -> None:
    network, b = NDRN(**SMALL, dictionary=(4, 8), rank=2, map_dim=8), batch()
    restored, maps = network.restore(b.degraded)
    expected = mae(network.degrade(b.clean, maps), b.degraded) + 0.5 * mae(restored, b.clean)
    loss = Bidirectional(kind="bidirectional", weight=0.5).loss(network, b, 0)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    one_way = Bidirectional(kind="bidirectional", weight=0.0).loss(network, b, 0)
    one_way.backward()
    gradient = network.degradation_representations.grad
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_the_encoder_learns_alone_before_both_learn() -> None:
    objective = Contrastive(kind="contrastive", warm_up=10, weight=0.1)
    network = AirNet(n_feats=8, n_groups=1, n_blocks=1, encoder_dim=8, batch_size=1).train()
    objective.loss(network, batch(), 9.9).backward()
    assert all(p.grad is None for p in network.R.parameters())
    learning = network.E.E.encoder_q.parameters()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in learning)

    objective.loss(network, batch(), 10.0).backward()
    assert all(p.grad is not None for p in network.R.tail.parameters())
    assert all(p.grad is None for p in network.E.E.encoder_k.parameters())


def test_contrast_weighs_what_the_recipe_says() -> None:
    b, losses = batch(), []
    for weight in (0.0, 0.1):
        torch.manual_seed(0)
        network = AirNet(n_feats=8, n_groups=1, n_blocks=1, encoder_dim=8, batch_size=1).train()
        objective = Contrastive(kind="contrastive", warm_up=0, weight=weight)
        losses.append(objective.loss(network, b, 0).item())
    torch.manual_seed(0)
    network = AirNet(n_feats=8, n_groups=1, n_blocks=1, encoder_dim=8, batch_size=1).train()
    restored, logits, labels = network(b.degraded, b.other)
    assert losses[0] == pytest.approx(mae(restored, b.clean), rel=1e-5)
    contrast = logits.logsumexp(1).sub(logits[:, 0]).mean().item()
    assert losses[1] - losses[0] == pytest.approx(0.1 * contrast, rel=1e-4)
    assert labels.tolist() == [0, 0, 0]


def test_routers_are_told_the_degradation_and_controllers_follow() -> None:
    network, b = DaAIR(**SMALL, kernel_size=3, num_experts=3).train(), batch()
    restored, logits = network.forward_with_routing(b.degraded)
    told = -logits.log_softmax(-1)[torch.arange(3), :, b.kind].mean()
    expected = mae(restored, b.clean) + 0.01 * told.item()
    objective = Routed(kind="routed", weight=0.01)
    assert objective.loss(network, b, 0).item() == pytest.approx(expected, rel=1e-5)

    tensors = network.state_dict()
    leader = tensors["encoder.0.0.dale.agnostic.proj.weight"]
    follower = tensors["decoder.0.0.dale.controller.proj.weight"]
    leader += 1
    objective.after_step(network)
    assert (leader - follower).mean() == pytest.approx(network.ema, abs=1e-5)


def test_balance_alone_trains_the_routers() -> None:
    network = MoCEIR(**SMALL, num_dec_blocks=(1, 1, 1), num_experts=2).train()
    gate = [p for name, p in network.named_parameters() if "freq_gate" in name]
    for weight, learns in ((0.0, False), (0.01, True)):
        network.zero_grad()
        loss = Balanced(kind="balanced", weight=weight).loss(network, batch(), 0)
        loss.backward()
        strength = max(float(p.grad.abs().max()) for p in gate if p.grad is not None)
        assert (strength > 1e-6) == learns
