"""Ray with two nodes on this machine (`nox -s cluster_ray`): what is killed costs nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from restorebench.scale.dispatch import Dispatch
from restorebench.scale.order import attempts_at
from restorebench.store import read_journals

from ..orders import assert_equal_runs, seen_through  # noqa: TID252
from .conftest import IMAGES, Make

ray: Any = pytest.importorskip("ray", reason="ray is an extra: nox -s cluster_ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # of ray itself


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that runs no tasks, and two nodes with one processor each."""
    from ray.cluster_utils import Cluster

    # Ray reads it in this case; on a busy machine its 30 seconds are not enough.
    os.environ["RAY_raylet_start_wait_time_s"] = "120"  # noqa: SIM112
    made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        made.add_node(num_cpus=1)
    yield made
    ray.shutdown()
    made.shutdown()


def workers_of(dispatch: Dispatch) -> set[str]:
    return {attempt.worker for _, _, attempt in attempts_at(dispatch.folder)}


def test_two_nodes_leave_the_records_of_one_process(
    cluster: Any, make: Make, whole: Path, tmp_path: Path
) -> None:
    order, out = make("ray", address=cluster.address), tmp_path / "ray"
    found: list[set[str]] = []
    seen_through(order, out, lambda _, dispatch: found.append(workers_of(dispatch)))
    assert len(found[-1]) == 2  # processes stay for further bundles
    assert_equal_runs(out, whole)


def test_a_method_that_kills_its_worker_is_failed_cells_beside_a_whole_one(
    cluster: Any, make: Make, tmp_path: Path
) -> None:
    order, out = make("ray", address=cluster.address), tmp_path / "ray"
    changed = {"methods": ("killer", "identity"), "rounds": 1, "bundle_seconds": 1000}
    session = seen_through(order.model_copy(update=changed), out)
    errors = [record.error for record in read_journals(out).values() if record.error]
    assert set(errors) == {"not measured in 1 tries: the worker was killed"}
    assert len(errors) == IMAGES
    (written,) = session.finish()
    assert written.board.scored == IMAGES


def test_a_node_and_workers_that_are_lost_amid_the_run_cost_nothing(
    cluster: Any, make: Make, whole: Path, tmp_path: Path
) -> None:
    order, out = make("ray", address=cluster.address), tmp_path / "ray"

    # Ray's workers have a handler for the first, which raises wherever the method is.
    due = [(4, signal.SIGTERM), (7, signal.SIGKILL)]
    ended: set[int] = set()

    def end_a_worker(by: signal.Signals, dispatch: Dispatch) -> bool:
        """End the latest attempt's worker that is there; the lost node's is not."""
        for _, _, attempt in reversed([*attempts_at(dispatch.folder)]):
            process = int(attempt.worker.rpartition(":")[2])
            with suppress(ProcessLookupError):
                if process not in ended:
                    os.kill(process, by)
                    ended.add(process)
                    return True
        return False

    def kill(count: int, dispatch: Dispatch) -> None:
        if count == 2:  # the node's raylet and its worker, as when its power is cut
            cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
        if due and count >= due[0][0] and end_a_worker(due[0][1], dispatch):
            due.pop(0)

    seen_through(order, out, kill)
    assert not due
    assert_equal_runs(out, whole)


def test_without_a_cluster_ray_starts_as_many_workers_as_were_asked_for(
    make: Make, whole: Path, tmp_path: Path
) -> None:
    ray.shutdown()  # leaves the cluster
    order, out = make("ray"), tmp_path / "ray"
    try:
        seen_through(order, out)
        assert ray.cluster_resources()["CPU"] == 2
    finally:
        ray.shutdown()
    assert_equal_runs(out, whole)
