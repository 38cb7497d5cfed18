"""`Executor`: who hands bundles to workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from restorebench.errors import UsageError
from restorebench.scale.order import Order


class Executor(Protocol):
    """Hands bundles to workers; queues, retries and places nothing by itself.

    Made from an order's folder, by the command that begins a run and again by each that looks after
    it later. What a worker is asked to do is `work.perform`.
    """

    overhead: ClassVar[float]
    """Seconds that a bundle costs beside its images, roughly; bundles are much longer."""
    pause: ClassVar[float]
    """Seconds between two polls."""
    outlives: ClassVar[bool]
    """Whether its workers go on when the command that began them has ended."""
    here: ClassVar[bool]
    """Whether the worker is this process, so that its device must be here."""
    secludes: ClassVar[bool]
    """Whether it gives a bundle that times methods a device that nothing else uses."""

    def __init__(self, folder: Path, order: Order) -> None: ...

    def submit(self, bundles: Sequence[Path]) -> None:
        """Hand over the files of bundles, those that should begin first in front."""

    def poll(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return which of these bundles no worker is at any more, and what is known of why.

        The reason is empty where nothing is odd. A bundle that this executor knows nothing of has
        ended, too.
        """

    def cancel(self) -> None:
        """End what was handed over."""


def settings_of(order: Order, known: Mapping[str, type]) -> dict[str, object]:
    """Return the executor's settings as the types that it knows them by.

    Raises:
        UsageError: if one is unknown, or not of its type.
    """
    found: dict[str, object] = {}
    for name, text in order.settings.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise UsageError(f"executor {order.executor} has no setting {name!r}. Known: {names}")
        try:
            found[name] = known[name](text)
        except ValueError as error:
            raise UsageError(
                f"setting {name} of {order.executor}: {text!r} is no number"
            ) from error
    return found
