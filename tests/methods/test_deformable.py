"""Deformable convolution against the definition, ordinary convolution and torchvision."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from restorebench_methods.deformable import (
    PIXELS_AT_ONCE,
    GuidedDeformConv2d,
    deform_conv2d,
    gathered,
    torchvision_operator,
)

sides = st.integers(1, 9)
steps = st.integers(-3, 3)


def drawn(
    batch: int, channels: int, height: int, width: int, *, reach: float, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return float64 features, offsets of standard deviation ``reach``, masks and a kernel."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    x = normal(batch, channels, height, width)
    offset = reach * normal(batch, 18, height, width)
    mask = normal(batch, 9, height, width).sigmoid()
    return x, offset, mask, normal(channels + 1, channels, 3, 3)


def by_definition(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Sum over taps and corners, one pixel at a time."""
    batch, _, height, width = x.shape
    out = torch.zeros(batch, len(weight), height, width, dtype=x.dtype)
    for b in range(batch):
        for row in range(height):
            for column in range(width):
                for k in range(9):
                    i, j = divmod(k, 3)
                    y = row - 1 + i + float(offset[b, 2 * k, row, column])
                    z = column - 1 + j + float(offset[b, 2 * k + 1, row, column])
                    sample = torch.zeros(x.shape[1], dtype=x.dtype)
                    for near_y in (math.floor(y), math.floor(y) + 1):
                        for near_z in (math.floor(z), math.floor(z) + 1):
                            if 0 <= near_y < height and 0 <= near_z < width:
                                share = (1 - abs(y - near_y)) * (1 - abs(z - near_z))
                                sample += share * x[b, :, near_y, near_z]
                    tap = weight[:, :, i, j] @ sample
                    out[b, :, row, column] += mask[b, k, row, column] * tap
    return out


@pytest.mark.parametrize("reach", [0.3, 2.0, 40.0])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (9, 4)])
def test_it_is_the_definition(size: tuple[int, int], reach: float) -> None:
    arguments = drawn(2, 3, *size, reach=reach)
    expected = by_definition(*arguments)
    assert torch.allclose(deform_conv2d(*arguments), expected, rtol=0, atol=1e-12)
    single = deform_conv2d(*(t.float() for t in arguments))
    assert torch.allclose(single.double(), expected, rtol=0, atol=2e-5)


def test_offsets_onto_and_beyond_the_edge_are_exact() -> None:
    x = torch.ones(1, 1, 4, 5, dtype=torch.float64)
    mask = torch.zeros(1, 9, 4, 5, dtype=torch.float64)
    mask[:, 4] = 1  # the tap in the middle, so the sample is at the pixel plus its offset
    weight = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    for move, in_the_last_row in ((0.25, 0.75), (1.0, 0.0), (1e30, 0.0), (-3.0, 1.0), (-4.5, 0.0)):
        offset = torch.zeros(1, 18, 4, 5, dtype=torch.float64)
        offset[:, 8] = move
        out = deform_conv2d(x, offset, mask, weight)
        assert out[0, 0, -1].tolist() == [in_the_last_row] * 5, move


@settings(max_examples=20, deadline=None)
@given(height=sides, width=sides, down=steps, right=steps)
def test_one_whole_step_for_all_taps_is_a_convolution_of_the_moved_image(
    height: int, width: int, down: int, right: int
) -> None:
    x, offset, _, weight = drawn(1, 2, height, width, reach=0)
    offset[:, 0::2], offset[:, 1::2] = down, right
    mask = torch.ones(1, 9, height, width, dtype=x.dtype)
    wide = F.conv2d(F.pad(x, (4, 4, 4, 4)), weight)
    expected = wide[..., 3 + down : 3 + down + height, 3 + right : 3 + right + width]
    assert torch.allclose(deform_conv2d(x, offset, mask, weight), expected, rtol=0, atol=1e-12)


def test_images_larger_than_one_portion_are_put_together_again() -> None:
    x, offset, _, weight = drawn(2, 2, 61, 67, reach=0)
    assert PIXELS_AT_ONCE < 61 * 67
    mask = torch.ones(2, 9, 61, 67, dtype=x.dtype)
    expected = F.conv2d(x, weight, padding=1)
    assert torch.allclose(deform_conv2d(x, offset, mask, weight), expected, rtol=0, atol=1e-12)


def test_the_memory_layout_makes_no_difference() -> None:
    plain = drawn(2, 8, 11, 7, reach=1)
    last = [t.contiguous(memory_format=torch.channels_last) for t in plain]
    assert torch.allclose(deform_conv2d(*last), deform_conv2d(*plain), rtol=0, atol=1e-13)


def test_gradients_are_those_of_finite_differences() -> None:
    arguments = [t.requires_grad_() for t in drawn(2, 2, 3, 4, reach=1.3, seed=3)]
    # Bilinear sampling has kinks at whole positions; finite differences must not cross one.
    distance = (arguments[1] - arguments[1].round()).abs().min()
    assert distance > 1e-4
    assert torch.autograd.gradcheck(deform_conv2d, arguments, eps=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_reduced_precision_keeps_its_type_and_exact_positions(dtype: torch.dtype) -> None:
    # Stripes, since neither type has a position 600.25, and bfloat16 none between 600 and 604.
    x = (torch.arange(700) % 2).expand(1, 1, 1, 700).to(dtype)
    mask, weight = torch.zeros(1, 9, 1, 700, dtype=dtype), torch.ones(1, 1, 3, 3, dtype=dtype)
    mask[:, 4] = 1
    offset = torch.zeros(1, 18, 1, 700, dtype=dtype)
    offset[:, 9] = 0.25
    out = deform_conv2d(x, offset, mask, weight)
    assert out.dtype == dtype
    assert torch.equal(out[..., :-1], 0.75 * x[..., :-1] + 0.25 * x[..., 1:])


def test_a_broken_offset_breaks_its_own_pixel_only() -> None:
    x, offset, mask, weight = drawn(1, 2, 5, 6, reach=1)
    offset[0, 4, 2, 3] = math.nan
    broken = deform_conv2d(x, offset, mask, weight).isnan()
    assert broken[0, :, 2, 3].all()
    assert int(broken.sum()) == len(weight)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 2e-5), (torch.bfloat16, 0.1)],
)
def test_torchvision_computes_the_same(dtype: torch.dtype, tolerance: float) -> None:
    operator = torchvision_operator()
    if operator is None:
        pytest.skip("torchvision is not installed, or was built for another torch")
    arguments = [t.to(dtype) for t in drawn(2, 8, 13, 21, reach=3)]
    ours, theirs = gathered(*arguments), operator(*arguments)
    assert ours.dtype == theirs.dtype == dtype
    assert torch.allclose(ours, theirs, rtol=0, atol=tolerance)


def test_a_new_layer_is_half_a_convolution_whatever_the_guide() -> None:
    torch.manual_seed(0)
    layer = GuidedDeformConv2d(4, 6)
    x, guide = torch.rand(2, 4, 9, 7), torch.rand(2, 6, 9, 7)
    expected = F.conv2d(x, layer.weight, padding=1) / 2
    assert torch.allclose(layer(x, guide), expected, atol=1e-6)
    assert float(layer.weight.detach().abs().max()) == pytest.approx(1 / 6, rel=0.05)


def test_features_and_guide_both_move_the_taps() -> None:
    torch.manual_seed(0)
    layer = GuidedDeformConv2d(4, 6)
    torch.nn.init.normal_(layer.conv_offset_mask.weight)
    x, guide = torch.rand(1, 4, 8, 8, requires_grad=True), torch.rand(1, 6, 8, 8)
    z = F.conv2d(torch.cat([x, guide], 1), layer.conv_offset_mask.weight, padding=1)
    expected = by_definition(
        x.detach().double(),
        z[:, :18].detach().double(),
        z[:, 18:].detach().double().sigmoid(),
        layer.weight.detach().double(),
    )
    out = layer(x, guide)
    assert torch.allclose(out.double(), expected, rtol=0, atol=1e-4)
    out.sum().backward()
    assert layer.conv_offset_mask.weight.grad is not None
    assert layer.conv_offset_mask.weight.grad.abs().amax((0, 2, 3)).min() > 0
