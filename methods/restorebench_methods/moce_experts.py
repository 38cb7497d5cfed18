"""The complexity experts of MoCE-IR, the router that picks one for each image, and its loss.

Complexity Experts are Task-Discriminative Learners for Any Image Restoration, Zamfir et al.;
CVPR 2025, arXiv 2411.18466. Feature maps are (B, C, H, W); the attribute names are those of the
released checkpoints.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench_methods.layers import LayerNorm, depthwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """What all mixtures of experts of one network have in common."""

    num_experts: int
    """E; expert i has 1 / 2^(E-1-i) of the block's channels and patches of side 4 * 2^i."""
    embedding_dim: int
    """Length of the frequency embedding."""
    eval_noise: bool
    """Whether the router is as noisy in evaluation as it is in training."""
    mix_experts_in_batch: bool
    """Whether in evaluation each image gets the experts of all images of its batch."""


class Routing(NamedTuple):
    """How one router sends B images to E experts."""

    logits: Tensor
    """(B, E), without noise."""
    noisy_logits: Tensor
    """(B, E), what the choice was made from; equal to ``logits`` where no noise is added."""
    expert: Tensor
    """Index of the chosen expert, (B,)."""
    gate: Tensor
    """Its probability, in (0, 1], (B,)."""
    complexity: Tensor
    """Parameters of each expert over those of the largest, (E,)."""


def balance_loss(routing: Routing, *, by_complexity: bool = False) -> Tensor:
    """Return how unevenly the experts are used: 0 if evenly, E if one gets every image.

    The mean of two squared coefficients of variation over the experts (unbiased variance): of
    their importance, the sum of their probabilities over the batch, and of their load, the mean
    probability that they would be chosen if the noise were drawn again.

    Args:
        routing: of one router; the noise is taken to have the standard deviation 1/E.
        by_complexity: weight the importance by the experts' size, so that balance favours the
            small ones.

    Source:
        The authors' training code, after Shazeer et al., Outrageously Large Neural Networks,
        ICLR 2017, equations 6 to 11.
    """
    logits, noisy_logits = routing.logits.float(), routing.noisy_logits.float()
    importance = logits.softmax(dim=-1).sum(dim=0)
    if by_complexity:
        importance = importance * routing.complexity
    to_beat = noisy_logits.amax(dim=-1, keepdim=True)
    load = torch.special.ndtr((logits - to_beat) * logits.shape[-1]).mean(dim=0)
    return (_squared_variation(importance) + _squared_variation(load)) / 2


def _squared_variation(values: Tensor) -> Tensor:
    return values.var() / (values.mean() + 1e-8) ** 2


class Router(nn.Module):
    """Choose the expert with the best logit for each image.

    Args:
        dim: channels C of the features.
        complexity: relative size of the experts, (E,); a buffer, used by the balance loss alone.
        mixture: what all routers of the network have in common.
    """

    complexity: Tensor

    def __init__(self, dim: int, complexity: Tensor, mixture: Mixture) -> None:
        super().__init__()
        experts = mixture.num_experts
        self.register_buffer("complexity", complexity)
        self.eval_noise = mixture.eval_noise
        linear = nn.Linear(dim, experts, bias=False)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
        self.freq_gate = nn.Linear(mixture.embedding_dim, experts, bias=False)

    def forward(self, x: Tensor, embedding: Tensor) -> Routing:
        """Route features (B, C, H, W) with frequency embeddings (B, D).

        The noise is drawn from torch's global generator of the device, like that of dropout.
        """
        logits = noisy = self.gate(x) + self.freq_gate(embedding)
        if self.training or self.eval_noise:
            noisy = logits + torch.randn_like(logits) / logits.shape[-1]
        gate, expert = noisy.softmax(dim=-1).max(dim=-1)
        return Routing(logits, noisy, expert, gate, self.complexity)


def patchwise_convolution(q: Tensor, k: Tensor, patch: int) -> Tensor:
    """Convolve q with k circularly, in each channel and each patch by itself.

    Args:
        q: features (B, C, H, W), padded with zeros at the right and bottom to whole patches.
        k: same shape.
        patch: side of the square, non-overlapping patches.

    Returns:
        (B, C, H, W), of the type of ``q`` but computed in float32 whatever that is, as in the
        authors' code: half precision has no Fourier transform on most devices.

    >>> impulse = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    >>> patchwise_convolution(impulse, torch.arange(4.0).view(1, 1, 2, 2), 2).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    height, width = q.shape[-2:]
    padding = (0, -width % patch, 0, -height % patch)
    spectra = [
        # (B, C, rows of patches, patch, columns of patches, patch)
        torch.fft.rfft2(
            F.pad(x.float(), padding).unflatten(3, (-1, patch)).unflatten(2, (-1, patch)),
            dim=(3, 5),
        )
        for x in (q, k)
    ]
    mixed = torch.fft.irfft2(spectra[0] * spectra[1], s=(patch, patch), dim=(3, 5))
    whole: Tensor = mixed.flatten(4, 5).flatten(2, 3)
    return whole[..., :height, :width].to(q.dtype)


class FourierMixer(nn.Module):
    """Attention by convolution: ``norm(q * k) v``, where ``*`` stays within a patch."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.q = nn.Conv2d(dim, dim, 1, bias=False)
        self.q_dwconv = depthwise(dim, bias=True)
        self.kv = nn.Conv2d(dim, dim * 2, 1, bias=False)
        self.kv_dwconv = depthwise(dim * 2, 7, bias=True)
        self.norm = LayerNorm(dim)
        self.proj_out = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, r, H, W) within patches."""
        q = self.q_dwconv(self.q(x))
        k, v = self.kv_dwconv(self.kv(x)).chunk(2, dim=1)
        mixed = self.norm(patchwise_convolution(q, k, self.patch))
        return cast(Tensor, self.proj_out(mixed * v))


class Expert(nn.Module):
    """One expert: a Fourier mixer in a narrow space, gated by the features that all experts share.

    Args:
        dim: channels C of the block.
        rank: channels r of the narrow space.
        patch: side of the patches of the Fourier mixer.
    """

    def __init__(self, dim: int, rank: int, patch: int) -> None:
        super().__init__()
        ends = ((dim, rank), (dim, rank), (rank, dim))
        self.proj = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in ends)
        self.body = FourierMixer(rank, patch)

    def forward(self, x: Tensor, shared: Tensor) -> Tensor:
        """Transform (B, C, H, W), given shared features of the same shape."""
        narrow = self.body(self.proj[0](x)) * F.silu(self.proj[1](shared))
        return cast(Tensor, self.proj[2](narrow) + x)


class ComplexityExperts(nn.Module):
    """Experts of growing rank and patch size, of which every image passes through one.

    Args:
        dim: channels C of the block.
        mixture: what all mixtures of the network have in common.
    """

    def __init__(self, dim: int, mixture: Mixture) -> None:
        super().__init__()
        self.mix_experts_in_batch = mixture.mix_experts_in_batch
        last = mixture.num_experts - 1
        # The inner list is the authors' depth of an expert, which is 1 in all their models.
        self.experts = nn.ModuleList(
            nn.ModuleList([Expert(dim, rank=dim >> (last - i), patch=4 << i)])
            for i in range(mixture.num_experts)
        )
        self.proj_out = nn.Conv2d(dim, dim, 1, bias=False)
        counts = torch.tensor([sum(p.numel() for p in e.parameters()) for e in self.experts])
        self.routing = Router(dim, counts / counts.max(), mixture)

    def forward(self, x: Tensor, embedding: Tensor, shared: Tensor) -> tuple[Tensor, Routing]:
        """Transform (B, C, H, W) and say which experts did.

        Args:
            x: features that the experts transform and the router reads, (B, C, H, W).
            embedding: frequency embeddings (B, D).
            shared: features that gate the experts, (B, C, H, W).
        """
        routing: Routing = self.routing(x, embedding)
        choices: list[int] = routing.expert.tolist()
        mix = self.mix_experts_in_batch and not self.training
        chosen = (self._mix if mix else self._dispatch)(x, shared, choices)
        return self.proj_out(routing.gate[:, None, None, None] * chosen), routing

    def _run(self, index: int, x: Tensor, shared: Tensor) -> Tensor:
        return cast(Tensor, cast(nn.ModuleList, self.experts[index])[0](x, shared))

    def _dispatch(self, x: Tensor, shared: Tensor, choices: list[int]) -> Tensor:
        """Send image n to expert ``choices[n]``, all images of an expert at once."""
        groups = {i: [n for n, c in enumerate(choices) if c == i] for i in sorted(set(choices))}
        grouped = torch.cat([self._run(i, x[rows], shared[rows]) for i, rows in groups.items()])
        order = [n for rows in groups.values() for n in rows]
        return grouped[[order.index(n) for n in range(len(choices))]]

    def _mix(self, x: Tensor, shared: Tensor, choices: list[int]) -> Tensor:
        """Give every image the sum of the experts of all: the defect of the official code."""
        counts = Counter(choices)
        return torch.stack([n * self._run(i, x, shared) for i, n in counts.items()]).sum(dim=0)
