"""The degraded image itself: the floor of every table, and the fingerprint of every data set."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from restorebench.method import Card, Method


class Identity(Method):
    """Returns what it is given."""

    network_class = nn.Identity
    info: ClassVar[Card] = Card(
        title="Degraded input",
        paper="none: the degraded image scored against its target",
        status="baseline",
        needs_weights=False,
        returns_input=True,
        notes=("Its output equals its input by definition.",),
    )
