"""A run against plain loops: with no network, where threads pay, and with a full-size one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from tests.perf.measuring import race

from restorebench.allocator import keep_freed_memory
from restorebench.api import load_method
from restorebench.catalog import Catalog
from restorebench.plan import Plan
from restorebench.planning import make_plans
from restorebench.record import Record
from restorebench.rows import Options
from restorebench.runner import measure
from restorebench.store import Store
from restorebench.work import load_pair

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
NETWORK = "restormer"
NETWORK_IMAGES = 3
ROUNDS = 5
NETWORK_ROUNDS = 3


def planned(name: str, limit: int | None) -> Plan:
    """Plan a method on Rain100L, or on the embedded sample where that is absent."""
    keep_freed_memory()
    root = REAL if REAL.is_dir() else None
    options = Options(data_root=root, limit=limit, untrained=True)
    (plan,) = make_plans(Catalog.installed(), "derain", [load_method(name)], options)
    return plan


def running(name: str, limit: int | None) -> Callable[[], object]:
    """Score everything anew, as a run does."""
    plan, folder, times = planned(name, limit), Path(mkdtemp()), count()

    def work() -> None:
        with Store(folder / str(next(times)), "perf") as store:
            assert all(record.error is None for record in measure([plan], store))

    return work


def looping() -> Callable[[], object]:
    """Score the input itself one image after the other, with scikit-image's metrics."""
    plan, folder, times = planned("identity", None), Path(mkdtemp()), count()
    (row,), (column,) = plan.rows, plan.columns

    def work() -> None:
        with Store(folder / str(next(times)), "perf") as store:
            for item in column.chosen:
                restored, clean = load_pair(column, item)
                assert clean is not None
                scores = {
                    "psnr": peak_signal_noise_ratio(clean, restored, data_range=1),
                    "ssim": structural_similarity(restored, clean, data_range=1, channel_axis=-1),
                }
                identity = plan.identity(row, column, item)
                store.append(
                    Record(key=identity.key, identity=identity, scores=scores, session="perf")
                )

    return work


def forwarding(name: str, limit: int) -> Callable[[], object]:
    """Restore images that lie in memory, and do nothing else."""
    plan = planned(name, limit)
    (row,), (column,) = plan.rows, plan.columns
    method = row.build()
    degraded = [load_pair(column, item)[0] for item in column.chosen]
    inputs = [torch.from_numpy(image).permute(2, 0, 1)[None].contiguous() for image in degraded]
    return lambda: [method.restore(x) for x in inputs]  # type: ignore[union-attr]


def section() -> list[dict[str, str | float]]:
    """Measure both; a ratio is the loop's time by the run's."""
    here = __name__
    with_none = {"loop": (f"{here}:looping",), "run": (f"{here}:running", "identity", None)}
    given = (NETWORK, NETWORK_IMAGES)
    with_one = {"loop": (f"{here}:forwarding", *given), "run": (f"{here}:running", *given)}
    return [
        _row("identity, against a loop with scikit-image", with_none, ROUNDS),
        _row(f"{NETWORK}, against its forward passes alone", with_one, NETWORK_ROUNDS),
    ]


def _row(what: str, work: Mapping[str, tuple[object, ...]], rounds: int) -> dict[str, str | float]:
    seconds = race(work, rounds)
    return {
        "what": what,
        "loop_s": round(seconds["loop"], 3),
        "run_s": round(seconds["run"], 3),
        "ratio": round(seconds["loop"] / seconds["run"], 3),
    }
