"""MoCE-IR: each image passes through the experts whose complexity suits its degradation.

Complexity Experts are Task-Discriminative Learners for Any Image Restoration, Zamfir, Wu, Mehta,
Tan, Paudel, Zhang, Timofte; CVPR 2025, arXiv 2411.18466. The blocks and the experts inside them are
in `moce_blocks` and `moce_experts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from restorebench.method import Card, Method
from restorebench_methods.layers import Downsample, PatchEmbed, Upsample, check_levels
from restorebench_methods.moce_blocks import DecoderStage, EncoderStage, FrequencyEmbedding
from restorebench_methods.moce_experts import Mixture, Routing, balance_loss


class MoCEIR(nn.Module):
    """A U-Net of transformer blocks whose decoder routes each image to one expert in each block.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        num_blocks: encoder blocks of levels 1 to 4.
        num_dec_blocks: decoder blocks of levels 1 to 3.
        num_refinement_blocks: encoder blocks after the decoder, at full size and width C.
        heads: attention heads of levels 1 to 4.
        ffn_expansion_factor: hidden over outer width of the feed-forward networks.
        num_experts: experts E of a decoder block; their width halves from the last to the first.
        eval_noise: add the noise of training, N(0, 1/E), to the router's logits in evaluation
            too, as the official code does. Restoring is then random.
        mix_experts_in_batch: give every image of a batch the sum of the experts that any of them
            chose, as the official code does in evaluation.

    Raises:
        ValueError: if the numbers do not go together.
    """

    def __init__(
        self,
        dim: int = 48,
        num_blocks: Sequence[int] = (4, 6, 6, 8),
        num_dec_blocks: Sequence[int] = (2, 4, 4),
        num_refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2.0,
        num_experts: int = 4,
        eval_noise: bool = False,
        mix_experts_in_batch: bool = False,
    ) -> None:
        super().__init__()
        check_levels(num_blocks, heads, dim)
        _check_decoder(num_dec_blocks, num_refinement_blocks, num_experts, dim)
        gamma = ffn_expansion_factor
        if int(dim * gamma) < 1:
            raise ValueError(f"ffn_expansion_factor {gamma} leaves no channel of {dim}")
        mixture = Mixture(
            num_experts=num_experts,
            embedding_dim=8 * dim,
            eval_noise=eval_noise,
            mix_experts_in_batch=mix_experts_in_batch,
        )
        widths = (dim, 2 * dim, 4 * dim)
        encoders = list(zip(widths, heads[:3], num_blocks[:3], strict=True))
        decoders = list(zip(widths, heads[:3], num_dec_blocks, strict=True))
        self.patch_embed = PatchEmbed(3, dim)
        self.freq_embed = FrequencyEmbedding(8 * dim)
        self.enc = nn.ModuleList(
            nn.ModuleList([EncoderStage(c, h, gamma, n), Downsample(c)]) for c, h, n in encoders
        )
        self.latent = EncoderStage(8 * dim, heads[3], gamma, num_blocks[3])
        self.dec = nn.ModuleList(
            nn.ModuleList(
                [
                    Upsample(2 * c),
                    nn.Conv2d(2 * c, c, 1, bias=False),
                    DecoderStage(c, h, gamma, n, mixture),
                ]
            )
            for c, h, n in reversed(decoders)
        )
        self.refinement = EncoderStage(dim, heads[0], gamma, num_refinement_blocks)
        self.output = nn.Conv2d(dim, 3, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Restore (B, 3, H, W), RGB in [0, 1], sides multiples of 8; the output is not clipped."""
        return self._run(x)[0]

    def forward_with_balance(
        self, x: Tensor, *, by_complexity: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Restore as `forward` and return the balance loss, which alone trains the routers.

        The gate value that multiplies an expert's output cancels in the normalised queries, so
        the restored image depends on the routers by their choice only and gives no gradient.

        Args:
            x: degraded images (B, 3, H, W).
            by_complexity: let balance favour small experts; off in the authors' commands.

        Returns:
            The restored images and the mean of `balance_loss` over the decoder blocks, which the
            authors add to the L1 loss with the weight 0.01.
        """
        restored, _, routings = self._run(x)
        losses = [balance_loss(r, by_complexity=by_complexity) for r in routings]
        return restored, torch.stack(losses).mean()

    def routing(self, x: Tensor) -> dict[str, Tensor]:
        """Return what routes images (B, 3, H, W) through the N decoder blocks, deepest first.

        Returns:
            ``freq_embedding`` (B, 8C), ``logits`` without noise (B, N, E), the chosen ``expert``
            (B, N) and its probability ``gate`` (B, N).
        """
        _, embedding, routings = self._run(x)
        return {
            "freq_embedding": embedding,
            "logits": torch.stack([r.logits for r in routings], dim=1),
            "expert": torch.stack([r.expert for r in routings], dim=1),
            "gate": torch.stack([r.gate for r in routings], dim=1),
        }

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor, list[Routing]]:
        skips: list[Tensor] = []
        features = self.patch_embed(x)
        for stage, down in cast("list[tuple[EncoderStage, Downsample]]", self.enc):
            skips.append(stage(features))
            features = down(skips[-1])
        features = self.latent(features)
        embedding = self.freq_embed(features)
        routings: list[Routing] = []
        for up, fuse, decoder in cast("list[tuple[Upsample, nn.Conv2d, DecoderStage]]", self.dec):
            features = fuse(torch.cat([up(features), skips.pop()], dim=1))
            features, chosen = decoder(features, embedding)
            routings += chosen
        return self.output(self.refinement(features)) + x, embedding, routings


def _check_decoder(num_dec_blocks: object, refinement: int, num_experts: int, dim: int) -> None:
    if not isinstance(num_dec_blocks, (tuple, list)) or len(num_dec_blocks) != 3:
        raise ValueError(f"num_dec_blocks needs three numbers, got {num_dec_blocks!r}")
    if not all(isinstance(n, int) and n >= 1 for n in num_dec_blocks):
        raise ValueError(f"num_dec_blocks needs whole numbers of at least 1, got {num_dec_blocks}")
    if refinement < 0:
        raise ValueError(f"num_refinement_blocks must be at least 0, got {refinement}")
    if num_experts < 2 or dim >> (num_experts - 1) < 1:
        raise ValueError(
            f"num_experts must be at least 2, and dim {dim} at least 2^(num_experts - 1), "
            f"got {num_experts}"
        )


class MoCEIRMethod(Method):
    """MoCE-IR, with each image of a batch restored as if it were alone and without noise."""

    network: MoCEIR
    network_class: ClassVar[Callable[..., MoCEIR]] = MoCEIR
    info: ClassVar[Card] = Card(
        title="MoCE-IR",
        paper=(
            "Zamfir et al., Complexity Experts are Task-Discriminative Learners for Any Image "
            "Restoration, CVPR 2025, arXiv 2411.18466"
        ),
        cite="zamfir2025moce",
        status="parity-proven",
        code="github.com/eduardzamfir/MoCE-IR at a1a6e7480bf0",
        code_licence="Apache-2.0 (this implementation is our own)",
        weights_licence="Apache-2.0, as the repository; the checkpoints state none of their own",
        checkpoint=(
            "checkpoints/MoCE_IR_AIO3, MoCE_IR_AIO5 or MoCE_IR_CDD11, each last.ckpt, of the "
            "authors' release (Lightning, prefix 'net.')"
        ),
        trained_on=("noise", "rain", "haze", "blur", "low light", "snow"),
        size_multiple=8,
        notes=(
            "AIO3 was trained on noise, rain and haze; AIO5 also on blur and low light; CDD11 on "
            "eleven mixtures of low light, haze, rain and snow.",
            "The official evaluation adds N(0, 1/4) noise to the routers' logits, so that its "
            "results are random; it is off here, eval_noise=True brings it back.",
            "The official evaluation gives each image of a batch the experts of all its images, "
            "which is right for a batch of one only; here each has its own, "
            "mix_experts_in_batch=True brings it back.",
            "The cost depends on the experts that the image is sent to.",
            "The experts' Fourier transforms are computed in float32 at every precision.",
        ),
    )

    def embedding(self, x: Tensor) -> dict[str, Tensor]:
        """Return the frequency embedding and the routers' logits, choices and gate values."""
        with self.inference():
            return self.network.routing(self.prepare(x))


class MoCEIRSMethod(MoCEIRMethod):
    """MoCE-IR-S: the same network, 32 channels wide."""

    network_class = staticmethod(partial(MoCEIR, dim=32))
    info: ClassVar[Card] = replace(
        MoCEIRMethod.info,
        title="MoCE-IR-S",
        checkpoint=MoCEIRMethod.info.checkpoint.replace("MoCE_IR_", "MoCE_IR_S_"),
    )
