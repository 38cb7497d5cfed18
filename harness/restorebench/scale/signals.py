"""Signals that end a worker: they never fail the image that it is at."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let a signal that is to end this process end it there and then, as a kill would.

    Ray (at SIGTERM) and submitit (at a time limit) end a worker by raising `SystemExit` in the main
    thread, wherever that is: mostly in a method, which is foreign code and counts as failed if it
    exits. If submitit cannot give the job back to the queue it raises something else; the worker
    then goes on until it is killed.
    """
    told: dict[int, Handler] = {}
    if current_thread() is main_thread():  # the only one in which handlers run
        found = {number: signal.getsignal(number) for number in signal.valid_signals()}
        told = {number: handler for number, handler in found.items() if callable(handler)}
    for number, handler in told.items():
        signal.signal(number, _without_raising(handler))
    try:
        yield
    finally:
        for number, handler in told.items():
            signal.signal(number, handler)


def _without_raising(handler: Handler) -> Handler:
    def handle(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except SystemExit as end:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        except Exception:
            traceback.print_exc()

    return handle
