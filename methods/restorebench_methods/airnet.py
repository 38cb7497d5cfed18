"""AirNet: an encoder describes the degradation, and a second network removes it.

All-In-One Image Restoration for Unknown Corruption, Li, Liu, Hu, Wu, Lv, Peng; CVPR 2022. Its two
parts are the contrastive-based degradation encoder (`CBDE`) and the degradation-guided restoration
network (`DGRN`), whose groups, blocks and modules are `DGG`, `DGB` and `DGM`.

Attribute names are those of the released checkpoints.
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from restorebench.inference import is_reference
from restorebench.method import Card, Method
from restorebench_methods.airnet_encoder import CBDE, Encoder, MomentumContrast, leaky_relu
from restorebench_methods.deformable import GuidedDeformConv2d

KEYS_PER_IMAGE = 256


def _conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class SFT(nn.Module):
    """Spatial feature transform: ``x * gamma + beta``, both a function of the degradation map."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.conv_gamma = _pointwise(n_feats)
        self.conv_beta = _pointwise(n_feats)

    def forward(self, x: Tensor, inter: Tensor) -> Tensor:
        """Modulate (B, C, H, W) by a map of the same shape."""
        return torch.addcmul(self.conv_beta(inter), x, self.conv_gamma(inter))


def _pointwise(n_feats: int) -> nn.Sequential:
    first, second = (nn.Conv2d(n_feats, n_feats, 1, bias=False) for _ in range(2))
    return nn.Sequential(first, leaky_relu(), second)


class DGM(nn.Module):
    """Degradation guided module: ``x + dcn(x, inter) + sft(x, inter)``."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.dcn = GuidedDeformConv2d(n_feats, n_feats)
        self.sft = SFT(n_feats)

    def forward(self, x: Tensor, inter: Tensor) -> Tensor:
        """Map (B, C, H, W), given the degradation map, to the same shape."""
        return cast(Tensor, x + self.dcn(x, inter) + self.sft(x, inter))


class DGB(nn.Module):
    """Degradation guided block: two modules and two convolutions around a skip connection."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.dgm1 = DGM(n_feats)
        self.dgm2 = DGM(n_feats)
        self.conv1 = _conv3x3(n_feats, n_feats)
        self.conv2 = _conv3x3(n_feats, n_feats)
        self.act = leaky_relu()

    def forward(self, x: Tensor, inter: Tensor) -> Tensor:
        """Map (B, C, H, W), given the degradation map, to the same shape."""
        u = self.act(self.conv1(self.act(self.dgm1(x, inter))))
        return cast(Tensor, x + self.conv2(self.act(self.dgm2(u, inter))))


class DGG(nn.Module):
    """Degradation guided group: blocks and a convolution around a skip connection."""

    def __init__(self, n_feats: int, n_blocks: int) -> None:
        super().__init__()
        blocks = (DGB(n_feats) for _ in range(n_blocks))
        self.body = nn.ModuleList([*blocks, _conv3x3(n_feats, n_feats)])

    def forward(self, x: Tensor, inter: Tensor) -> Tensor:
        """Map (B, C, H, W), given the degradation map, to the same shape."""
        return _guide(self.body, x, inter)


class DGRN(nn.Module):
    """Degradation guided restoration network: groups between two convolutions."""

    def __init__(self, n_feats: int, n_groups: int, n_blocks: int) -> None:
        super().__init__()
        self.head = nn.Sequential(_conv3x3(3, n_feats))
        groups = (DGG(n_feats, n_blocks) for _ in range(n_groups))
        self.body = nn.ModuleList([*groups, _conv3x3(n_feats, n_feats)])
        self.tail = nn.Sequential(_conv3x3(n_feats, 3))

    def forward(self, x: Tensor, inter: Tensor) -> Tensor:
        """Restore (B, 3, H, W), given the degradation map (B, C, H, W)."""
        return cast(Tensor, self.tail(_guide(self.body, self.head(x), inter)))


def _guide(body: nn.ModuleList, x: Tensor, inter: Tensor) -> Tensor:
    """Run all but the last of ``body`` with the map, the last without, and add the input."""
    *guided, last = body
    r = x
    for module in guided:
        r = module(r, inter)
    return cast(Tensor, last(r) + x)


def _degradation_map(encoder: Encoder, x: Tensor) -> Tensor:
    """Return the encoder's map of (B, 3, H, W), which is all that restoring needs of it.

    The authors' code computes the embedding as well, 1.8 % of the published network's cost.
    """
    return encoder(x).inter if is_reference() else cast(Tensor, encoder.E_pre(x))


class AirNet(nn.Module):
    """A degradation encoder and a restoration network that its first block conditions.

    Args:
        n_feats: channels of the restoration network and of the degradation map.
        n_groups: groups of the restoration network.
        n_blocks: blocks of each group.
        encoder_dim: length of the degradation embedding.
        batch_size: images in a training batch, one of each degradation; the queue holds 256 keys
            for each. A checkpoint made with another number loads all the same.
        momentum: share of its parameters that the key encoder keeps in each training step.
        temperature: of the contrastive logits.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        n_feats: int = 64,
        n_groups: int = 5,
        n_blocks: int = 5,
        encoder_dim: int = 256,
        batch_size: int = 5,
        momentum: float = 0.999,
        temperature: float = 0.07,
    ) -> None:
        super().__init__()
        counts: dict[str, object] = {
            "n_feats": n_feats,
            "n_groups": n_groups,
            "n_blocks": n_blocks,
            "encoder_dim": encoder_dim,
            "batch_size": batch_size,
        }
        for name, count in counts.items():
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {count!r}")
        if encoder_dim % 2:
            raise ValueError(f"encoder_dim must be an even number, got {encoder_dim}")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must lie between 0 and 1, got {momentum}")
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        self.R = DGRN(n_feats, n_groups, n_blocks)
        self.E = CBDE(
            MomentumContrast(
                n_feats,
                encoder_dim,
                queue_length=KEYS_PER_IMAGE * batch_size,
                momentum=momentum,
                temperature=temperature,
            )
        )

    def forward(
        self, x_query: Tensor, x_key: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Restore images; in training mode also contrast them with ``x_key``.

        Args:
            x_query: (B, 3, H, W), RGB in [0, 1], of any size.
            x_key: other patches of the same images with the same degradation; unused, and not
                needed, in evaluation mode.

        Returns:
            The restored images, neither clipped nor a residual; in training mode also the
            contrastive logits (B, 1 + K) and labels (B,) for a cross-entropy loss.

        Raises:
            ValueError: if ``x_key`` is missing in training mode.
        """
        contrast = self.E.E
        if not self.training:
            return cast(Tensor, self.R(x_query, _degradation_map(contrast.encoder_q, x_query)))
        if x_key is None:
            raise ValueError("AirNet in training mode needs x_key, a second view of the images")
        query, logits, labels = contrast(x_query, x_key)
        return self.R(x_query, query.inter), logits, labels


class AirNetMethod(Method):
    """AirNet as its authors test it: the image is both query and key."""

    network: AirNet
    network_class = AirNet
    info: ClassVar[Card] = Card(
        title="AirNet",
        paper="Li et al., All-In-One Image Restoration for Unknown Corruption, CVPR 2022",
        cite="li2022airnet",
        status="parity-proven",
        code="github.com/XLearning-SCU/2022-CVPR-AirNet at bedea82f7f7a",
        code_licence="none stated by the authors (this implementation is our own)",
        weights_licence="none stated by the authors",
        checkpoint="ckpt/All.pth in the authors' repository",
        trained_on=("noise", "rain", "haze"),
        notes=(
            "The published 8.93 M parameters count both encoders; 7.61 M are trained, and the key "
            "encoder (1.32 M) plays no part in restoring.",
            "The published 238 G MACs (224 x 224) count both encoders and leave out the 50 "
            "deformable convolutions; restoring costs 323 G with one encoder and with these.",
            "The authors' Denoise.pth, Derain.pth and Dehaze.pth hold shorter queues of keys; "
            "they load without a batch_size.",
        ),
    )

    def embedding(self, x: Tensor) -> dict[str, Tensor]:
        """Return what both encoders say of the degradation, (N, 256), and its mean map, (N, 64).

        Args:
            x: degraded images as for `restore`.
        """
        contrast = self.network.E.E
        with self.inference():
            padded = self.prepare(x)
            query, key = contrast.encoder_q(padded), contrast.encoder_k(padded)
            named = {
                "embedding": query.embedding,
                "embedding_projected": query.projected,
                "embedding_key": key.embedding,
                "inter_mean": query.inter.mean(dim=(-2, -1)),
            }
            return {name: array.float() for name, array in named.items()}
