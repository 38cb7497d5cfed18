"""PromptIR: prompts that tell the decoder which degradation it sees.

PromptIR: Prompting for All-in-One Blind Image Restoration, Potlapalli, Zamir, Khan, Khan;
NeurIPS 2023, arXiv 2306.13090. Section 3.1 is `PromptBlock`, figure 2 is `PromptIR.forward`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench.method import Card, Method
from restorebench_methods.layers import (
    Downsample,
    PatchEmbed,
    TransformerBlock,
    Upsample,
    check_levels,
    transformer_level,
)


class PromptBlock(nn.Module):
    """Prompt generation module: a mixture of learned prompts, weighted by the features.

    Args:
        prompt_dim: channels D of a prompt.
        prompt_len: number N of prompt components.
        prompt_size: stored height and width S.
        lin_dim: channels L of the features that choose the weights.
    """

    def __init__(self, prompt_dim: int, prompt_len: int, prompt_size: int, lin_dim: int) -> None:
        super().__init__()
        shape = (1, prompt_len, prompt_dim, prompt_size, prompt_size)
        self.prompt_param = nn.Parameter(torch.rand(shape))
        self.linear_layer = nn.Linear(lin_dim, prompt_len)
        self.conv3x3 = nn.Conv2d(prompt_dim, prompt_dim, 3, padding=1, bias=False)

    def weights(self, f: Tensor) -> Tensor:
        """Return the softmax weights (B, N) that features (B, L, H, W) give to the components."""
        return cast(Tensor, self.linear_layer(f.mean(dim=(-2, -1))).softmax(dim=1))

    def forward(self, f: Tensor) -> Tensor:
        """Return the prompt (B, D, H, W) for features (B, L, H, W) (equation 2)."""
        prompt = torch.einsum("bn,ndhw->bdhw", self.weights(f), self.prompt_param[0])
        prompt = F.interpolate(prompt, f.shape[-2:], mode="bilinear")
        return cast(Tensor, self.conv3x3(prompt))


class PromptIR(nn.Module):
    """Restormer's U-Net, narrower at the bottom, with a prompt joined in before each decoder level.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        num_blocks: transformer blocks of levels 1 to 4; the decoder mirrors 1 to 3.
        num_refinement_blocks: blocks after the decoder, at full size and width 2C.
        heads: attention heads of levels 1 to 4; the blocks that take in a prompt have ``heads[2]``.
        ffn_expansion_factor: hidden over outer width of the feed-forward networks.
        prompt_len: number of components of each prompt.
        prompt_dims: channels of prompts 1 to 3; the paper's 64, 128, 320 for C = 48 are
            4C/3, 8C/3 and 20C/3, which is the default, rounded to a multiple of ``heads[2]``.
        prompt_sizes: stored side of prompts 1 to 3.

    Raises:
        ValueError: if the widths and heads do not go together.
    """

    def __init__(
        self,
        dim: int = 48,
        num_blocks: Sequence[int] = (4, 6, 6, 8),
        num_refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2.66,
        prompt_len: int = 5,
        prompt_dims: Sequence[int] | None = None,
        prompt_sizes: Sequence[int] = (64, 32, 16),
    ) -> None:
        super().__init__()
        check_levels(num_blocks, heads, dim)
        c, (n1, n2, n3, n4), (h1, h2, h3, h4) = dim, num_blocks, heads
        gamma = ffn_expansion_factor
        if prompt_dims is None:
            prompt_dims = [h3 * max(1, round(k * c / 3 / h3)) for k in (4, 8, 20)]
        p1, p2, p3 = prompt_dims
        if any((width + p) % h3 for width, p in ((2 * c, p1), (4 * c, p2), (8 * c, p3))):
            raise ValueError(f"features plus prompts must be a multiple of {h3} heads wide")

        self.patch_embed = PatchEmbed(3, c)
        s1, s2, s3 = prompt_sizes
        self.prompt1 = PromptBlock(p1, prompt_len, s1, 2 * c)
        self.prompt2 = PromptBlock(p2, prompt_len, s2, 4 * c)
        self.prompt3 = PromptBlock(p3, prompt_len, s3, 8 * c)
        # The six convolutions chnl_reduce* and reduce_noise_channel_* are never used. The
        # authors' checkpoints hold them, so strict loading needs them.
        self.chnl_reduce1 = nn.Conv2d(p1, p1, 1, bias=False)
        self.chnl_reduce2 = nn.Conv2d(p2, p2, 1, bias=False)
        self.chnl_reduce3 = nn.Conv2d(p3, 2 * p2, 1, bias=False)

        self.reduce_noise_channel_1 = nn.Conv2d(c + p1, c, 1, bias=False)
        self.encoder_level1 = transformer_level(c, h1, gamma, n1)
        self.down1_2 = Downsample(c)
        self.reduce_noise_channel_2 = nn.Conv2d(2 * c + p2, 2 * c, 1, bias=False)
        self.encoder_level2 = transformer_level(2 * c, h2, gamma, n2)
        self.down2_3 = Downsample(2 * c)
        self.reduce_noise_channel_3 = nn.Conv2d(4 * c + 2 * p2, 4 * c, 1, bias=False)
        self.encoder_level3 = transformer_level(4 * c, h3, gamma, n3)
        self.down3_4 = Downsample(4 * c)
        self.latent = transformer_level(8 * c, h4, gamma, n4)

        self.up4_3 = Upsample(4 * c)
        self.reduce_chan_level3 = nn.Conv2d(6 * c, 4 * c, 1, bias=False)
        self.noise_level3 = TransformerBlock(8 * c + p3, h3, gamma)
        self.reduce_noise_level3 = nn.Conv2d(8 * c + p3, 4 * c, 1, bias=False)
        self.decoder_level3 = transformer_level(4 * c, h3, gamma, n3)
        self.up3_2 = Upsample(4 * c)
        self.reduce_chan_level2 = nn.Conv2d(4 * c, 2 * c, 1, bias=False)
        self.noise_level2 = TransformerBlock(4 * c + p2, h3, gamma)
        self.reduce_noise_level2 = nn.Conv2d(4 * c + p2, 4 * c, 1, bias=False)
        self.decoder_level2 = transformer_level(2 * c, h2, gamma, n2)
        self.up2_1 = Upsample(2 * c)
        self.noise_level1 = TransformerBlock(2 * c + p1, h3, gamma)
        self.reduce_noise_level1 = nn.Conv2d(2 * c + p1, 2 * c, 1, bias=False)
        self.decoder_level1 = transformer_level(2 * c, h1, gamma, n1)
        self.refinement = transformer_level(2 * c, h1, gamma, num_refinement_blocks)
        self.output = nn.Conv2d(2 * c, 3, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Restore (B, 3, H, W), RGB in [0, 1], sides multiples of 8; the output is not clipped."""
        return self._decode(x, *self._encode(x))[0]

    def prompt_weights(self, x: Tensor) -> dict[str, Tensor]:
        """Return the weights (B, N) that each prompt's components get for images (B, 3, H, W)."""
        _, z, d3, d2 = self._decode(x, *self._encode(x))
        return {
            "prompt_weights/prompt3": self.prompt3.weights(z),
            "prompt_weights/prompt2": self.prompt2.weights(d3),
            "prompt_weights/prompt1": self.prompt1.weights(d2),
        }

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        e1 = self.encoder_level1(self.patch_embed(x))  # C, H
        e2 = self.encoder_level2(self.down1_2(e1))  # 2C, H/2
        e3 = self.encoder_level3(self.down2_3(e2))  # 4C, H/4
        return e1, e2, e3, self.latent(self.down3_4(e3))  # 8C, H/8

    def _decode(
        self, x: Tensor, e1: Tensor, e2: Tensor, e3: Tensor, z: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        z3 = self.noise_level3(torch.cat([z, self.prompt3(z)], 1))
        up = self.up4_3(self.reduce_noise_level3(z3))
        d3 = self.decoder_level3(self.reduce_chan_level3(torch.cat([up, e3], 1)))

        z2 = self.noise_level2(torch.cat([d3, self.prompt2(d3)], 1))
        up = self.up3_2(self.reduce_noise_level2(z2))
        d2 = self.decoder_level2(self.reduce_chan_level2(torch.cat([up, e2], 1)))

        z1 = self.noise_level1(torch.cat([d2, self.prompt1(d2)], 1))
        up = self.up2_1(self.reduce_noise_level1(z1))
        d1 = self.decoder_level1(torch.cat([up, e1], 1))
        return self.output(self.refinement(d1)) + x, z, d3, d2


class PromptIRMethod(Method):
    """PromptIR with prompts, as its authors test it."""

    network: PromptIR
    network_class = PromptIR
    info: ClassVar[Card] = Card(
        title="PromptIR",
        paper=(
            "Potlapalli et al., PromptIR: Prompting for All-in-One Blind Image Restoration, "
            "NeurIPS 2023, arXiv 2306.13090"
        ),
        cite="potlapalli2023promptir",
        status="parity-proven",
        code="github.com/va1shn9v/PromptIR at 106159ab8091",
        code_licence="Academic Public License, non-commercial (this implementation is our own)",
        weights_licence="Academic Public License, non-commercial",
        checkpoint="model.ckpt of the authors' release v1.0 (Lightning, prefix 'net.')",
        trained_on=("noise", "rain", "haze"),
        size_multiple=8,
    )

    def embedding(self, x: Tensor) -> dict[str, Tensor]:
        """Return the prompt weights of the three decoder levels, each (N, components)."""
        with self.inference():
            return self.network.prompt_weights(self.prepare(x))
