"""Interrupts (Ctrl-C, SIGTERM) wait until a step is whole, so that no half of one is stored."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let the first interrupt wait for the end of the block; a second one does not wait."""
    if current_thread() is not main_thread():  # the only one that is interrupted
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in ENDING}

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def wait(number: int, _: object) -> None:
        came.append(number)
        restore()

    for number in ENDING:
        signal.signal(number, wait)
    try:
        yield
    finally:
        restore()
    if came:
        signal.raise_signal(came[0])
