"""The low-rank gate of NDR against its equations written out; `test_ndr_restore` has the rest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from restorebench_methods.ndr_degrad import LowRankGate


def written_out(gate: LowRankGate, x: Tensor) -> Tensor:
    """Return equations 5 and 6 literally: the (B, K, C, H, W) product, then its mean over K."""
    means = x.mean((2, 3), keepdim=True), x.mean(3, keepdim=True), x.mean(2, keepdim=True)
    weights = gate.state_dict()
    c, y, z = (
        torch.sigmoid(
            torch.einsum("oi,bihw->bohw", weights[f"conv_{axis}.1.weight"].flatten(1), mean)
            + weights[f"conv_{axis}.1.bias"][:, None, None]
        )
        for axis, mean in zip("CHW", means, strict=True)
    )
    c = c.reshape(len(x), gate.rank, x.shape[1], 1, 1)
    return x * (c * y.unsqueeze(2) * z.unsqueeze(2)).mean(1)


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 3),
    dim=st.integers(1, 9),
    rank=st.integers(1, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    layout=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_the_gate_is_the_mean_over_the_ranks_of_outer_products(
    batch: int, dim: int, rank: int, height: int, width: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(batch + 10 * dim + 100 * rank)
    gate = LowRankGate(dim, rank).double()
    x = torch.randn(batch, dim, height, width, dtype=torch.float64).to(memory_format=layout)
    with torch.no_grad():
        torch.testing.assert_close(gate(x), written_out(gate, x), rtol=1e-12, atol=1e-12)


class LargestTensor(TorchDispatchMode):
    """Note how many numbers the largest result of any operation holds."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it so
        self.numbers = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gate_holds_nothing_larger_than_its_features(layout: torch.memory_format) -> None:
    gate, x = LowRankGate(32, 16), torch.rand(1, 32, 24, 24).to(memory_format=layout)
    with torch.no_grad():
        with LargestTensor() as literally:
            written_out(gate, x)
        with LargestTensor() as ours:
            out = gate(x)
    assert literally.numbers == 16 * x.numel()
    assert ours.numbers == x.numel()
    assert out.is_contiguous(memory_format=layout)
