"""The executor ``ray``: all devices of one machine, or of a Ray cluster (extra ``[ray]``)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from restorebench.errors import SetupError
from restorebench.scale.executor import settings_of
from restorebench.scale.order import Bundle, Order, read_file
from restorebench.scale.work import perform

SETTINGS = {"address": str, "cpus": float, "gpus": float, "memory_gb": float}


class RayExecutor:
    """Ray tasks, one for each bundle; Ray chooses the node and keeps processes for the next task.

    Tasks, not an actor for each method: any idle worker takes any bundle, so that none waits at the
    end of a method, and a process keeps the network of its last bundle either way. Ray itself
    repeats nothing (it would try an image that is too large for the memory for ever); the rounds
    do.
    """

    overhead: ClassVar[float] = 0.2
    pause: ClassVar[float] = 0.2
    outlives: ClassVar[bool] = False
    here: ClassVar[bool] = False
    secludes: ClassVar[bool] = True

    def __init__(self, folder: Path, order: Order) -> None:
        self._settings = settings_of(order, SETTINGS)
        self._order = order
        self._tasks: dict[str, Any] = {}

    def submit(self, bundles: Sequence[Path]) -> None:
        """Hand the bundles to Ray, which is started here unless a cluster's address is given."""
        ray = _ray()
        if not ray.is_initialized():
            self._start(ray)
        # A process stays for further tasks: by default one that had a GPU ends with its first.
        remote = ray.remote(max_calls=0)(perform)
        for path in bundles:
            wanted = self._resources(ray, alone=bool(read_file(Bundle, path).costs))
            task = remote.options(name=path.stem, max_retries=0, **wanted)
            self._tasks[path.stem] = task.remote(path)

    def _start(self, ray: Any) -> None:
        address = self._settings.get("address") or os.environ.get("RAY_ADDRESS")
        gpus, workers = float(self._resources(ray)["num_gpus"]), self._order.workers
        # Without a cluster, as many workers as were asked for; Ray finds the GPUs by itself.
        here = {"num_cpus": workers} if not gpus else {}
        try:
            ray.init(
                address=address or "local",  # one of its own, even beside a cluster on this machine
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                **({} if address else here),
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SetupError(
                f"ray cannot be started or reached: {error}".splitlines()[0]
            ) from error

    def _resources(self, ray: Any, *, alone: bool = False) -> dict[str, Any]:
        on_gpu = self._order.options.device.startswith("cuda")
        wanted = {
            "num_cpus": self._settings.get("cpus", 1.0),
            "num_gpus": self._settings.get("gpus", 1.0 if on_gpu else 0.0),
        }
        if "memory_gb" in self._settings:
            wanted["memory"] = int(float(str(self._settings["memory_gb"])) * 2**30)
        if alone:  # a whole GPU, or all processors of the largest node
            sizes = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
            wanted |= {"num_gpus": 1.0} if on_gpu else {"num_cpus": max(sizes)}
        return wanted

    def poll(self, names: Iterable[str]) -> Mapping[str, str]:
        """Ask Ray which tasks are over."""
        ray, ended = _ray(), {}
        for name in names:
            task = self._tasks.get(name)
            if task is None:
                ended[name] = "the command that began it ended"
            elif ray.wait([task], timeout=0)[0]:
                try:
                    ended[name] = ray.get(task)
                except ray.exceptions.RayError as error:
                    ended[name] = _reason(error)
        return ended

    def cancel(self) -> None:
        """End the tasks, also those that have begun."""
        for task in self._tasks.values():
            _ray().cancel(task, force=True)


def _reason(error: Exception) -> str:
    words = {
        "WorkerCrashedError": "the worker was killed",
        "OutOfMemoryError": "the worker was killed: its node was out of memory",
        "NodeDiedError": "the node was lost",
        "TaskCancelledError": "cancelled",
    }
    kind = type(error).__name__
    return words.get(kind, f"{kind}: {str(error).strip().splitlines()[0]}")


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise SetupError("executor ray needs pip install 'restorebench[ray]'") from error
    return ray
