"""MoCE-IR beyond what all networks are tested for: routing, official defects, training."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from restorebench.errors import ConfigError
from restorebench_methods.moce_experts import Router, Routing
from restorebench_methods.moce_ir import MoCEIR, MoCEIRMethod, MoCEIRSMethod

METHODS = {"moce_ir": MoCEIRMethod, "moce_ir_s": MoCEIRSMethod}
TOLERANCE = 5e-5
SMALL: dict[str, Any] = {
    "dim": 16,
    "num_blocks": (1, 1, 1, 1),
    "num_dec_blocks": (1, 2, 1),
    "num_refinement_blocks": 1,
}


@dataclass
class Golden:
    """The authors' numbers for one of the two networks, and how they were made."""

    name: str
    folder: Path
    arrays: dict[str, Any]
    recipe: dict[str, Any]

    def method(self, **config: Any) -> MoCEIRMethod:
        """Return our method with the authors' weights."""
        method = METHODS[self.name](**config)
        self.recipe["fill_"](method.network.state_dict())
        return method

    def image(self, key: str) -> Tensor:
        made: Tensor = self.recipe["make_input"](**self.recipe["INPUTS"][key])
        return made

    def json(self, file: str) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.folder / file).read_text())
        return facts

    def assert_equal(self, ours: Tensor, key: str) -> None:
        """Compare with the array ``key``: exactly where it holds indices."""
        theirs = torch.from_numpy(self.arrays[key])
        tolerance = TOLERANCE if theirs.is_floating_point() else 0
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


@pytest.fixture(scope="module", params=METHODS)
def golden(request: pytest.FixtureRequest, reference: Path) -> Golden:
    folder = reference / request.param
    arrays = dict(np.load(folder / "golden.npz"))
    return Golden(request.param, folder, arrays, runpy.run_path(str(reference / "weights.py")))


@pytest.fixture(scope="module")
def method(golden: Golden) -> MoCEIRMethod:
    return golden.method()


@contextmanager
def choosing(network: nn.Module, choices: Sequence[int]) -> Iterator[None]:
    """Send image n to expert ``choices[n]`` in every block, with the gate value 1."""

    def choose(_router: nn.Module, _args: object, routing: Routing) -> Routing:
        gate = torch.ones_like(routing.gate)
        return routing._replace(expert=torch.tensor(choices, device="cpu"), gate=gate)

    routers = [m for m in network.modules() if isinstance(m, Router)]
    hooks = [router.register_forward_hook(choose) for router in routers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def small(**config: Any) -> MoCEIR:
    torch.manual_seed(0)
    return MoCEIR(**(SMALL | config))


def images(count: int = 1, height: int = 16, width: int = 16) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_the_routing_of_every_image_is_the_authors(golden: Golden, method: MoCEIRMethod) -> None:
    compared = 0
    for key in golden.recipe["INPUTS"]:
        whole = method.embedding(golden.image(key))
        assert set(whole) == {"freq_embedding", "logits", "expert", "gate"}
        for name, ours in whole.items():
            if f"{name}/{key}" in golden.arrays:
                golden.assert_equal(ours, f"{name}/{key}")
                compared += 1
            else:
                for n in range(len(ours)):
                    golden.assert_equal(ours[n : n + 1], f"{name}/{key}[{n}]")
                    compared += 1
    assert compared == 4 * 4


def test_every_expert_restores_as_the_authors(golden: Golden, method: MoCEIRMethod) -> None:
    key = "s1_1x64x64"
    for expert in range(4):
        with choosing(method.network, [expert]):
            restored = method.restore(golden.image(key))
        golden.assert_equal(restored, f"out_forced_expert{expert}/{key}")


def test_an_image_is_restored_the_same_alone_and_in_a_batch(
    golden: Golden, method: MoCEIRMethod
) -> None:
    batch = golden.image("s2_2x64x96")
    alone = torch.cat([method.restore(batch[:1]), method.restore(batch[1:])])
    torch.testing.assert_close(method.restore(batch), alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(method.restore(batch.flip(0)).flip(0), alone, rtol=0, atol=1e-5)


def test_the_images_of_the_small_networks_batch_choose_differently(reference: Path) -> None:
    # Otherwise the test above would say nothing about the order of the images.
    arrays = np.load(reference / "moce_ir_s" / "golden.npz")
    assert (arrays["expert/s2_2x64x96[0]"] != arrays["expert/s2_2x64x96[1]"]).sum() == 2


def test_noise_in_evaluation_is_the_official_when_asked_for(golden: Golden) -> None:
    noisy, key = golden.method(eval_noise=True), "s1_1x64x64"
    torch.manual_seed(1234)
    golden.assert_equal(noisy.restore(golden.image(key)), f"out_noise1234/{key}")
    torch.manual_seed(1234)
    routing = noisy.embedding(golden.image(key))
    golden.assert_equal(routing["expert"], f"noise1234_expert/{key}")
    golden.assert_equal(routing["logits"], f"logits/{key}")
    # The choices of that run happen to be those without noise; the gate values are not.
    draws = golden.arrays[f"noise1234_draws/{key}"]
    noisy_logits = torch.from_numpy(golden.arrays[f"logits/{key}"] + 0.25 * draws)
    expected = noisy_logits.softmax(-1).amax(-1)
    torch.testing.assert_close(routing["gate"], expected, rtol=0, atol=TOLERANCE)
    assert (expected - torch.from_numpy(golden.arrays[f"gate/{key}"])).abs().max() > 0.05


def test_experts_are_mixed_in_a_batch_as_officially_when_asked_for(golden: Golden) -> None:
    mixing, key = golden.method(mix_experts_in_batch=True), "s2_2x64x96"
    batch = golden.image(key)
    golden.assert_equal(mixing.restore(batch), f"out_batched_quirk/{key}")
    for name, ours in mixing.embedding(batch).items():
        golden.assert_equal(ours, f"{name}/batched_quirk/{key}")
    alone = mixing.restore(batch[:1])
    torch.testing.assert_close(
        alone, torch.from_numpy(golden.arrays[f"out/{key}"][:1]), rtol=0, atol=TOLERANCE
    )


def test_the_complexities_are_the_authors(golden: Golden, method: MoCEIRMethod) -> None:
    theirs = golden.json("manifest.json")["complexity_buffers"]
    ours = {key: buffer.tolist() for key, buffer in method.network.named_buffers()}
    assert ours == theirs


def test_macs_of_each_expert_are_those_of_the_reference(golden: Golden) -> None:
    network = METHODS[golden.name]().network.to("meta")
    for expert in range(4):
        entry = golden.json("complexity.json")["forced_expert"]
        expected = entry[f"1x3x224x224 forced expert {expert}"]["torch_FlopCounterMode_MACs"]
        with choosing(network, [expert]), FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 224, 224, device="meta"))
        assert counter.get_total_flops() / 2 == expected


def test_evaluation_is_deterministic_and_draws_nothing() -> None:
    network, x = small().eval(), images(2)
    state = torch.get_rng_state()
    with torch.no_grad():
        assert torch.equal(network(x), network(x))
        assert torch.equal(torch.get_rng_state(), state)


def test_the_routers_learn_from_the_balance_loss_only() -> None:
    network = small().train()
    names, parameters = zip(*network.named_parameters(), strict=True)
    torch.manual_seed(0)
    restored, loss = network.forward_with_balance(images(4))
    grads = (
        torch.autograd.grad(y, parameters, retain_graph=True, allow_unused=True)
        for y in (restored.sum(), loss)
    )
    routers = 0
    for name, from_image, from_loss in zip(names, *grads, strict=True):
        if "routing" in name or "freq_embed" in name:
            # What is left of the gate value is rounding and the epsilon of the normalisation.
            assert from_loss.norm() > 0, name
            assert from_image.norm() < 1e-6 * from_loss.norm(), name
            routers += 1
        elif ".experts." in name:
            assert from_image is None or from_image.norm() > 0, name
        else:
            assert from_image.norm() > 0, name
    assert routers == 5 + 2 * sum(SMALL["num_dec_blocks"])


def test_training_returns_the_image_of_forward() -> None:
    network, x = small().train(), images(2)
    with torch.no_grad():
        torch.manual_seed(3)
        restored, loss = network.forward_with_balance(x)
        torch.manual_seed(3)
        assert torch.equal(network(x), restored)
        by_complexity = network.forward_with_balance(x, by_complexity=True)[1]
    assert loss.shape == ()
    assert loss > 0
    assert by_complexity > loss


@pytest.mark.parametrize("size", [(16, 16), (17, 23)])
@pytest.mark.parametrize("name", METHODS)
def test_small_variants_restore_any_size(name: str, size: tuple[int, int]) -> None:
    x = images(2, *size)
    restored = METHODS[name](**SMALL).restore(x)
    assert restored.shape == x.shape
    assert restored.isfinite().all()
    assert not torch.equal(restored, x)


@pytest.mark.parametrize("num_experts", [2, 3, 5])
def test_the_number_of_experts_can_be_chosen(num_experts: int) -> None:
    method = MoCEIRMethod(num_experts=num_experts, **SMALL)
    routing = method.embedding(images(2))
    assert routing["logits"].shape == (2, 4, num_experts)
    assert routing["expert"].shape == routing["gate"].shape == (2, 4)
    assert method.restore(images(2)).isfinite().all()
    complexity = next(method.network.buffers())
    assert complexity[-1] == 1
    assert (complexity.diff() > 0).all()


def test_reduced_precision_restores_nearly_the_same() -> None:
    x = images(2, 17, 23)
    reduced = MoCEIRMethod(precision="bfloat16", **SMALL).restore(x)
    assert reduced.dtype == torch.float32
    assert (reduced - MoCEIRMethod(**SMALL).restore(x)).abs().max() < 0.05


@pytest.mark.parametrize("name", METHODS)
def test_the_width_is_the_models_own_unless_chosen(name: str) -> None:
    widths = {"moce_ir": 48, "moce_ir_s": 32}
    small_but_for_width = {k: v for k, v in SMALL.items() if k != "dim"}
    network = METHODS[name](**small_but_for_width).network
    assert network.output.in_channels == widths[name]
    assert METHODS[name](**SMALL).network.output.in_channels == 16


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"dim": 15}, "even number"),
        ({"dim": 4, "heads": (1, 1, 1, 1)}, "num_experts must be at least 2, and dim 4"),
        ({"num_experts": 1}, "num_experts must be at least 2"),
        ({"num_blocks": (1, 1, 1)}, "num_blocks needs four numbers"),
        ({"num_dec_blocks": (1, 1, 1, 1)}, "num_dec_blocks needs three numbers"),
        ({"num_dec_blocks": (1, 0, 1)}, "num_dec_blocks needs whole numbers"),
        ({"num_refinement_blocks": -1}, "num_refinement_blocks must be at least 0"),
        ({"heads": (1, 2, 4, 7)}, "not a multiple of 7 heads"),
        ({"ffn_expansion_factor": 0.01}, "leaves no channel"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**config)


def test_an_unknown_keyword_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'num_experts'"):
        MoCEIRSMethod(num_expert=4)
