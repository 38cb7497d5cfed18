"""DaAIR: an expert for each degradation, tied to what all degradations share.

Efficient Degradation-aware Any Image Restoration, Zamfir et al.; arXiv 2405.15475. Figure 3a is
`DaAIR.forward`, section 3.2 is `DaAIR.update_controllers`. Neither code nor weights were released;
the docstring of `DaAIR` lists what we had to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench.method import Card, Method
from restorebench_methods.daair_blocks import (
    ControlledAttention,
    ControlledDaLe,
    DaLe,
    DaLeBlock,
    ExpertShape,
    Level,
    RefinementBlock,
)
from restorebench_methods.layers import MDTA, Downsample, PatchEmbed, Upsample, check_levels


class DaAIR(nn.Module):
    """Restormer's U-Net with a degradation-aware learner before every attention, reconstructed.

    The paper leaves the following open; each is our choice:

    * 24 channels, heads, r = 4, k = 9, feed-forward factor 2, as many blocks in the decoder as in
      the encoder, four refinement blocks without DaLe: they meet the 6 M parameters that the paper
      prints. The encoder's 3, 5, 5, 7 blocks are those of AnyIR, by the same group.
    * No convolution and no router has a bias; tensors start as PyTorch starts them.
    * The router sees the mean over all pixels; the choice is the argmax, in training too, never
      the label; no gate scales x_D, so routers learn from `routing_loss` alone.
    * GELU follows the 1x1 convolution that makes q and v in an expert.
    * No residual around DaLe; q, k, v of the cross-attention pass through 3x3 depth-wise
      convolutions as in self-attention; the controller has a projection of its own.
    * The controller of block j of decoder level l follows the agnostic expert of block j of
      encoder level l and starts as its copy; gradients pass through it to the features.
    * The moving average keeps 0.999 of the controller in each step; the routing loss weighs 0.01
      beside an L1 loss; degradations are numbered noise, rain, haze, blur, low light.

    Args:
        dim: width C of the first level; the levels are C, 2C, 4C, 8C wide.
        num_blocks: blocks of levels 1 to 4 of the encoder, the last being the bottleneck.
        num_dec_blocks: blocks of levels 1 to 3 of the decoder, equal to the encoder's, which is
            the default.
        num_refinement_blocks: plain blocks after the decoder, at full size and width C.
        heads: attention heads of levels 1 to 4.
        ffn_expansion_factor: hidden over outer width of the feed-forward networks.
        reduction: r, width of the features over width of the low-rank space of the experts.
        kernel_size: k, side of the experts' depth-wise convolution, odd.
        num_experts: N, specialised experts of each learner, one for each degradation.
        ema: share of a controller that `update_controllers` keeps, in [0, 1].

    Raises:
        ValueError: if the numbers do not go together.
    """

    def __init__(  # noqa: PLR0913 - every one is a value that the paper does not print
        self,
        dim: int = 24,
        num_blocks: Sequence[int] = (3, 5, 5, 7),
        num_dec_blocks: Sequence[int] | None = None,
        num_refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2,
        reduction: int = 4,
        kernel_size: int = 9,
        num_experts: int = 5,
        ema: float = 0.999,
    ) -> None:
        super().__init__()
        check_levels(num_blocks, heads, dim)
        _check_decoder(num_blocks, num_dec_blocks, num_refinement_blocks)
        if int(dim * ffn_expansion_factor) < 1:
            raise ValueError(f"ffn_expansion_factor {ffn_expansion_factor} leaves no channel")
        if not 0 <= ema <= 1:
            raise ValueError(f"ema must lie in [0, 1], got {ema}")
        self.ema, gamma = ema, ffn_expansion_factor
        shape = ExpertShape(count=num_experts, reduction=reduction, kernel_size=kernel_size)

        def level(i: int, learner: type[DaLe], attention: Callable[[int, int], nn.Module]) -> Level:
            width, head = dim << i, heads[i]
            return Level(
                DaLeBlock(width, gamma, learner(width, shape), attention(width, head))
                for _ in range(num_blocks[i])
            )

        widths = (dim, 2 * dim, 4 * dim)
        self.patch_embed = PatchEmbed(3, dim)
        self.encoder = nn.ModuleList(level(i, DaLe, MDTA) for i in range(3))
        self.down = nn.ModuleList(Downsample(width) for width in widths)
        self.latent = level(3, DaLe, MDTA)
        self.up = nn.ModuleList(Upsample(2 * width) for width in widths)
        self.fuse = nn.ModuleList(nn.Conv2d(2 * w, w, 1, bias=False) for w in widths)
        self.decoder = nn.ModuleList(
            level(i, ControlledDaLe, ControlledAttention) for i in range(3)
        )
        self.refinement = nn.Sequential(
            *(RefinementBlock(dim, heads[0], gamma) for _ in range(num_refinement_blocks))
        )
        self.output = nn.Conv2d(dim, 3, 3, padding=1, bias=False)
        self._move_controllers(keep=0)

    def forward(self, x: Tensor) -> Tensor:
        """Restore (B, 3, H, W), RGB in [0, 1], sides multiples of 8; the output is not clipped."""
        return self.forward_with_routing(x)[0]

    def forward_with_routing(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Restore images and say how they were routed.

        Args:
            x: as for `forward`.

        Returns:
            Restored images, and router logits (B, layers, N); the layers stand in the order in
            which they run: encoder levels 1 to 3, bottleneck, decoder levels 3 to 1.
        """
        shallow = f = self.patch_embed(x)
        skips, routing = [], []
        for level, down in zip(self.encoder, self.down, strict=True):
            f, logits = level(f)
            routing += logits
            skips.append(f)
            f = down(f)
        f, logits = self.latent(f)
        routing += logits
        stages = zip(self.up, self.fuse, self.decoder, skips, strict=True)
        for up, fuse, level, skip in reversed(list(stages)):
            f, logits = level(fuse(torch.cat([up(f), skip], 1)))
            routing += logits
        return self.output(self.refinement(f) + shallow), torch.stack(routing, dim=1)

    def update_controllers(self) -> None:
        """Let the controllers follow the encoder; call it after each step of the optimiser.

        ``theta_C = ema * theta_C + (1 - ema) * theta_A`` (section 3.2).
        """
        self._move_controllers(keep=self.ema)

    @torch.no_grad()
    def _move_controllers(self, *, keep: float) -> None:
        leaders = (m.agnostic for m in self.encoder.modules() if isinstance(m, DaLe))
        followers = (m.controller for m in self.decoder.modules() if isinstance(m, ControlledDaLe))
        for agnostic, controller in zip(leaders, followers, strict=True):
            pairs = zip(agnostic.parameters(), controller.parameters(), strict=True)
            for theta_a, theta_c in pairs:
                theta_c.mul_(keep).add_(theta_a, alpha=1 - keep)


def routing_loss(logits: Tensor, degradation: Tensor, *, weight: float = 0.01) -> Tensor:
    """Auxiliary loss that ties experts to degradations (section 3.1, Routing).

    Args:
        logits: router logits (B, layers, N) of `DaAIR.forward_with_routing`.
        degradation: index (B,) of each image's degradation, int64 in [0, N).
        weight: factor of this loss beside the L1 loss of the images.

    Returns:
        The weighted mean, over images and routers, of the cross-entropy; a scalar.
    """
    target = degradation[:, None].expand(-1, logits.shape[1])
    return weight * F.cross_entropy(logits.movedim(-1, 1), target)


def _check_decoder(num_blocks: Sequence[int], decoder: object, refinement: int) -> None:
    expected = list(num_blocks[:3])
    if decoder is not None and (
        not isinstance(decoder, (tuple, list)) or list(decoder) != expected
    ):
        raise ValueError(
            f"num_dec_blocks must be the encoder's {expected}, so that each controller has an "
            f"expert to follow, got {decoder!r}"
        )
    if refinement < 0:
        raise ValueError(f"num_refinement_blocks must not be negative, got {refinement}")


class DaAIRMethod(Method):
    """DaAIR as we rebuilt it from the paper."""

    network: DaAIR
    network_class = DaAIR
    info: ClassVar[Card] = Card(
        title="DaAIR",
        paper=(
            "Zamfir et al., Efficient Degradation-aware Any Image Restoration, 2024, "
            "arXiv 2405.15475"
        ),
        cite="zamfir2024daair",
        status="reconstruction",
        size_multiple=8,
        trained_on=("noise", "rain", "haze"),
        notes=(
            "reconstruction: no official code or weights exist",
            "The paper's five-degradation setting also has blur and low light.",
            "Widths, experts and training constants that the paper does not print are our choice, "
            "made to meet its 6 M parameters.",
        ),
    )

    def embedding(self, x: Tensor) -> dict[str, Tensor]:
        """Return how the learners route each image.

        Args:
            x: degraded images as for `restore`.

        Returns:
            ``routing``: softmax of the router logits (N, layers, experts), float32;
            ``expert``: the expert chosen in each layer (N, layers), int64.
        """
        with self.inference():
            _, logits = self.network.forward_with_routing(self.prepare(x))
        return {"routing": logits.float().softmax(dim=-1), "expert": logits.argmax(dim=-1)}
