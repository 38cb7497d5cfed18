"""Parameters and MACs of networks whose cost is known by arithmetic; `restorebench profile`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench.catalog import Catalog
from restorebench.complexity import DISAGREEMENT, complexity
from restorebench.errors import MethodBuildError
from restorebench.method import Card, Method

from .conftest import Cli

CARD = Card(title="Known", paper="none", status="external")


class Products(nn.Module):
    """A convolution by module, one by function, and a product of activations."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.kernel = nn.Parameter(torch.ones(3, width, 1, 1))
        self.never = nn.Parameter(torch.ones(7))
        self.frozen = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        features = self.conv(x)
        flat = features.flatten(2)
        attention = flat @ flat.mT  # B, width, width
        features = (attention @ flat).view_as(features)
        assert self.never.shape == (7,)  # asking for its shape is not using it
        return F.conv2d(features, self.kernel) * self.frozen


class Attention(nn.Module):
    """An operator that fvcore counts as nothing."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT
        return F.scaled_dot_product_attention(tokens, tokens, tokens).mT.reshape(x.shape)


class Router(nn.Module):
    """Looks at values to choose its way."""

    def __init__(self) -> None:
        super().__init__()
        self.ways = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)])

    def forward(self, x: Tensor) -> Tensor:
        chosen: Tensor = self.ways[int(x.mean() > -1)](x)
        return chosen


def method_of(network: type[nn.Module]) -> type[Method]:
    return type("Known", (Method,), {"info": CARD, "network_class": network})


@pytest.mark.parametrize("width", [4, 6])
def test_all_counters_find_what_arithmetic_finds(width: int) -> None:
    pixels = 32 * 32
    found = complexity(method_of(Products)(width=width), 32)
    expected = pixels * (width * 3 * 9 + 2 * width * width + 3 * width)
    assert set(found.macs) == {"torch", "ptflops", "fvcore"}
    assert list(found.macs.values()) == [expected] * 3
    assert found.disagreement == 0
    assert found.parameters == width * 27 + 3 * width + 8
    assert found.trainable == found.parameters - 1
    assert found.unused == ("never",)
    assert found.unused_count == 7
    assert "mul" in found.uncounted


def test_a_counter_that_misses_an_operator_is_flagged_and_the_operator_named() -> None:
    found = complexity(method_of(Attention)(), 16)
    assert found.macs["torch"] == 2 * 256 * 256 * 3
    assert found.macs["fvcore"] == 0
    assert found.disagreement > DISAGREEMENT
    assert "scaled_dot_product_attention" in found.uncounted


def test_a_network_that_looks_at_values_is_counted_on_an_image() -> None:
    found = complexity(method_of(Router)(), 16)
    assert found.macs["torch"] == 256 * 81
    assert found.unused == ("ways.0.weight", "ways.0.bias")


def test_a_network_that_cannot_take_the_size_is_one_line() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(48))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.weight

    with pytest.raises(MethodBuildError, match=r"Known cannot be counted at 32x32: .*tensor"):
        complexity(method_of(Fixed)(), 32)


def test_the_counters_agree_with_the_reference(reference: Path) -> None:
    expected = json.loads((reference / "anyir/complexity.json").read_text())
    at_224 = expected["results"]["1x3x224x224"]
    found = complexity(Catalog.installed().method("anyir")())
    assert found.parameters == expected["parameters"]
    assert found.macs["torch"] == pytest.approx(at_224["torch_FlopCounterMode_MACs"], rel=1e-3)
    # The authors write layer norms out as single operations, which fvcore does not count.
    assert found.macs["fvcore"] == pytest.approx(at_224["fvcore_total_MACs"], rel=0.02)
    assert found.macs["ptflops"] == pytest.approx(at_224["ptflops_aten_MACs"], rel=0.02)


def test_the_command_states_size_counters_and_what_one_mac_is(cli: Cli, tmp_path: Path) -> None:
    result = cli("profile", "-m", "anyir", "-m", "identity", "--size", 32, "--out", "cost.json")
    assert result.returncode == 0, result.stderr
    assert "One image of 32x32; 1 MAC = 2 FLOPs" in result.stdout
    for counter in ("torch", "ptflops", "fvcore"):
        assert f"GMACs, {counter}" in result.stdout
    content = json.loads((tmp_path / "cost.json").read_text())
    assert content["anyir"]["parameters"] == 6_294_134
    assert content["identity"]["macs"] == {}
    assert cli("profile", "--size", 8).returncode == 2
    assert "no method is called 'hare'. Did you mean 'hair'?" in cli("profile", "-m", "hare").stderr
