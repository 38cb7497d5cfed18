"""The executor ``hand``: bundles lie in the run folder, and anyone runs ``restorebench work``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from restorebench.scale.executor import settings_of
from restorebench.scale.order import Order, attempts_at


class HandExecutor:
    """Starts nothing: some other tool, or a person, hands the bundles to workers."""

    overhead: ClassVar[float] = 6.0
    pause: ClassVar[float] = 2.0
    outlives: ClassVar[bool] = False
    here: ClassVar[bool] = False
    secludes: ClassVar[bool] = False

    def __init__(self, folder: Path, order: Order) -> None:
        settings_of(order, {})
        self._folder = folder

    def submit(self, bundles: Sequence[Path]) -> None:
        """Leave the bundles where they lie."""

    def poll(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return the bundles that a worker says it is done with."""
        asked = set(names)
        ended = {name: at.error for name, _, at in attempts_at(self._folder) if at.ended}
        return {name: error or "" for name, error in ended.items() if name in asked}

    def cancel(self) -> None:
        """Do nothing: whoever started the workers ends them."""
