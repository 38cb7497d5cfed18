"""Learning rates as a function of how far a training is."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from restorebench.spec import Spec

Positive = Annotated[float, Field(gt=0)]


class Cosine(Spec):
    """Linear warm-up from zero, a plateau, half a cosine: ``final + (lr - final)(1 + cos) / 2``.

    The scripts that warm up move the rate once an epoch, so that their first epoch has the rate 0
    and teaches nothing; here it moves with every step.

    Source:
        Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017,
        equation 5, without restarts.
    """

    kind: Literal["cosine"]
    lr: Positive
    """The highest rate, at the end of the warm-up."""
    warm_up: float = Field(ge=0)
    """Length of the warm-up, in the recipe's unit."""
    hold: float = Field(default=0, ge=0)
    """How long the highest rate stays before it falls. On the plateau a training can be given
    another length (``--steps``) as if it had had that from the start."""
    period: Positive
    """Where the cosine ends, in the recipe's unit; a training may end before."""
    final: float = Field(ge=0)
    """The rate there, and after."""

    def at(self, time: float) -> float:
        """Return the rate at ``time``, in the recipe's unit.

        >>> cosine = Cosine(kind="cosine", lr=2.0, warm_up=10, period=30, final=0.0)
        >>> [round(cosine.at(time), 6) for time in (0, 5, 10, 20, 30, 40)]
        [0.0, 1.0, 2.0, 1.0, 0.0, 0.0]
        """
        if time < self.warm_up:
            return self.lr * time / self.warm_up
        falls = self.warm_up + self.hold
        share = min(1.0, max(0.0, time - falls) / (self.period - falls))
        return self.final + (self.lr - self.final) * (1 + math.cos(math.pi * share)) / 2

    @model_validator(mode="after")
    def _the_cosine_begins_before_it_ends(self) -> Self:
        if self.warm_up + self.hold >= self.period:
            raise ValueError(
                f"warm_up {self.warm_up} and hold {self.hold} must end before "
                f"the period {self.period}"
            )
        return self


class Piecewise(Spec):
    """A rate that stays until the next one begins."""

    kind: Literal["piecewise"]
    points: tuple[tuple[float, Positive], ...] = Field(min_length=1)
    """From when, in the recipe's unit, and which rate; the first is from 0."""

    def at(self, time: float) -> float:
        """Return the rate at ``time``, in the recipe's unit.

        >>> halved = Piecewise(kind="piecewise", points=((0, 1.0), (10, 0.5)))
        >>> [halved.at(time) for time in (0, 9.9, 10, 99)]
        [1.0, 1.0, 0.5, 0.5]
        """
        return next(rate for begin, rate in reversed(self.points) if time >= begin)

    @model_validator(mode="after")
    def _points_are_in_order(self) -> Self:
        begins = [begin for begin, _ in self.points]
        if begins[0] != 0 or any(a >= b for a, b in pairwise(begins)):
            raise ValueError(f"points must begin at 0 and be in order, got {begins}")
        return self


Schedule = Annotated[Cosine | Piecewise, Field(discriminator="kind")]
