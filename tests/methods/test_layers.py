"""Restormer's building blocks against their equations, in both memory layouts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench_methods.attention import channel_attention
from restorebench_methods.bands import image_of
from restorebench_methods.layers import (
    GDFN,
    MDTA,
    Downsample,
    LayerNorm,
    TransformerBlock,
    Upsample,
    gelu_gate,
)

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def features(*shape: int, layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return x.contiguous(memory_format=layout)


def attention_written_out(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor) -> Tensor:
    """Equation 1 of Restormer, one image and one head after another."""
    heads = temperature.shape[0]
    images = []
    for image in range(q.shape[0]):
        parts = []
        for head in range(heads):
            rows = slice(head * q.shape[1] // heads, (head + 1) * q.shape[1] // heads)
            q1, k1, v1 = (F.normalize(t[image, rows].flatten(1), dim=1) for t in (q, k, v))
            v1 = v[image, rows].flatten(1)
            attention = torch.softmax(q1 @ k1.T * temperature[head, 0, 0], dim=1)
            parts.append((attention @ v1).reshape(-1, *q.shape[2:]))
        images.append(torch.cat(parts))
    return torch.stack(images)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("batch", [1, 3])
def test_channel_attention_is_its_equation(
    batch: int, heads: int, layout: torch.memory_format
) -> None:
    qkv = features(batch, 24, 6, 10, layout=layout)
    temperature = torch.linspace(0.5, 3, heads, dtype=torch.float64).reshape(heads, 1, 1)
    q, k, v = qkv.chunk(3, dim=1)
    found = channel_attention(q, k, v, temperature)
    assert torch.allclose(found, attention_written_out(q, k, v, temperature), atol=1e-12)
    assert found.is_contiguous(memory_format=layout)


def test_a_channel_of_zeros_attends_evenly_and_has_a_gradient() -> None:
    q, k, v = features(1, 12, 4, 4).chunk(3, dim=1)
    q = (q * 0).requires_grad_()
    found = channel_attention(q, k, v, torch.ones(1, 1, 1, dtype=torch.float64))
    assert torch.allclose(found, v.mean(dim=1, keepdim=True).expand_as(v))
    found.sum().backward()
    assert q.grad is not None
    assert torch.isfinite(q.grad).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layer_norm_is_over_channels_with_population_variance(
    layout: torch.memory_format,
) -> None:
    norm = LayerNorm(8).double()
    with torch.no_grad():
        norm.body.weight.copy_(torch.linspace(0.5, 2, 8))
        norm.body.bias.copy_(torch.linspace(-1, 1, 8))
    x = features(2, 8, 5, 7, layout=layout)
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    weight, bias = norm.body.weight.reshape(-1, 1, 1), norm.body.bias.reshape(-1, 1, 1)
    expected = (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias
    assert torch.allclose(norm(x), expected, atol=1e-12)
    assert norm(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gate_is_exact_gelu_of_the_first_half_times_the_second(
    layout: torch.memory_format,
) -> None:
    x = features(2, 10, 4, 6, layout=layout)
    kept = x.clone()
    first, second = x[:, :5], x[:, 5:]
    expected = first * 0.5 * (1 + torch.erf(first / 2**0.5)) * second
    assert torch.allclose(gelu_gate(x), expected, atol=1e-12)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "block",
    [MDTA(8, 2), GDFN(8, 2.66), TransformerBlock(8, 2, 2.66), Downsample(8), Upsample(8)],
    ids=lambda block: type(block).__name__,
)
def test_every_block_keeps_its_layout_and_has_the_right_gradient(
    block: nn.Module, layout: torch.memory_format
) -> None:
    block = block.double().to(memory_format=layout)  # type: ignore[call-overload]
    x = features(2, 8, 4, 6, layout=layout).requires_grad_()
    assert block(x).is_contiguous(memory_format=layout)
    assert torch.autograd.gradcheck(block, (x,), atol=1e-6)


def test_pixels_become_an_image_without_a_copy() -> None:
    pixels = features(1, 12, 5)
    image = image_of(pixels, (3, 4))
    assert image.shape == (1, 5, 3, 4)
    assert image.data_ptr() == pixels.data_ptr()
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(image[0, :, 2, 1], pixels[0, 2 * 4 + 1])
