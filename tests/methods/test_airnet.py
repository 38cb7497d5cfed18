"""What the golden values of AirNet do not cover: training, queues, small and odd configurations."""

from __future__ import annotations

import json
import runpy
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from restorebench.errors import ConfigError
from restorebench.inference import computing
from restorebench_methods.airnet import AirNet, AirNetMethod
from restorebench_methods.airnet_encoder import MomentumContrast

SMALL: dict[str, Any] = {
    "n_feats": 16,
    "n_groups": 2,
    "n_blocks": 2,
    "encoder_dim": 32,
    "batch_size": 1,
}
QUEUED = 256


def images(count: int, height: int = 16, width: int = 16, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def stir(network: nn.Module) -> None:
    """Give every tensor that starts at zero, such as the offsets, some values."""
    g = torch.Generator().manual_seed(5)
    for parameter in network.parameters():
        if not parameter.any():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=g)


@pytest.fixture
def network() -> AirNet:
    torch.manual_seed(0)
    network = AirNet(**SMALL)
    stir(network)
    return network


@pytest.fixture
def contrast(network: AirNet) -> MomentumContrast:
    return network.E.E


def test_the_authors_configuration_costs_what_they_left_out_besides_what_they_counted(
    reference: Path,
) -> None:
    complexity = json.loads((reference / "airnet" / "complexity.json").read_text())
    # With the part of the encoder that restoring does not need.
    authors_way = computing("reference")
    counter = FlopCounterMode(display=False)
    with counter, authors_way, torch.no_grad(), torch.device("meta"):
        AirNet().eval()(torch.empty(1, 3, 224, 224))
    deformable = 50 * 64 * 64 * 9 * 224 * 224
    opaque = complexity["results"]["1x3x224x224"]["torch_FlopCounterMode_MACs"]
    assert counter.get_total_flops() / 2 == opaque + deformable
    breakdown = complexity["breakdown_MACs"]["1x3x224x224"]
    assert counter.get_total_flops() / 2 == breakdown["restorer_plus_1_encoder_with_dcn"]


def test_the_degradation_map_is_the_authors_at_every_sixteenth_pixel(reference: Path) -> None:
    recipe = runpy.run_path(str(reference / "weights.py"))
    network = AirNet().eval()
    recipe["fill_"](network.state_dict())
    golden = np.load(reference / "airnet" / "golden.npz")
    for key, arguments in recipe["INPUTS"].items():
        with torch.no_grad():
            inter = network.E.E.encoder_q(recipe["make_input"](**arguments)).inter
        theirs = torch.from_numpy(golden[f"inter_sub/{key}"])
        assert torch.allclose(inter[..., ::16, ::16], theirs, rtol=0, atol=5e-5), key


def test_only_the_first_block_of_the_query_encoder_moves_the_image(network: AirNet) -> None:
    network.eval()
    x = images(1)
    with torch.no_grad():
        before = network(x)
        for name, parameter in network.E.named_parameters():
            if "encoder_q.E_pre" not in name:
                parameter.add_(1)
        assert torch.equal(network(x), before)
        assert torch.equal(network(x, images(1, seed=2)), before)
        next(network.E.E.encoder_q.E_pre.parameters()).add_(0.1)
        assert not torch.allclose(network(x), before, atol=1e-3)


def test_the_embedding_is_computed_the_authors_way_only(network: AirNet) -> None:
    network.eval()
    ran: list[bool] = []
    network.E.E.encoder_q.E.register_forward_hook(lambda *_: ran.append(True))
    with torch.no_grad():
        restored = network(images(2))
        assert not ran
        with computing("reference"):
            theirs = network(images(2))
    assert ran
    assert torch.allclose(restored, theirs, rtol=0, atol=1e-5)


def test_restoring_changes_no_state(network: AirNet) -> None:
    before = deepcopy(network.eval().state_dict())
    network(images(2))
    assert all(torch.equal(t, before[key]) for key, t in network.state_dict().items())


def test_training_needs_two_views(network: AirNet) -> None:
    with pytest.raises(ValueError, match="needs x_key, a second view"):
        network.train()(images(2))


def test_a_training_step_restores_and_contrasts(network: AirNet) -> None:
    restored, logits, labels = network.train()(images(4), images(4, seed=2))
    assert restored.shape == (4, 3, 16, 16)
    assert logits.shape == (4, 1 + QUEUED)
    assert labels.tolist() == [0, 0, 0, 0]
    assert labels.dtype == torch.long


def test_at_first_the_two_encoders_agree_and_the_queue_holds_unit_keys() -> None:
    contrast = AirNet(**SMALL).E.E
    pairs = zip(contrast.encoder_q.parameters(), contrast.encoder_k.parameters(), strict=True)
    assert all(torch.equal(q, k) and q is not k for q, k in pairs)
    assert contrast.queue.shape == (32, QUEUED)
    assert torch.allclose(contrast.queue.norm(dim=0), torch.ones(QUEUED))
    assert contrast.queue_ptr.tolist() == [0]


def test_logits_are_similarities_to_the_own_key_and_to_the_earlier_queue(
    contrast: MomentumContrast,
) -> None:
    earlier = deepcopy(contrast).train()
    x_query, x_key = images(2), images(2, seed=2)
    _, logits, _ = contrast.train()(x_query, x_key)
    # The key encoder of this step is the one that has already followed.
    earlier.encoder_k.load_state_dict(contrast.encoder_k.state_dict())
    q = earlier.encoder_q(x_query).projected
    k = earlier.encoder_k(x_key).projected
    for b in range(2):
        own = F.cosine_similarity(q[b], k[b], dim=0)
        others = [F.cosine_similarity(q[b], key, dim=0) for key in earlier.queue.T]
        expected = torch.stack([own, *others]) / 0.07
        assert torch.allclose(logits[b], expected, atol=1e-4)


def test_the_key_encoder_keeps_its_momentum_share_and_takes_the_rest(network: AirNet) -> None:
    contrast = network.double().train().E.E
    with torch.no_grad():
        for parameter in contrast.encoder_q.parameters():
            parameter.mul_(1.5).add_(0.25)
    before = [p.clone() for p in contrast.encoder_k.parameters()]
    contrast(images(2).double(), images(2, seed=2).double())
    after = list(contrast.encoder_k.parameters())
    for k0, q, k1 in zip(before, contrast.encoder_q.parameters(), after, strict=True):
        assert torch.allclose(k1, 0.999 * k0 + 0.001 * q, rtol=1e-13, atol=1e-15)
        assert not torch.equal(k1, k0)


def test_the_key_encoders_batch_norm_sees_the_keys_only(contrast: MomentumContrast) -> None:
    contrast.train()
    x_query, x_key = images(2), images(2, seed=2) / 4
    contrast(x_query, x_key)
    for encoder, x in ((contrast.encoder_q, x_query), (contrast.encoder_k, x_key)):
        convolution, norm = encoder.E_pre.shortcut
        assert isinstance(norm.running_mean, Tensor)
        assert torch.allclose(norm.running_mean, 0.1 * convolution(x).mean((0, 2, 3)), atol=1e-6)


def test_new_keys_replace_the_oldest_in_a_ring(contrast: MomentumContrast) -> None:
    contrast.train()
    contrast.queue_ptr.fill_(QUEUED - 6)
    for start, follows in ((QUEUED - 6, QUEUED - 2), (QUEUED - 2, 2)):
        x_key = images(4, seed=start)
        before = contrast.queue.clone()
        contrast(images(4), x_key)
        columns = [(start + n) % QUEUED for n in range(4)]
        others = [n for n in range(QUEUED) if n not in columns]
        assert contrast.queue_ptr.tolist() == [follows]
        assert torch.equal(contrast.queue[:, others], before[:, others])
        keys = F.normalize(contrast.encoder_k(x_key).projected, dim=1)
        assert torch.allclose(contrast.queue[:, columns], keys.T, atol=1e-6)


def test_gradients_reach_everything_but_the_key_encoder_and_the_queue(network: AirNet) -> None:
    restored, logits, labels = network.train()(images(4), images(4, seed=2))
    loss = F.l1_loss(restored, images(4, seed=3)) + 0.1 * F.cross_entropy(logits, labels)
    loss.backward()
    for name, parameter in network.named_parameters():
        if "encoder_k" in name:
            assert parameter.grad is None
            assert not parameter.requires_grad
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
    assert not network.E.E.queue.requires_grad


@pytest.mark.parametrize("batch_size", [1, 3, 5])
@pytest.mark.parametrize("own", [1, 5])
def test_a_checkpoint_of_another_batch_size_loads_strictly(own: int, batch_size: int) -> None:
    file = AirNet(**{**SMALL, "batch_size": batch_size}).state_dict()
    network = AirNet(**{**SMALL, "batch_size": own})
    bystander = deepcopy(network)
    network.load_state_dict(file, strict=True)
    assert network.E.E.queue.shape == (32, 256 * batch_size)
    assert all(torch.equal(t, file[key]) for key, t in network.state_dict().items())
    assert bystander.E.E.queue.shape == (32, 256 * own)
    _, logits, _ = network.train()(images(2), images(2, seed=2))
    assert logits.shape == (2, 1 + 256 * batch_size)
    bystander.load_state_dict(file, strict=True)
    assert bystander.E.E.queue.shape == (32, 256 * batch_size)


def test_a_queue_of_another_kind_or_none_is_refused(network: AirNet) -> None:
    file = network.state_dict()
    for queue in (torch.zeros(16, QUEUED), torch.zeros(32), torch.zeros(32, 4, 64)):
        with pytest.raises(RuntimeError, match=r"size mismatch for E\.E\.queue"):
            network.load_state_dict({**file, "E.E.queue": queue})
    del file["E.E.queue"]
    with pytest.raises(RuntimeError, match=r"Missing key.*E\.E\.queue"):
        network.load_state_dict(file)


@pytest.mark.parametrize("size", [(17, 23), (16, 16), (31, 16)])
def test_any_size_is_restored_and_a_batch_like_its_images(size: tuple[int, int]) -> None:
    method = AirNetMethod(**SMALL)
    stir(method.network)
    x = images(2, *size)
    restored = method.restore(x)
    assert restored.shape == x.shape
    singles = torch.cat([method.restore(image[None]) for image in x])
    assert torch.allclose(restored, singles, rtol=0, atol=1e-5)
    assert not torch.allclose(restored, restored.flip(-1), atol=1e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_restores_nearly_the_same(precision: Any) -> None:
    exact, reduced = AirNetMethod(**SMALL), AirNetMethod(precision=precision, **SMALL)
    for method in (exact, reduced):
        stir(method.network)
    x = images(1, 24, 20)
    difference = reduced.restore(x) - exact.restore(x)
    assert reduced.restore(x).dtype == torch.float32
    # bfloat16 has a precision of 1/256, float16 of 1/2048.
    assert 0 < difference.abs().max() < 0.1 * exact.restore(x).std()
    for name, array in reduced.embedding(x).items():
        assert array.dtype == torch.float32, name


def test_the_embedding_names_both_encoders() -> None:
    method = AirNetMethod(**SMALL)
    with torch.no_grad():
        for parameter in method.network.E.E.encoder_k.parameters():
            parameter.mul_(1.1)
    found = method.embedding(images(3, 17, 23))
    shapes = {name: tuple(array.shape) for name, array in found.items()}
    assert shapes == {
        "embedding": (3, 32),
        "embedding_projected": (3, 32),
        "embedding_key": (3, 32),
        "inter_mean": (3, 16),
    }
    assert not torch.allclose(found["embedding"], found["embedding_key"], atol=1e-3)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"n_feats": 0}, "n_feats must be a whole number of at least 1, got 0"),
        ({"n_groups": -1}, "n_groups must be a whole number of at least 1, got -1"),
        ({"n_blocks": 2.5}, r"n_blocks must be a whole number of at least 1, got 2\.5"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"encoder_dim": 33}, "encoder_dim must be an even number, got 33"),
        ({"momentum": 1.5}, r"momentum must lie between 0 and 1, got 1\.5"),
        ({"temperature": 0.0}, r"temperature must be above 0, got 0\.0"),
        ({"queue": 1}, "AirNet takes no 'queue'"),
    ],
)
def test_a_configuration_that_makes_no_network_is_refused(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        AirNetMethod(**{**SMALL, **config})
