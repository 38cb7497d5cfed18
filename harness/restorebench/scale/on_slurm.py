"""The executor ``slurm``: job arrays on a Slurm cluster, by submitit (extra ``[slurm]``)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from restorebench.errors import SetupError, UsageError
from restorebench.scale.executor import settings_of
from restorebench.scale.order import Bundle, Order, read_file
from restorebench.scale.work import perform
from restorebench.store import read_json, write_atomically

SETTINGS = {
    "partition": str,
    "account": str,
    "qos": str,
    "constraint": str,
    "gres": str,
    "minutes": int,
    "cpus": int,
    "gpus": int,
    "memory_gb": float,
    "signal_seconds": int,
}
JOBS = "jobs.json"
OVER = {
    "BOOT_FAIL": "its node did not boot",
    "CANCELLED": "the job was cancelled",
    "COMPLETED": "",
    "DEADLINE": "the job's deadline passed",
    "FAILED": "the worker was killed",
    "NODE_FAIL": "the node was lost",
    "OUT_OF_MEMORY": "the worker was killed: the job was out of memory",
    "PREEMPTED": "the job was preempted",
    "REVOKED": "the job was revoked",
    "TIMEOUT": "the job's time limit passed",
}
"""Slurm's states that a job does not leave, in words."""


class SlurmBundle:
    """What a job runs: a bundle; on preemption or a time limit, Slurm is given it again."""

    def __call__(self, path: Path) -> str:
        """Measure the bundle."""
        return perform(path)

    def checkpoint(self, path: Path) -> Any:
        """Return the same work: what was measured is stored."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, path)


class SlurmExecutor:
    """Arrays of jobs, one for each bundle; they go on when the command that sent them ends."""

    overhead: ClassVar[float] = 6.0
    pause: ClassVar[float] = 5.0
    outlives: ClassVar[bool] = True
    here: ClassVar[bool] = False
    secludes: ClassVar[bool] = True

    def __init__(self, folder: Path, order: Order) -> None:
        self._settings = settings_of(order, SETTINGS)
        self._folder, self._order = folder, order

    def submit(self, bundles: Sequence[Path]) -> None:
        """Send an array of the bundles that share nodes, and one of those that do not."""
        for alone in (False, True):
            paths = [path for path in bundles if bool(read_file(Bundle, path).costs) is alone]
            if paths:
                jobs = self._sent(paths, exclusive=alone)
                known = self._jobs() | dict(zip((path.stem for path in paths), jobs, strict=True))
                write_atomically(self._folder / JOBS, json.dumps(known, indent=1) + "\n")

    def _sent(self, paths: Sequence[Path], *, exclusive: bool) -> list[str]:
        try:
            from submitit import SlurmExecutor as Submitit
        except ImportError as error:
            raise SetupError("executor slurm needs pip install 'restorebench[slurm]'") from error
        try:
            sender = Submitit(self._folder / "jobs")
            sender.update_parameters(**self._parameters(), exclusive=exclusive or None)
            with sender.batch():
                sent = [sender.submit(SlurmBundle(), path) for path in paths]
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise SetupError(f"slurm took no jobs: {reason}") from error
        return [job.job_id for job in sent]

    def _parameters(self) -> dict[str, Any]:
        mine, on_gpu = self._settings, self._order.options.device.startswith("cuda")
        memory = mine.get("memory_gb")
        return {
            "job_name": "restorebench",
            "partition": mine.get("partition"),
            "account": mine.get("account"),
            "qos": mine.get("qos"),
            "constraint": mine.get("constraint"),
            "gres": mine.get("gres"),
            "time": mine.get("minutes", 60),
            "cpus_per_task": mine.get("cpus", 1),
            "gpus_per_node": mine.get("gpus", 1 if on_gpu else None),
            "mem": None if memory is None else f"{round(float(str(memory)) * 1024)}M",
            "signal_delay_s": mine.get("signal_seconds", 90),
            "array_parallelism": self._order.workers,
        }

    def poll(self, names: Iterable[str]) -> Mapping[str, str]:
        """Ask Slurm's queue; a controller that does not answer has ended nothing."""
        jobs, ended = self._jobs(), {}
        states = _queue()
        for name in names:
            job = jobs.get(name)
            if job is None:
                ended[name] = "it was never sent to slurm"
            elif states is not None:
                state = states.get(job)
                if state is None:
                    ended[name] = "the job left the queue"
                elif state in OVER:
                    ended[name] = OVER[state]
        return ended

    def cancel(self) -> None:
        """End all jobs."""
        jobs = self._jobs().values()
        if jobs:
            subprocess.run(["scancel", *jobs], capture_output=True, timeout=60)

    def _jobs(self) -> dict[str, str]:
        path = self._folder / JOBS
        return dict(read_json(path)) if path.exists() else {}


def _queue() -> dict[str, str] | None:
    """Return the state of each of this user's jobs that Slurm remembers; ``None`` if it is mute."""
    command = ["squeue", "--me", "--array", "--noheader", "--states=all", "--format=%i %T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError as error:
        raise UsageError("there is no squeue here; run this where Slurm's commands are") from error
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        return None
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.strip())
