"""AirNet's degradation encoder, trained by momentum contrast.

AirNet: All-In-One Image Restoration for Unknown Corruption, Li, Liu, Hu, Wu, Lv, Peng; CVPR 2022.
The contrast is that of Momentum Contrast for Unsupervised Visual Representation Learning (He, Fan,
Wu, Xie, Girshick; CVPR 2020, arXiv 1911.05722), section 3.2 and algorithm 1.

Attribute names are those of the released checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1


def leaky_relu() -> nn.LeakyReLU:
    """Return AirNet's activation, which overwrites its input."""
    return nn.LeakyReLU(SLOPE, inplace=True)


class ResBlock(nn.Module):
    """``act(two 3x3 convolutions + a 1x1 convolution)``, each with batch norm."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            leaky_relu(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride), rounded up."""
        return F.leaky_relu(self.backbone(x) + self.shortcut(x), SLOPE, inplace=True)


class Representation(NamedTuple):
    """What an encoder finds out about the degradation of B images."""

    embedding: Tensor
    """(B, D)."""
    projected: Tensor
    """(B, D), what is contrasted; not normalised."""
    inter: Tensor
    """(B, C, H, W), what conditions the restoration."""


class Encoder(nn.Module):
    """Three residual blocks; the first keeps the size, the others halve it.

    Args:
        n_feats: channels C of the map.
        encoder_dim: length D of the embedding.
    """

    def __init__(self, n_feats: int, encoder_dim: int) -> None:
        super().__init__()
        self.E_pre = ResBlock(3, n_feats, stride=1)
        self.E = nn.Sequential(
            ResBlock(n_feats, encoder_dim // 2, stride=2),
            ResBlock(encoder_dim // 2, encoder_dim, stride=2),
            nn.AdaptiveAvgPool2d(1),
        )
        self.mlp = nn.Sequential(
            nn.Linear(encoder_dim, encoder_dim), leaky_relu(), nn.Linear(encoder_dim, encoder_dim)
        )

    def forward(self, x: Tensor) -> Representation:
        """Describe images (B, 3, H, W)."""
        inter = self.E_pre(x)
        embedding = self.E(inter).flatten(1)
        return Representation(embedding, self.mlp(embedding), inter)


class MomentumContrast(nn.Module):
    """Two encoders and a queue of what the second said of earlier images.

    Only the query encoder is trained by gradients; the key encoder follows it slowly. A checkpoint
    may hold a queue of any length, which then replaces this one.

    Args:
        n_feats: channels C of the map.
        encoder_dim: length D of the embedding.
        queue_length: number K of keys.
        momentum: share of its parameters that the key encoder keeps in each step.
        temperature: what similarities are divided by.
    """

    queue: Tensor
    queue_ptr: Tensor

    def __init__(
        self,
        n_feats: int,
        encoder_dim: int,
        *,
        queue_length: int,
        momentum: float,
        temperature: float,
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.temperature = temperature
        self.encoder_q = Encoder(n_feats, encoder_dim)
        self.encoder_k = deepcopy(self.encoder_q).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(encoder_dim, queue_length), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))
        self.register_load_state_dict_pre_hook(_fit_queue)  # type: ignore[no-untyped-call]

    def forward(self, x_query: Tensor, x_key: Tensor) -> tuple[Representation, Tensor, Tensor]:
        """Compare two views of images, then update the key encoder's statistics and the queue.

        Args:
            x_query: images (B, 3, H, W).
            x_key: other patches of the same images, with the same degradation.

        Returns:
            What the query encoder says, logits (B, 1 + K) whose first column is the right one,
            and the labels (B,), which say so.
        """
        query: Representation = self.encoder_q(x_query)
        q = F.normalize(query.projected, dim=1)
        with torch.no_grad():
            self._follow()
            k = F.normalize(self.encoder_k(x_key).projected, dim=1)
        # A copy, since the gradient needs the queue as it is now.
        similarities = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone()], 1)
        self._enqueue(k)
        labels = torch.zeros(len(q), dtype=torch.long, device=q.device)
        return query, similarities / self.temperature, labels

    def _follow(self) -> None:
        # Batch norm statistics are buffers: the key encoder keeps its own.
        pairs = zip(self.encoder_q.parameters(), self.encoder_k.parameters(), strict=True)
        for query, key in pairs:
            key.mul_(self.momentum).add_(query, alpha=1 - self.momentum)

    def _enqueue(self, keys: Tensor) -> None:
        length = self.queue.shape[1]
        oldest = (self.queue_ptr + torch.arange(len(keys), device=keys.device)) % length
        self.queue[:, oldest] = keys.T.to(self.queue.dtype)
        self.queue_ptr.copy_((self.queue_ptr + len(keys)) % length)


def _fit_queue(
    module: MomentumContrast, state_dict: Mapping[str, Any], prefix: str, *_: object
) -> None:
    """Give the queue the length that it has in a checkpoint; any other misfit stays an error."""
    stored = state_dict.get(f"{prefix}queue")
    if isinstance(stored, Tensor) and stored.shape[:-1] == module.queue.shape[:-1]:
        module.queue = module.queue.new_empty(stored.shape)


class CBDE(nn.Module):
    """The contrastive-based degradation encoder, under the key ``E.E`` of the checkpoints."""

    def __init__(self, contrast: MomentumContrast) -> None:
        super().__init__()
        self.E = contrast
