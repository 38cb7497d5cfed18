"""Work in bands of rows gives what work on the whole gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from restorebench.inference import computing
from restorebench_methods import bands
from restorebench_methods.anyir_blocks import SkipSplitAttention
from restorebench_methods.daair_blocks import ControlledAttention
from restorebench_methods.layers import GDFN, MDTA, LayerNorm
from restorebench_methods.moce_blocks import CrossAttention

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def features(*shape: int, layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return x.contiguous(memory_format=layout)


class Normed(nn.Module):
    """A layer that is given a norm, and so adds its result to its input."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.norm = layer, LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.layer(x, self.norm)
        return added


@pytest.fixture(params=[1, 700, 10**6], ids=["row by row", "some rows", "whole"])
def values_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "VALUES_AT_ONCE", request.param)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (GDFN(8, 2.66, bias=True), 1),
        (MDTA(8, 2, bias=True), 1),
        (CrossAttention(8, 2), 2),
        (ControlledAttention(8, 2), 2),
        (Normed(GDFN(8, 2.66)), 1),
        (Normed(MDTA(8, 2)), 1),
        (Normed(SkipSplitAttention(8, 2, nn.Identity())), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_bands_give_what_the_whole_gives(
    layer: nn.Module,
    inputs: int,
    batch: int,
    layout: torch.memory_format,
    values_at_once: None,
) -> None:
    layer = layer.double().to(memory_format=layout)  # type: ignore[call-overload]
    given = [features(batch, 8, 7, 6, layout=layout) + n for n in range(inputs)]
    whole = layer(*given)  # gradients are on, so that nothing is cut
    with torch.no_grad():
        in_bands = layer(*given)
        with computing("reference"):
            authors = layer(*given)
    assert whole.requires_grad
    assert torch.allclose(in_bands, whole, rtol=0, atol=1e-12)
    assert torch.allclose(authors, whole, rtol=0, atol=1e-12)
    assert in_bands.shape == whole.shape


@pytest.mark.parametrize("layer", [GDFN(8, 2), MDTA(8, 2)], ids=lambda x: type(x).__name__)
def test_given_a_norm_a_layer_adds_what_it_makes_of_the_normalised(layer: nn.Module) -> None:
    x, norm = torch.randn(1, 8, 6, 6), LayerNorm(8)
    assert torch.allclose(layer(x, norm), x + layer(norm(x)), rtol=0, atol=1e-5)


def test_bands_keep_every_row_once_and_see_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bands, "VALUES_AT_ONCE", 3 * 10 * 4)
    x = torch.arange(8.0)[None, None, :, None].expand(1, 1, 8, 4)
    with torch.no_grad():
        cut = list(bands.bands(x, width=10, halo=2))
        rows = [int(row) for band in cut for row in band.of(x)[0, 0, :, 0]]
        seen = [x[0, 0, band.seen, 0].tolist() for band in cut]
    assert rows == list(range(8))
    assert seen == [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 7]]


def test_nothing_is_cut_where_it_would_not_help() -> None:
    x = torch.rand(1, 4, 8, 8)
    assert not bands.in_bands(x)  # gradients
    with torch.no_grad():
        assert bands.in_bands(x)
        assert not bands.in_bands(x.to("meta"))
        with computing("reference"):
            assert not bands.in_bands(x)
        with torch.autocast("cpu", torch.bfloat16):
            assert not bands.in_bands(x)
