"""The router and the experts of MoCE-IR by themselves: convolution, dispatch, balance loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from restorebench_methods.moce_experts import (
    ComplexityExperts,
    Mixture,
    Router,
    Routing,
    balance_loss,
    patchwise_convolution,
)

MIXTURE = Mixture(num_experts=4, embedding_dim=8, eval_noise=False, mix_experts_in_batch=False)


@settings(deadline=None, max_examples=20)
@given(height=st.integers(1, 9), width=st.integers(1, 9), patch=st.sampled_from([1, 2, 4]))
def test_patches_are_convolved_circularly(height: int, width: int, patch: int) -> None:
    q, k = np.random.default_rng(2).standard_normal((2, 2, height, width))
    padding = ((0, 0), (0, -height % patch), (0, -width % patch))
    padded_q, padded_k = np.pad(q, padding), np.pad(k, padding)
    expected = np.zeros_like(padded_q)
    for y, x in np.ndindex(padded_q.shape[1:]):
        top, left = y - y % patch, x - x % patch
        here = (slice(None), slice(top, top + patch), slice(left, left + patch))
        shifted = np.roll(padded_k[here], (y - top, x - left), axis=(1, 2))
        expected[here] += padded_q[:, y, x, None, None] * shifted
    ours = patchwise_convolution(torch.from_numpy(q)[None], torch.from_numpy(k)[None], patch)
    assert ours.dtype == torch.float64
    np.testing.assert_allclose(ours[0], expected[:, :height, :width], atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(choices=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_images_pass_through_their_own_expert_in_any_batch(choices: list[int]) -> None:
    torch.manual_seed(0)
    experts = ComplexityExperts(8, MIXTURE).eval()
    x, shared = torch.randn(2, len(choices), 8, 9, 7)
    with torch.no_grad():
        experts.get_parameter("routing.freq_gate.weight").copy_(torch.eye(4, 8))
        embedding = 50 * torch.eye(4, 8)[choices]
        together, routing = experts(x, embedding, shared)
        assert routing.expert.tolist() == choices
        for n in range(len(choices)):
            alone, _ = experts(x[[n]], embedding[[n]], shared[[n]])
            torch.testing.assert_close(together[[n]], alone, rtol=0, atol=1e-5)


def test_training_routes_with_noise_of_a_quarter() -> None:
    router = Router(8, torch.ones(4), MIXTURE)
    torch.manual_seed(0)
    with torch.no_grad():
        routing: Routing = router(torch.zeros(4000, 8, 2, 2), torch.zeros(4000, 8))
    noise = routing.noisy_logits - routing.logits
    assert abs(float(noise.mean())) < 0.01
    assert float(noise.std()) == pytest.approx(0.25, abs=0.01)
    assert torch.equal(routing.expert, routing.noisy_logits.argmax(-1))
    assert routing.expert.unique().tolist() == [0, 1, 2, 3]
    chosen = routing.noisy_logits.softmax(-1).gather(1, routing.expert[:, None])[:, 0]
    torch.testing.assert_close(routing.gate, chosen)


def routing_of(logits: Tensor, complexity: Tensor | None = None) -> Routing:
    gate, expert = logits.softmax(-1).max(-1)
    experts = logits.shape[-1]
    return Routing(
        logits, logits, expert, gate, torch.ones(experts) if complexity is None else complexity
    )


def test_balanced_routing_costs_nothing() -> None:
    assert float(balance_loss(routing_of(torch.zeros(3, 4)))) == 0
    one_image_each = 20 * torch.eye(4)
    assert float(balance_loss(routing_of(one_image_each))) < 1e-10


@pytest.mark.parametrize("experts", [2, 4, 6])
def test_collapsed_routing_costs_as_much_as_there_are_experts(experts: int) -> None:
    everything_to_the_first = torch.zeros(5, experts)
    everything_to_the_first[:, 0] = 50
    loss = balance_loss(routing_of(everything_to_the_first))
    assert float(loss) == pytest.approx(experts, rel=1e-5)


def test_balance_by_complexity_prefers_small_experts() -> None:
    complexity = torch.tensor([0.25, 1.0])
    # Four images in five go to the expert that costs a quarter of the other.
    logits = torch.tensor([[20.0, 0.0]] * 4 + [[0.0, 20.0]])
    routing = routing_of(logits, complexity)
    # Importance then is (4, 1) without and (1, 1) with the weights; load is (0.4, 0.1) in both.
    variation = 4.5 / 2.5**2
    assert float(balance_loss(routing)) == pytest.approx(variation, rel=1e-5)
    assert float(balance_loss(routing, by_complexity=True)) == pytest.approx(
        variation / 2, rel=1e-5
    )


@settings(deadline=None)
@given(batch=st.integers(1, 6), experts=st.integers(2, 6), seed=st.integers(0, 99))
def test_balance_forgets_the_order_of_images_and_experts(
    batch: int, experts: int, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, experts, generator=rng)
    shuffled = logits[torch.randperm(batch, generator=rng)]
    shuffled = shuffled[:, torch.randperm(experts, generator=rng)]
    loss = balance_loss(routing_of(logits))
    torch.testing.assert_close(balance_loss(routing_of(shuffled)), loss, rtol=1e-4, atol=1e-5)
    assert 0 <= float(loss) <= experts * (1 + 1e-5)


def test_descending_the_balance_loss_spreads_the_images() -> None:
    torch.manual_seed(0)
    router = Router(8, torch.ones(4), MIXTURE)
    x, embedding = torch.rand(16, 8, 2, 2), torch.randn(16, 8)
    with torch.no_grad():
        router.get_parameter("gate.2.weight")[0] += 5
        assert router(x, embedding).expert.unique().tolist() == [0]
    optimiser = torch.optim.Adam(router.parameters(), lr=0.1)
    losses = []
    for _ in range(100):
        loss = balance_loss(router(x, embedding))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 3.5
    assert losses[-1] < 0.5
    assert router(x, embedding).expert.unique().tolist() == [0, 1, 2, 3]
