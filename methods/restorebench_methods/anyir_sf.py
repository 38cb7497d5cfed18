"""AnyIR of 2025: attention and gate, joined in space and frequency; the network with code.

Any Image Restoration via Efficient Spatial-Frequency Degradation Adaptation, Ren et al.; arXiv
2504.14249. The version of 2024 is `restorebench_methods.anyir`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from restorebench.method import Card, Method
from restorebench_methods import reference
from restorebench_methods.anyir_blocks import AnyIRUNet, SkipSplitAttention, check_gate_kernel
from restorebench_methods.layers import depthwise
from restorebench_methods.reference import optimises


class CalibratedGate(nn.Module):
    """Gated convolution whose spatial part is amplified where channels are strong (GatedDA).

    With ``z = BatchNorm(x)`` and ``gamma, beta, alpha`` the pieces of ``W_exp z``:
    ``T = tau * sigmoid(mean(z) + std(z))`` for each image and channel,
    ``G = sigmoid(gamma) * W_gate[beta, W_depth(alpha) * (1 + T)]``, and the output is
    ``W_proj(G + x)``.

    Args:
        dim: channels e of the features, and of gamma and beta.
        expansion: width of the three pieces together over e.
        kernel_size: side of the depth-wise convolution, odd.

    Raises:
        ValueError: if alpha would have no channel or more than e, or the kernel is even.
    """

    def __init__(self, dim: int, expansion: float, kernel_size: int) -> None:
        super().__init__()
        check_gate_kernel(kernel_size)
        hidden = round(dim * expansion)
        alpha = hidden - 2 * dim
        if not 1 <= alpha <= dim:
            raise ValueError(
                f"gate_expansion_ratio {expansion} makes a gate {dim} wide {hidden} channels of "
                f"its own; it needs {2 * dim + 1} to {3 * dim}"
            )
        self.pieces = (dim, dim, alpha)
        # Only the first entries, one for each channel of alpha, act; checkpoints hold them all.
        self.tau = nn.Parameter(torch.ones(1, dim, 1, 1))
        self.norm = nn.BatchNorm2d(dim)
        self.W_exp = nn.Conv2d(dim, hidden, 1, bias=False)
        self.W_depth = depthwise(alpha, kernel_size)
        self.W_gate = nn.Conv2d(dim + alpha, dim, 1, bias=False)
        self.W_proj = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, e, H, W) to the same shape."""
        z = self.norm(x)
        gamma, beta, alpha = self.W_exp(z).split(self.pieces, dim=1)
        strength = self._strength(z)[:, : alpha.shape[1]]
        local = torch.cat([beta, self.W_depth(alpha) * (1 + strength)], dim=1)
        return cast(Tensor, self.W_proj(gamma.sigmoid() * self.W_gate(local) + x))

    def _strength(self, z: Tensor) -> Tensor:
        # Not var_mean, which is not vectorised in channels_last and takes six times as long.
        mean = z.mean(dim=(-2, -1), keepdim=True)
        variance = (z - mean).pow(2).mean(dim=(-2, -1), keepdim=True)
        return self.tau * (mean + (variance + 1e-6).sqrt()).sigmoid()


@optimises(reference.spectral_sum)
def spectral_sum(a: Tensor, b: Tensor) -> Tensor:
    """Return what the inverse Fourier transform of the sum of both transforms is."""
    return a + b


class SpatialFrequencyAttention(SkipSplitAttention):
    """Skip-split attention that weighs the cross-sigmoid with a sum in the frequency domain.

    The authors add the branches' Fourier transforms and transform back. The transform is linear,
    so that is the sum of the branches, which is what is computed here: quicker, and the same but
    for rounding (4e-6 in the restored image, float32).
    """

    def __init__(self, dim: int, heads: int, gate: nn.Module) -> None:
        super().__init__(dim, heads, gate)
        self.lam = nn.Parameter(torch.tensor(0.5))

    def fuse(self, attended: Tensor, gated: Tensor) -> Tensor:
        """Join the branches, (B, C/2, H, W) each, to (B, C, H, W).

        Channel c of the spatial part belongs to channel c of one branch, as in the version of
        2024; channel c of the frequency part to channel c // 2 of both. That is the authors'.
        """
        spatial = self.lam * super().fuse(attended, gated)
        frequency = (1 - self.lam) * spectral_sum(attended, gated)
        # Pixels first, as they lie in channels_last, so that no branch is copied for the sum.
        pairs = cast(Tensor, spatial.movedim(1, -1).unflatten(-1, (-1, 2)))  # B, H, W, C/2, 2
        return (pairs + frequency.movedim(1, -1).unsqueeze(-1)).flatten(-2).movedim(-1, 1)


class AnyIRSF(AnyIRUNet):
    """AnyIR with spatial-frequency fusion, as released.

    The defaults are those of the authors' code since 2026. Before, it had ``dim=32`` and
    ``num_blocks=(4, 6, 6, 8)``, which is the larger published size.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        num_blocks: blocks of levels 1 to 4; the decoder mirrors 1 to 3.
        num_refinement_blocks: blocks after the decoder, at full size and width 2C.
        heads: attention heads of levels 1 to 4; they share half of a level's width.
        ffn_expansion_factor: hidden over outer width of the feed-forward networks.
        gate_expansion_ratio: hidden over outer width of the gates, more than 2 and at most 3.
        gate_kernel_size: side of the gates' depth-wise convolutions, odd.

    Raises:
        ValueError: if the numbers do not go together.
    """

    def __init__(
        self,
        dim: int = 28,
        num_blocks: Sequence[int] = (3, 5, 5, 7),
        num_refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2,
        gate_expansion_ratio: float = 8 / 3,
        gate_kernel_size: int = 7,
    ) -> None:
        def attention(width: int, heads: int) -> SpatialFrequencyAttention:
            gate = CalibratedGate(width // 2, gate_expansion_ratio, gate_kernel_size)
            return SpatialFrequencyAttention(width, heads, gate)

        super().__init__(
            attention,
            dim=dim,
            num_blocks=num_blocks,
            num_refinement_blocks=num_refinement_blocks,
            heads=heads,
            expansion=ffn_expansion_factor,
        )


class AnyIRSFMethod(Method):
    """AnyIR of 2025, in the size that its authors' scripts build."""

    network_class = AnyIRSF
    info: ClassVar[Card] = Card(
        title="AnyIR (2025)",
        paper=(
            "Ren et al., Any Image Restoration via Efficient Spatial-Frequency Degradation "
            "Adaptation, arXiv 2504.14249"
        ),
        cite="ren2025anyir",
        status="parity-proven",
        code="github.com/Amazingren/AnyIR at 098dcd1dd6c1",
        code_licence="none stated by the authors (this implementation is our own)",
        checkpoint=(
            "train_ckpt/3deg/*.ckpt, which the authors' scripts name but which no download offers "
            "(Lightning, prefix 'net.')"
        ),
        trained_on=("noise", "rain", "haze", "blur", "low light"),
        size_multiple=8,
        notes=(
            "The three-degradation setting has noise, rain and haze; the five-degradation setting "
            "also blur and low light.",
            "The authors' code changed its size: dim=32, num_blocks=(4, 6, 6, 8) gives the earlier "
            "one, of 8.51 M parameters.",
            "The frequency branch is a Fourier transform and its inverse around a sum, so it is "
            "computed as the sum.",
        ),
    )
