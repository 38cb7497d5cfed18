"""NDR-Restore beyond what all networks are tested for: degrading, recognition, training."""

from __future__ import annotations

import copy
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from restorebench.errors import ConfigError
from restorebench_methods.ndr_restore import NDRN, NDRRestoreMethod

SMALL: dict[str, Any] = {
    "dim": 16,
    "num_blocks": (1, 2, 1, 1),
    "num_refinement_blocks": 1,
    "heads": (1, 2, 4, 4),
    "dictionary": (6, 20),
    "rank": 3,
    "map_dim": 8,
}
KEYS = ("s1_1x64x64", "s2_2x64x96", "s3_1x128x128")
STRIDES = (16, 8, 4)


class Golden:
    """The authors' numbers for both networks, and our method with their weights."""

    def __init__(self, reference: Path) -> None:
        self.folder = reference
        self.recipe = runpy.run_path(str(reference / "weights.py"))
        self.restored = dict(np.load(reference / "ndr_restore" / "golden.npz"))
        self.degraded = dict(np.load(reference / "ndr_degrad" / "golden.npz"))
        self.method = NDRRestoreMethod()
        self.recipe["fill_"](self.method.network.state_dict())

    @property
    def network(self) -> NDRN:
        return self.method.network

    def facts(self, network: str, file: str) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.folder / network / file).read_text())
        return facts

    def pair(self, key: str) -> tuple[Tensor, Tensor]:
        """Return the degraded and the clean images that the array ``key`` was made from."""
        recipe = self.recipe["INPUTS"][key]
        clean = recipe | {"seed": recipe["seed"] + 100}
        return self.recipe["make_input"](**recipe), self.recipe["make_input"](**clean)


@pytest.fixture(scope="module")
def golden(reference: Path) -> Golden:
    return Golden(reference)


@pytest.fixture
def network() -> NDRN:
    torch.manual_seed(0)
    return NDRN(**SMALL)


def images(count: int, height: int = 16, width: int = 24, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def redegrade(network: NDRN, degraded: Tensor, clean: Tensor) -> Tensor:
    u1, u2, u3 = (level.degradation for level in network.recognise(degraded))
    return network.degrade(clean, (u1, u2, u3))


def largest_difference(ours: Tensor, theirs: Any) -> float:
    assert ours.shape == theirs.shape
    return float((ours - torch.from_numpy(theirs)).abs().max())


def macs_at_224(run: Any, *shapes: tuple[int, ...]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(*(torch.empty(shape, device="meta") for shape in shapes))
    return int(counter.get_total_flops()) // 2


def gate_macs(dim: int) -> int:
    """Multiply-adds over 16 ranks that the gates of the three levels do at 224 x 224."""
    return sum(16 * (64 + dim * 2**i) * (224 >> i) ** 2 for i in range(3))


@pytest.mark.parametrize("key", KEYS)
def test_degraded_images_equal_the_authors(golden: Golden, key: str) -> None:
    degraded, clean = golden.pair(key)
    with torch.no_grad():
        ours = redegrade(golden.network, degraded, clean)
    assert largest_difference(ours, golden.degraded[f"out/{key}"]) < 5e-5


def test_degraded_images_equal_the_authors_in_double_precision(golden: Golden) -> None:
    network = copy.deepcopy(golden.network).double()
    keys = [key.removeprefix("out_f64/") for key in golden.degraded if key.startswith("out_f64/")]
    assert keys
    for key in keys:
        degraded, clean = golden.pair(key)
        with torch.no_grad():
            ours = redegrade(network, degraded.double(), clean.double())
        assert largest_difference(ours, golden.degraded[f"out_f64/{key}"]) < 1e-11, key


def test_the_degrading_network_has_the_authors_tensors(golden: Golden) -> None:
    tensors = golden.network.degradation_net.state_dict(prefix="degradation_net.")
    manifest = golden.facts("ndr_degrad", "manifest.json")
    ours = [[k, list(t.shape), str(t.dtype).removeprefix("torch.")] for k, t in tensors.items()]
    assert ours == manifest["state_dict"]
    checksum = golden.recipe["checksum"](tensors)
    assert checksum == pytest.approx(manifest["fill_checksum"], rel=1e-9)


def test_the_parameters_of_each_part_are_those_of_the_reference(golden: Golden) -> None:
    counts = golden.facts("ndr_restore", "manifest.json")["subsets"]
    restoration, degradation = golden.network.restoration_net, golden.network.degradation_net
    restoring = sum(p.numel() for p in restoration.parameters())
    degrading = sum(p.numel() for p in degradation.parameters())
    assert restoring == counts["used by restoration_process (restoration_net + dictionary)"]
    assert degrading == golden.facts("ndr_degrad", "complexity.json")["parameters"]
    sizes = f"{restoring / 1e6:.2f} M parameters (restoration) and {degrading / 1e6:.2f} M"
    assert any(sizes in note for note in golden.method.info.notes)


def test_the_macs_are_those_of_the_reference_and_of_the_gates(golden: Golden) -> None:
    network = NDRN().to("meta")
    restoring = macs_at_224(network, (1, 3, 224, 224))
    maps = [(1, 64, 224 >> i, 224 >> i) for i in range(3)]
    degrading = macs_at_224(lambda y, *u: network.degrade(y, u), (1, 3, 224, 224), *maps)
    # The authors evaluate the 64-channel gate of every injection twice.
    second = sum(64 * (16 * 64 + 16 * 2 * (224 >> i)) for i in range(3))
    for ours, name in ((restoring, "ndr_restore"), (degrading, "ndr_degrad")):
        at_224 = golden.facts(name, "complexity.json")["results"]["1x3x224x224"]
        theirs = at_224["torch_FlopCounterMode_MACs"]
        assert ours == theirs - second + gate_macs(48), name


@pytest.mark.parametrize("key", KEYS)
def test_the_maps_equal_the_authors_at_single_pixels(golden: Golden, key: str) -> None:
    found = golden.method.embedding(golden.pair(key)[0].flip(1))
    for level, stride in enumerate(STRIDES, start=1):
        strided = found[f"rep{level}"][:, :, ::stride, ::stride]
        assert largest_difference(strided, golden.restored[f"rep{level}_sub/{key}"]) < 5e-5
        first = found[f"affinity{level}"][:, :, 0, :8].transpose(1, 2)
        assert largest_difference(first, golden.restored[f"affinity{level}_first8/{key}"]) < 5e-5


def test_an_embedding_holds_maps_of_three_levels_and_their_means() -> None:
    found = NDRRestoreMethod(**SMALL).embedding(images(2, 17, 23))
    for level, (height, width) in enumerate(((24, 24), (12, 12), (6, 6)), start=1):
        affinity, degradation = found[f"affinity{level}"], found[f"rep{level}"]
        assert affinity.shape == (2, 6, height, width)
        assert degradation.shape == (2, 8, height, width)
        torch.testing.assert_close(affinity.sum(1), torch.ones(2, height, width))
        assert found[f"affinity{level}_mean"].shape == (2, 6)
        torch.testing.assert_close(found[f"rep{level}_mean"], degradation.flatten(2).mean(2))


def test_recognising_finds_the_maps_that_restoring_returns(network: NDRN) -> None:
    x = images(2)
    with torch.no_grad():
        restored, maps = network.restore(x)
        assert torch.equal(restored, network(x))
        for level, degradation in zip(network.recognise(x), maps, strict=True):
            assert torch.equal(level.degradation, degradation)


def test_degrading_depends_on_the_maps_it_is_given_and_on_nothing_before(network: NDRN) -> None:
    clean = images(1, seed=2)
    with torch.no_grad():
        _, maps = network.restore(images(1, seed=3))
        first = network.degrade(clean, maps)
        _, others = network.restore(images(1, seed=4))
        assert torch.equal(network.degrade(clean, maps), first)
        assert not torch.allclose(network.degrade(clean, others), first)


def trained_by(network: NDRN, loss: Tensor) -> set[str]:
    """Return the parameters that the loss gives a gradient other than 0."""
    network.zero_grad()
    loss.backward()
    named = network.named_parameters()
    return {name for name, p in named if p.grad is not None and bool(p.grad.any())}


def test_the_degrading_error_trains_encoder_queries_and_dictionary(network: NDRN) -> None:
    x, clean = images(2), images(2, seed=2)
    _, maps = network.restore(x)
    trained = trained_by(network, F.l1_loss(network.degrade(clean, maps), x))
    parts = ["extractor", "block1", "pool1", "block2", "pool2", "block3"]
    for i in (1, 2, 3):
        parts += [f"res_connect{i}.mapping", f"res_connect{i}.degradation_recog"]
    prefixes = ["degradation_representations", "degradation_net."]
    prefixes += [f"restoration_net.{part}." for part in parts]
    named = dict(network.named_parameters())
    assert trained == {name for name in named if name.startswith(tuple(prefixes))}


def test_the_restoring_error_trains_all_but_the_degrading_network(network: NDRN) -> None:
    trained = trained_by(network, F.l1_loss(network(images(2)), images(2, seed=2)))
    named = dict(network.named_parameters())
    assert trained == {name for name in named if not name.startswith("degradation_net.")}


def test_both_errors_shrink_when_they_are_minimised_together(network: NDRN) -> None:
    clean = images(2)
    x = 0.4 * clean + 0.5  # haze
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    history = []
    for _ in range(8):
        restored, maps = network.restore(x)
        errors = F.l1_loss(network.degrade(clean, maps), x), F.l1_loss(restored, clean)
        history.append([error.item() for error in errors])
        optimizer.zero_grad()
        sum(errors, torch.zeros(())).backward()
        optimizer.step()
    assert np.all(np.array(history[-1]) < 0.9 * np.array(history[0]))


def test_the_dictionary_is_one_parameter_under_two_names(network: NDRN) -> None:
    assert network.restoration_net.dr is network.degradation_representations
    assert "restoration_net.dr" not in dict(network.named_parameters())
    tensors = network.state_dict()
    one, other = tensors["degradation_representations"], tensors["restoration_net.dr"]
    assert one.data_ptr() == other.data_ptr()


def test_a_loaded_dictionary_stays_one_parameter(network: NDRN) -> None:
    other = NDRN(**SMALL)
    assert not torch.equal(other.restoration_net.dr, network.restoration_net.dr)
    other.load_state_dict({key: t.clone() for key, t in network.state_dict().items()})
    assert other.restoration_net.dr is other.degradation_representations
    with torch.no_grad():
        assert torch.equal(other(images(1)), network(images(1)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"dim": 15}, "dim must be an even number"),
        ({"heads": (1, 2, 4, 6)}, "level 4 is 128 wide, not a multiple of 6 heads"),
        ({"num_blocks": (1, 1, 1)}, "num_blocks needs four numbers"),
        ({"num_refinement_blocks": 0}, "num_refinement_blocks must be at least 1, got 0"),
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"map_dim": -1}, "map_dim must be at least 1, got -1"),
        ({"dictionary": (32,)}, r"dictionary needs entries and width .* got \(32,\)"),
        ({"dictionary": (0, 128)}, r"dictionary needs entries and width .* got \(0, 128\)"),
        ({"ffn_expansion_factor": 0.01}, "ffn_expansion_factor 0.01 leaves no channel"),
    ],
)
def test_sizes_that_make_no_network_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NDRN(**(SMALL | config))
    with pytest.raises(ConfigError, match=message):
        NDRRestoreMethod(**(SMALL | config))


def test_any_size_is_restored_and_a_batch_equals_its_images() -> None:
    method, x = NDRRestoreMethod(**SMALL), images(2, 17, 23)
    restored = method.restore(x)
    assert restored.shape == x.shape
    alone = torch.cat([method.restore(image[None]) for image in x])
    torch.testing.assert_close(restored, alone, rtol=0, atol=1e-5)


def test_bfloat16_restores_about_what_float32_does() -> None:
    x = images(1, 17, 23)
    exact = NDRRestoreMethod(**SMALL)
    reduced = NDRRestoreMethod(**SMALL, precision="bfloat16")
    restored = reduced.restore(x)
    assert restored.dtype == torch.float32
    difference = (restored - exact.restore(x)).abs().max()
    assert 0 < difference < 0.05
    means = reduced.embedding(x)["affinity1_mean"]
    torch.testing.assert_close(means.sum(1), torch.ones(1), rtol=0, atol=0.02)
