"""The blocks of DaAIR against the same equations, written out a second time without dispatch."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench_methods.daair_blocks import ControlledAttention, ControlledDaLe, DaLe, ExpertShape

SHAPE = ExpertShape(count=4, reduction=2, kernel_size=5)
Block = TypeVar("Block", bound=nn.Module)


def lively(block: Block) -> Block:
    """Draw weights that keep outputs well above the tolerances, so that no error can hide."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in block.parameters():
            fan_in = weight[0].numel()
            weight.copy_(torch.randn(weight.shape, generator=generator) / math.sqrt(fan_in))
    return block.double()


def dense_dale(dale: DaLe, z: Tensor) -> Tensor:
    """Run every expert on every image and keep the chosen one by a mask."""

    def expert(key: str) -> Tensor:
        tensors = {k: dict(dale.named_parameters())[f"{key}.{k}.weight"] for k in names}
        t = F.conv2d(z, tensors["proj_in"])
        qv = F.conv2d(t, tensors["to_qv"])
        qv = qv * (1 + torch.erf(qv / math.sqrt(2))) / 2
        rank = t.shape[1]
        kernel = tensors["dwconv"]
        q = F.conv2d(qv[:, :rank], kernel, padding=kernel.shape[-1] // 2, groups=rank)
        return F.conv2d(q * qv[:, rank:], tensors["proj"])

    names = ("proj_in", "to_qv", "dwconv", "proj")
    logits = torch.einsum("bchw,nc->bn", z, dale.router.weight) / z[0, 0].numel()
    mask = F.one_hot(logits.argmax(1), len(dale.experts)).to(z)
    every = torch.stack([expert(f"experts.{n}") for n in range(len(dale.experts))], dim=1)
    specialised = torch.einsum("bn,bnchw->bchw", mask, every)
    return F.conv2d(specialised * expert("agnostic"), dale.proj_out.weight)


@given(chosen=st.lists(st.integers(0, SHAPE.count - 1), min_size=1, max_size=7))
@settings(max_examples=25, deadline=None)
def test_dispatch_equals_the_dense_computation_masked(chosen: list[int]) -> None:
    dale = lively(DaLe(8, SHAPE))
    with torch.no_grad():
        dale.router.weight.copy_(torch.eye(SHAPE.count, 8))
    generator = torch.Generator().manual_seed(5)
    z = torch.randn(len(chosen), 8, 6, 9, dtype=torch.float64, generator=generator)
    z = z - z.mean((-2, -1), keepdim=True)
    z[range(len(chosen)), chosen] += 1  # the pooled features point at the expert
    z.requires_grad_()

    (sparse,), logits = dale(z)
    dense = dense_dale(dale, z)

    assert logits.argmax(1).tolist() == chosen
    torch.testing.assert_close(sparse, dense, rtol=0, atol=1e-12)
    upstream = torch.randn(sparse.shape, dtype=torch.float64, generator=generator)
    gradients = [torch.autograd.grad((out * upstream).sum(), z)[0] for out in (sparse, dense)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_experts_that_see_no_image_get_no_gradients() -> None:
    dale = DaLe(8, SHAPE)
    (out,), logits = dale(torch.ones(1, 8, 6, 6))
    out.sum().backward()
    chosen = int(logits.argmax())
    trained = [expert.get_parameter("proj.weight").grad is not None for expert in dale.experts]
    assert trained == [n == chosen for n in range(SHAPE.count)]


def test_controller_features_are_the_controllers_own_projection() -> None:
    dale = lively(ControlledDaLe(8, SHAPE))
    z = torch.randn(2, 8, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    (modulated, control), _ = dale(z)
    plain = dense_dale(dale, z)
    torch.testing.assert_close(modulated, plain, rtol=0, atol=1e-12)
    projected = torch.einsum(
        "bchw,dc->bdhw", dale.controller(z), dale.controller_out.weight[..., 0, 0]
    )
    torch.testing.assert_close(control, projected, rtol=0, atol=1e-12)


def test_cross_attention_takes_keys_from_the_controller_and_the_rest_from_dale() -> None:
    attention = lively(ControlledAttention(8, heads=2))
    generator = torch.Generator().manual_seed(4)
    x, control = torch.randn(2, 1, 8, 5, 7, dtype=torch.float64, generator=generator).unbind()

    qv = F.conv2d(F.conv2d(x, attention.qv.weight), attention.qv_dwconv.weight, None, 1, 1, 1, 16)
    k = F.conv2d(F.conv2d(control, attention.k.weight), attention.k_dwconv.weight, None, 1, 1, 1, 8)
    heads = []
    for head in range(2):
        at = slice(4 * head, 4 * head + 4)
        q_head, k_head, v_head = (t[0, at].reshape(4, 35) for t in (qv[:, :8], k, qv[:, 8:]))
        q_head = q_head / q_head.norm(dim=1, keepdim=True)
        k_head = k_head / k_head.norm(dim=1, keepdim=True)
        weights = (q_head @ k_head.T * attention.temperature[head]).softmax(dim=1)
        heads.append(weights @ v_head)
    mixed = torch.cat(heads).reshape(1, 8, 5, 7)
    expected = F.conv2d(mixed, attention.project_out.weight)

    torch.testing.assert_close(attention(x, control), expected, rtol=0, atol=1e-12)
