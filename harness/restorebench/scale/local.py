"""The executor ``local``: this process, one bundle after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from restorebench.errors import UsageError
from restorebench.scale.executor import settings_of
from restorebench.scale.order import Order
from restorebench.scale.work import perform


class LocalExecutor:
    """Measures one bundle whenever it is polled."""

    overhead: ClassVar[float] = 0.05
    pause: ClassVar[float] = 0.0
    outlives: ClassVar[bool] = False
    here: ClassVar[bool] = True
    secludes: ClassVar[bool] = True

    def __init__(self, folder: Path, order: Order) -> None:
        settings_of(order, {})
        if order.workers != 1:
            raise UsageError("executor local is this one process; take ray for several workers")
        self._waiting: list[Path] = []

    def submit(self, bundles: Sequence[Path]) -> None:
        """Remember the bundles."""
        self._waiting += bundles

    def poll(self, names: Iterable[str]) -> Mapping[str, str]:
        """Measure the next bundle."""
        ended = {}
        if self._waiting:
            path = self._waiting.pop(0)
            ended[path.stem] = perform(path)
        waiting = {path.stem for path in self._waiting}
        gone = {n: "the command that began it ended" for n in names if n not in waiting}
        return gone | ended

    def cancel(self) -> None:
        """Forget the bundles."""
        self._waiting.clear()
