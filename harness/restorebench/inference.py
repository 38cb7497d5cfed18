"""The two ways in which a network may compute the same: optimised, or as its authors wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Inference = Literal["optimised", "reference"]
"""``reference`` is the authors' way: the yardstick of speed, and what operations are counted on."""

_current: ContextVar[Inference] = ContextVar("inference", default="optimised")


def is_reference() -> bool:
    """Whether layers shall compute as the authors' code does, whatever it costs."""
    return _current.get() == "reference"


@contextmanager
def computing(inference: Inference) -> Iterator[None]:
    """Let every layer that has two ways take this one."""
    token = _current.set(inference)
    try:
        yield
    finally:
        _current.reset(token)


def numbers_of(precision: str, inference: Inference) -> str:
    """Say what a record's numbers were computed in: the type, and the way unless it is the usual.

    >>> numbers_of("float32", "optimised"), numbers_of("float32", "reference")
    ('float32', 'float32, reference inference')
    """
    return precision if inference == "optimised" else f"{precision}, {inference} inference"
