"""restorebench: compare all-in-one image-restoration methods, every number with its protocol.

The public names below are loaded when they are first used, so that importing the package, and the
command line's help, stay quick and free of torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restorebench.api import list_methods, load_method, run
    from restorebench.board.leaderboard import Leaderboard
    from restorebench.degradation import Degradation
    from restorebench.method import Card, Method
    from restorebench.metrics import Metric

__all__ = [
    "Card",
    "Degradation",
    "Leaderboard",
    "Method",
    "Metric",
    "list_methods",
    "load_method",
    "run",
]

_HOME = {
    "Card": "method",
    "Degradation": "degradation",
    "Leaderboard": "board.leaderboard",
    "Method": "method",
    "Metric": "metrics",
    "list_methods": "api",
    "load_method": "api",
    "run": "api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("restorebench")
    if name not in _HOME:
        raise AttributeError(f"module 'restorebench' has no attribute {name!r}")
    return getattr(import_module(f"restorebench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
