"""`Interval`: a parameter that is one number, or a pair from which every image draws its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from restorebench.degradation import Degradation, Rng

Interval = float | tuple[float, float]
"""A number, or (low, high): then each image's value is uniform between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranged(Degradation):
    """A degradation whose parameters, its fields, are intervals."""

    def numbers(self, rng: Rng) -> tuple[float, ...]:
        """Return a number for each parameter, in the order of the fields.

        `apply` draws them before all else, so a generator in the same state tells what was drawn.
        """
        return tuple(draw(getattr(self, field.name), rng) for field in fields(self))


def check_interval(name: str, value: Interval, *, low: float = 0.0, high: float = math.inf) -> None:
    """Refuse an interval that is out of order or leaves ``low`` to ``high``.

    Raises:
        ValueError: which names the parameter and its bounds.
    """
    first, last = _ends(value)
    if not low <= first <= last <= high or math.isinf(last):
        bounds = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise ValueError(
            f"{name} must be a finite number or a pair (low, high), {bounds}, got {value!r}"
        )


def draw(value: Interval, rng: Rng) -> float:
    """Return the number itself, or one drawn from the pair.

    Both take one value of the generator, so (a, a) is the same as a.
    """
    first, last = _ends(value)
    return first + (last - first) * float(rng.uniform(0.0, 1.0, (1,))[0])


def _ends(value: Interval) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)
