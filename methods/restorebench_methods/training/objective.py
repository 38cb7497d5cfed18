"""What a network is trained to make small: one objective for each way the papers train.

An objective is a value of a recipe. It computes a loss from a batch, and may change the network
after a step of the optimiser.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, NamedTuple, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from restorebench.errors import UsageError
from restorebench.spec import Spec
from restorebench_methods.airnet import AirNet
from restorebench_methods.daair import DaAIR, routing_loss
from restorebench_methods.daair_blocks import DaLe
from restorebench_methods.moce_ir import MoCEIR
from restorebench_methods.ndr_restore import NDRN

Weight = Annotated[float, Field(ge=0)]


class Batch(NamedTuple):
    """Crops as the network takes them: in its colour order and on its device."""

    degraded: Tensor
    """(B, 3, H, W)."""
    clean: Tensor
    """(B, 3, H, W)."""
    other: Tensor
    """Degraded crops from elsewhere in the same degraded images; equal to ``degraded`` for an
    objective that asks for one view."""
    kind: Tensor
    """Index of each image's kind of degradation, (B,), int64."""


class _Objective(Spec):
    views: ClassVar[int] = 1
    """Crops that are needed of each degraded image."""
    trains: ClassVar[type[nn.Module]] = nn.Module
    """The networks that it is for."""

    def check(self, network: nn.Module, kinds: int) -> None:
        """Refuse a network that this objective cannot train on so many kinds of degradation.

        Raises:
            UsageError: which says what it is for.
        """
        if not isinstance(network, self.trains):
            raise UsageError(
                f"objective {type(self).__name__} is for {self.trains.__name__}, "
                f"not for {type(network).__name__}"
            )

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch, time: float) -> Tensor:
        """Return the loss of one batch, a scalar.

        Args:
            network: in training mode.
            batch: what it is shown.
            time: how far the training is, in the recipe's unit.
        """

    def phase(self, time: float) -> int:
        """Return a number that changes when the loss is computed in another way from then on."""
        return 0

    def after_step(self, network: nn.Module) -> None:
        """Change what follows the trained parameters by a rule of its own; most have nothing."""


class L1(_Objective):
    """Mean absolute error of the restored images."""

    kind: Literal["l1"]

    def loss(self, network: nn.Module, batch: Batch, time: float) -> Tensor:
        """Return the mean absolute error."""
        return F.l1_loss(network(batch.degraded), batch.clean)


class L1Fourier(_Objective):
    """L1 of the images, and of the real and imaginary parts of their Fourier transforms.

    Source:
        The authors' training code of AnyIR (2025): ``rfft2`` without normalisation, both parts
        stacked.
    """

    kind: Literal["l1_fourier"]
    weight: Weight
    """Of the Fourier term."""

    def loss(self, network: nn.Module, batch: Batch, time: float) -> Tensor:
        """Return the weighted sum of both errors."""
        restored = network(batch.degraded)
        # Half precision has no Fourier transform on most devices.
        ours, theirs = (torch.fft.rfft2(image.float()) for image in (restored, batch.clean))
        fourier = F.l1_loss(torch.view_as_real(ours), torch.view_as_real(theirs))
        return F.l1_loss(restored, batch.clean) + self.weight * fourier


class Bidirectional(_Objective):
    """Restore the degraded image, and degrade the clean one by what was found in the other.

    Source:
        NDR-Restore, section III-D, equation 8; L1 as in the released options, where the paper
        prints the 2-norm.
    """

    kind: Literal["bidirectional"]
    weight: Weight
    """Of the restoration beside the degradation, lambda in equation 8."""
    trains: ClassVar[type[nn.Module]] = NDRN

    def loss(self, network: nn.Module, batch: Batch, time: float) -> Tensor:
        """Return the sum of both errors."""
        ndr = cast(NDRN, network)
        restored, maps = ndr.restore(batch.degraded)
        degraded = ndr.degrade(batch.clean, maps)
        return F.l1_loss(degraded, batch.degraded) + self.weight * F.l1_loss(restored, batch.clean)


class Contrastive(_Objective):
    """First teach the encoder to tell degradations apart, then restore and go on telling.

    Source:
        AirNet, section 3.2 (contrast) and the authors' training code (phases and weight).
    """

    kind: Literal["contrastive"]
    warm_up: float = Field(ge=0)
    """How long the encoder is trained alone, in the recipe's unit."""
    weight: Weight
    """Of the contrast beside the L1 loss, after the warm-up."""
    views: ClassVar[int] = 2
    trains: ClassVar[type[nn.Module]] = AirNet

    def phase(self, time: float) -> int:
        """Return 0 in the warm-up and 1 after it."""
        return int(time >= self.warm_up)

    def loss(self, network: nn.Module, batch: Batch, time: float) -> Tensor:
        """Return the cross-entropy of the contrast; after the warm-up with the error added."""
        airnet = cast(AirNet, network)
        if self.phase(time) == 0:
            _, logits, labels = airnet.E.E(batch.degraded, batch.other)
            return F.cross_entropy(logits, labels)
        restored, logits, labels = airnet(batch.degraded, batch.other)
        contrast = F.cross_entropy(logits, labels)
        return F.l1_loss(restored, batch.clean) + self.weight * contrast


class Routed(_Objective):
    """L1, and the cross-entropy that ties experts to degradations; controllers follow.

    Source:
        DaAIR, sections 3.1 (routing) and 3.2 (controllers); the weight is our choice.
    """

    kind: Literal["routed"]
    weight: Weight
    trains: ClassVar[type[nn.Module]] = DaAIR

    def check(self, network: nn.Module, kinds: int) -> None:
        """Refuse a network with fewer experts than kinds of degradation."""
        super().check(network, kinds)
        experts = min(len(m.experts) for m in network.modules() if isinstance(m, DaLe))
        if experts < kinds:
            raise UsageError(
                f"{kinds} kinds of degradation need as many experts, num_experts is {experts}"
            )

    def loss(self, network: nn.Module, batch: Batch, time: float) -> Tensor:
        """Return the error and the weighted cross-entropy."""
        restored, logits = cast(DaAIR, network).forward_with_routing(batch.degraded)
        routing = routing_loss(logits, batch.kind, weight=self.weight)
        return F.l1_loss(restored, batch.clean) + routing

    def after_step(self, network: nn.Module) -> None:
        """Move the controllers towards the encoder's agnostic experts."""
        cast(DaAIR, network).update_controllers()


class Balanced(_Objective):
    """L1, and the balance of the experts, which alone trains the routers.

    Source:
        The authors' training code of MoCE-IR.
    """

    kind: Literal["balanced"]
    weight: Weight
    trains: ClassVar[type[nn.Module]] = MoCEIR

    def loss(self, network: nn.Module, batch: Batch, time: float) -> Tensor:
        """Return the error and the weighted balance loss."""
        restored, balance = cast(MoCEIR, network).forward_with_balance(batch.degraded)
        return F.l1_loss(restored, batch.clean) + self.weight * balance


Objective = Annotated[
    L1 | L1Fourier | Bidirectional | Contrastive | Routed | Balanced, Field(discriminator="kind")
]
