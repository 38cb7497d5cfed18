"""Slurm on one node, this machine (`nox -s cluster_slurm`): what is killed costs nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from restorebench.catalog import Catalog
from restorebench.scale.dispatch import Dispatch, begin, front, resumed
from restorebench.scale.order import attempts_at, bundles_of, newest_order
from restorebench.store import read_records

from ..orders import alone, assert_equal_runs, seen_through  # noqa: TID252
from .conftest import IMAGES, Make

pytest.importorskip("submitit", reason="submitit is an extra: nox -s cluster_slurm")
if shutil.which("slurmctld") is None or shutil.which("munged") is None:
    pytest.skip("slurm-wlm and munge are not installed here", allow_module_level=True)
if os.geteuid() != 0:
    pytest.skip("starting Slurm's daemons needs a privileged user", allow_module_level=True)

SCRIPT = Path(__file__).with_name("slurm.sh")


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run(
        ["bash", SCRIPT, "start", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if started.returncode != 0:
        subprocess.run(["bash", SCRIPT, "stop", folder])
        pytest.skip(f"Slurm cannot be started here: {started.stdout.decode()[-500:]}")
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    yield
    subprocess.run(["scancel", "--user=root"])
    if before is None:
        del os.environ["SLURM_CONF"]
    subprocess.run(["bash", SCRIPT, "stop", folder], check=True)


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Let Slurm begin at once what came back to the queue; by itself it waits two minutes."""
    over = Event()

    def begin_now() -> None:
        while not over.wait(1):
            waiting = ["squeue", "--me", "--array", "--noheader", "--format=%i %r"]
            lines = subprocess.run(waiting, capture_output=True, text=True).stdout.splitlines()
            for job in (line.split()[0] for line in lines if line.endswith("BeginTime")):
                subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"])

    with ThreadPoolExecutor(1) as thread:
        thread.submit(begin_now)
        yield
        over.set()


def test_jobs_leave_the_records_of_one_process(make: Make, whole: Path, tmp_path: Path) -> None:
    order, out = make("slurm", minutes=10), tmp_path / "slurm"
    seen_through(order.model_copy(update={"bundle_seconds": 1000.0}), out)
    assert_equal_runs(out, whole)


def test_a_cancelled_job_and_a_killed_worker_cost_nothing_and_the_front_end_may_exit(
    make: Make, whole: Path, tmp_path: Path
) -> None:
    order, out = make("slurm", minutes=10), tmp_path / "slurm"
    order = order.model_copy(update={"bundle_seconds": 1000.0})
    pause = tmp_path / "pause"
    pause.write_text("8")  # so that a worker is at an image when Slurm is asked next
    session = front(order, out, Catalog.installed(order.plugins))
    with session.opened() as store:  # the command that hands over, and ends
        folder = begin(session, store, order).folder
    jobs = json.loads((folder / "jobs.json").read_text())
    subprocess.run(["scancel", list(jobs.values())[-1]], check=True)
    killed: list[str] = []

    def kill(count: int, dispatch: Dispatch) -> None:
        begun = [attempt for _, _, attempt in attempts_at(folder) if attempt.ended is None]
        if begun and not killed:
            killed.append(begun[-1].worker)
            os.kill(int(killed[0].rpartition(":")[2]), signal.SIGKILL)

    _, session = resumed(out)
    with session.opened() as store:
        dispatch = Dispatch(session, store, newest_order(out))
        for count, _ in enumerate(dispatch.watch(), 1):
            kill(count, dispatch)
        dispatch.gather()
    session.finish()
    assert killed
    assert_equal_runs(out, whole)


def test_the_command_line_hands_over_ends_and_collects(
    make: Make, whole: Path, tmp_path: Path
) -> None:
    order, out = make("slurm"), tmp_path / "slurm"
    words = ["--suite", order.suite, "--plugin", *order.plugins, "--no-pictures"]
    words += ["--noise", order.options.noise, "--limit", 3, "-m", "slow", "-m", "identity"]
    words += ["--executor", "slurm", "--workers", 2, "--set", "minutes=10", "--detach"]
    for command in (["run", *words, "--out", out], ["collect", out]):
        program = [sys.executable, "-m", "restorebench", *map(str, command)]
        done = subprocess.run(program, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert_equal_runs(out, whole)


def test_jobs_that_more_urgent_ones_displace_go_on_where_they_were(
    make: Make, tmp_path: Path
) -> None:
    order, out = make("slurm", minutes=10, partition="all"), tmp_path / "slurm"
    pause = tmp_path / "pause"
    pause.write_text("8")
    order = order.model_copy(update={"bundle_seconds": 1000.0, "methods": ("slow",)})
    urgent = ["sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true"]

    def displace(count: int, dispatch: Dispatch) -> None:
        if count == 1:
            subprocess.run(urgent, check=True)

    seen_through(order, out, displace)
    assert len(list(attempts_at(newest_order(out)))) > len(bundles_of(newest_order(out))) == 2
    assert_equal_runs(out, alone(order, tmp_path / "alone"))


def test_a_job_that_meets_its_time_limit_goes_on_where_it_was(make: Make, tmp_path: Path) -> None:
    # Slurm's shortest limit is a minute; half a minute before it, the job is told to make room.
    order, out = make("slurm", minutes=1, signal_seconds=30), tmp_path / "slurm"
    (tmp_path / "pause").write_text("20")
    changed = {"bundle_seconds": 1000, "methods": ("slow",)}
    order = order.model_copy(update=changed)
    seen_through(order, out)
    records = list(read_records(out))
    assert len({record.key for record in records}) == IMAGES
    assert not [record.error for record in records if record.error]  # nor once, before a retry
    attempts = [name for name, _, _ in attempts_at(newest_order(out))]
    assert len(attempts) > 2  # bundles, one for each task
