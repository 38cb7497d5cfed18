"""Parameters and MACs of networks whose cost is known by arithmetic; `restorebench profile`."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, library, nn
from torch.nn import functional as F

from restorebench.catalog import Catalog
from restorebench.costs.complexity import DISAGREEMENT, complexity, macs, parameters
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
    """Attention behind one function; asking for a value keeps it from being decomposed."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT * float(x.max())
        return F.scaled_dot_product_attention(tokens, tokens, tokens).mT.reshape(x.shape)


class AddedProducts(nn.Module):
    """Products that are added to something as they are made."""

    def forward(self, x: Tensor) -> Tensor:
        square = x[0, :, :, :16]
        return x + torch.baddbmm(square, square, square) + torch.addbmm(square[0], square, square)


class Dynamic(nn.Module):
    """A kernel of its own for each image, as hypernetworks make them, by one grouped call."""

    def __init__(self) -> None:
        super().__init__()
        self.make = nn.Linear(3, 4 * 3 * 9, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernels = self.make(x.mean((2, 3))).view(-1, 3, 3, 3)
        features = F.conv2d(x.flatten(0, 1)[None], kernels, padding=1, groups=len(x))
        return features[:, :3]


class Deformable(nn.Module):
    """Calls the compiled operator of torchvision, or what stands in for it."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(3, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.torchvision.deform_conv2d(x, self.kernel)  # type: ignore[no-any-return]


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


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (Attention, 2 * 256 * 256 * 3),
        (AddedProducts, 2 * 3 * 16**3),
        (Dynamic, 256 * 4 * 3 * 9 + 3 * 4 * 3 * 9),
    ],
)
def test_no_counter_misses_a_product(network: type[nn.Module], expected: int) -> None:
    found = complexity(method_of(network)(), 16)
    assert set(found.macs.values()) == {expected}


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision has the operator")
def test_a_compiled_deformable_convolution_is_counted_by_all() -> None:
    with library._scoped_library("torchvision", "DEF") as operators:
        operators.define("deform_conv2d(Tensor x, Tensor kernel) -> Tensor")
        operators.impl("deform_conv2d", lambda x, kernel: x + 1, "CompositeExplicitAutograd")
        found = complexity(method_of(Deformable)(), 16)
    assert set(found.macs.values()) == {256 * 3 * 3 * 9}


def test_an_operator_that_nobody_counts_is_named_and_a_disagreement_flagged() -> None:
    class Norm(nn.Module):
        """Only fvcore counts norms, and nobody Fourier transforms."""

        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(torch.fft.fft2(x).abs(), x.shape[1:]) @ x[..., :1, :].mT

    found = complexity(method_of(Norm)(), 16)
    assert found.macs["fvcore"] > found.macs["torch"] == 3 * 256
    assert found.disagreement > DISAGREEMENT
    assert "fft_fft2" in found.uncounted


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


COUNTS = {
    "airnet": ("breakdown_MACs", "1x3x224x224", "restorer_plus_1_encoder_with_dcn"),
    "anyir": ("results", "1x3x224x224", "torch_FlopCounterMode_MACs"),
    "anyir_sf": ("results", "1x3x224x224", "torch_FlopCounterMode_MACs"),
    "daair": ("results", "1x3x224x224", "torch_FlopCounterMode_MACs"),
    "hair": ("results", "1x3x224x224", "torch_FlopCounterMode_MACs"),
    "ndr_restore": ("results", "1x3x224x224", "torch_FlopCounterMode_MACs"),
    "promptir": ("results", "1x3x224x224", "torch_FlopCounterMode_MACs"),
    "restormer": ("results", "1x3x224x224", "torch_FlopCounterMode_MACs"),
}
"""Where the authors' own code was counted; AirNet's with its deformable convolutions."""


@pytest.mark.parametrize("name", COUNTS)
def test_networks_cost_what_the_authors_code_costs(name: str, reference: Path) -> None:
    content = json.loads((reference / name / "complexity.json").read_text())
    section, size, count = COUNTS[name]
    method = Catalog.installed().method(name)()
    assert parameters(method) == content["parameters"]
    assert macs(method) == pytest.approx(content[section][size][count], rel=2e-3)


def test_a_router_costs_between_its_cheapest_and_its_dearest_expert(reference: Path) -> None:
    content = json.loads((reference / "moce_ir_s" / "complexity.json").read_text())
    forced = [content["forced_expert"][f"1x3x224x224 forced expert {i}"] for i in range(4)]
    method = Catalog.installed().method("moce_ir_s")()
    assert parameters(method) == content["parameters"]
    low, high = (each(f["torch_FlopCounterMode_MACs"] for f in forced) for each in (min, max))
    assert low * 0.99 < macs(method) < high * 1.01


def test_the_counters_agree_with_the_reference(reference: Path) -> None:
    expected = json.loads((reference / "anyir/complexity.json").read_text())
    at_224 = expected["results"]["1x3x224x224"]
    found = complexity(Catalog.installed().method("anyir")())
    # The authors write layer norms out as single operations, which fvcore does not count.
    assert found.macs["fvcore"] == pytest.approx(at_224["fvcore_total_MACs"], rel=0.02)
    assert found.macs["ptflops"] == pytest.approx(at_224["ptflops_aten_MACs"], rel=0.02)
    assert found.disagreement < DISAGREEMENT


PLUGIN = """
import torch
from restorebench import Card, Method

class Tiny(Method):
    network_class = staticmethod(lambda: torch.nn.Conv2d(3, 3, 3, padding=1))
    info = Card(title="Tiny", paper="none", status="external")

METHODS = {"tiny": Tiny}
"""


def test_the_command_states_size_machine_and_what_one_mac_is(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    asked = ["profile", "-m", "tiny", "--plugin", "plugin.py", "--latency", "--memory"]
    result = cli(*asked, "--size", 32, "--out", "costs")
    assert result.returncode == 0, result.stderr
    for said in ("Costs at 32x32", "1 MAC = 2 FLOPs", "1 thread", "Versions"):
        assert said in result.stdout
    for counter in ("torch", "ptflops", "fvcore"):
        assert f"{counter} " in result.stdout
    assert "untrained: random weights; a router may choose otherwise" in result.stdout
    found = pd.read_csv(tmp_path / "costs" / "costs.csv")
    assert list(found["method"]) == ["tiny"]
    assert list(found["size"]) == [32]
    assert list(found["macs"]) == [32 * 32 * 81]
    assert (found["latency_ms"] > 0).all()
    assert found["weights_memory"][0] == 84 * 4
    assert len(list((tmp_path / "costs/costs").iterdir())) == 1
    assert "Costs at 32x32" in (tmp_path / "costs" / "costs.tex").read_text()


def test_a_size_that_cannot_be_is_refused(cli: Cli) -> None:
    result = cli("profile", "-m", "identity", "--size", 8)
    assert result.returncode == 2
    assert "--size must be at least 16, got 8" in result.stderr
