"""Times that can be compared: contenders in processes of their own, taking turns."""

from __future__ import annotations

import importlib
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

import torch

THREADS = 2
PATIENCE = 300
"""Seconds that a piece of work may take, with the start of its process."""


class Contender:
    """A piece of work in a process of its own, which waits until it is asked to do it again.

    Args:
        factory: ``module:function``, which is called there with ``arguments`` and returns the work.
        arguments: of the factory.
    """

    def __init__(self, factory: str, *arguments: object) -> None:
        ours, theirs = get_context("spawn").Pipe()
        self._asked = ours
        self._process = get_context("spawn").Process(
            target=_serve, args=(theirs, factory, arguments), daemon=True
        )
        self._process.start()
        # A warm-up, and before the next one starts: two at once have more threads than there are
        # processors, and OpenMP's wait busily for one another.
        self.seconds()

    def seconds(self) -> float:
        """Do the work once more and return how long it took."""
        self._asked.send(True)
        if not self._asked.poll(PATIENCE):
            raise TimeoutError(f"{self._process.name} takes more than {PATIENCE} seconds")
        taken = self._asked.recv()
        if isinstance(taken, BaseException):
            raise taken
        return float(taken)

    def __enter__(self) -> Self:
        """Leave the process running."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()


def _serve(asked: Connection, factory: str, arguments: Iterable[object]) -> None:
    torch.set_num_threads(THREADS)
    module, _, name = factory.partition(":")
    try:
        work: Callable[[], object] = getattr(importlib.import_module(module), name)(*arguments)
        while asked.recv():
            start = time.perf_counter()
            work()
            asked.send(time.perf_counter() - start)
    except Exception as error:  # whatever it is, the other side raises it
        asked.send(error)


def race(work: Mapping[str, tuple[Any, ...]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each contender, by name; all take one turn in each round.

    Args:
        work: what `Contender` takes, by name.
        rounds: turns of each.
    """
    with ExitStack() as stack:
        contenders = {n: stack.enter_context(Contender(*given)) for n, given in work.items()}
        turns = [{n: c.seconds() for n, c in contenders.items()} for _ in range(rounds)]
    return {name: median(turn[name] for turn in turns) for name in work}


def machine() -> dict[str, str | int]:
    """Return what times depend on beside the work."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].partition(":")[2].strip() if models else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count() or 0,
        "threads": THREADS,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
