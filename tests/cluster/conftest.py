"""What clusters of any kind must leave: the records of one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from restorebench.catalog import Catalog
from restorebench.rows import Options
from restorebench.scale.dispatch import Dispatch, begin, front
from restorebench.scale.order import Order
from restorebench.session import Session
from restorebench.store import read_records

IMAGES = 6
# Slow enough for a worker to be killed while it is at an image; and one that kills its worker.
PLUGIN = """
import os, signal, time
from pathlib import Path
from torch import nn
from restorebench import Card, Method

class Nothing(nn.Module):
    def forward(self, x):
        return x

class Slow(Method):
    network_class = Nothing
    info = Card(title="Slow", paper="none", status="external", needs_weights=False)

    def restore(self, x):
        pause = Path(__file__).with_name("pause")
        time.sleep(float(pause.read_text()) if pause.exists() else 0.5)
        return super().restore(x) * 0.5

class Killer(Slow):
    info = Card(title="Killer", paper="none", status="external", needs_weights=False)

    def restore(self, x):
        os.kill(os.getpid(), signal.SIGKILL)

METHODS = {"slow": Slow, "killer": Killer}
"""
SUITE = """\
name: nights
version: 1
title: Noise on photographs
average: mean of the tasks
tasks:
"""
TASK = "  - {{name: s{0}, title: S{0}, kind: denoise, dataset: sample, mix: [{{gaussian_noise: {{sigma: {0}}}}}]}}\n"  # noqa: E501

Make = Callable[..., Order]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Orders of six images for each method: three photographs under two noise levels."""
    plugin, suite = tmp_path / "plugin.py", tmp_path / "nights.yaml"
    plugin.write_text(PLUGIN)
    suite.write_text(SUITE + "".join(TASK.format(sigma) for sigma in (15, 50)))

    def order(executor: str, **settings: object) -> Order:
        return Order(
            session="",
            suite=str(suite),
            methods=("slow", "identity"),
            options=Options(noise="airnet-stream-continued", limit=3, pictures=False),
            plugins=(plugin,),
            here=tmp_path,
            executor=executor,
            workers=2,
            settings={name: str(value) for name, value in settings.items()},
            bundle_seconds=0.3,
            rounds=3,
        )

    return order


def handed_over(order: Order, out: Path, each: Callable[[int, Dispatch], None]) -> Session:
    """See an order through, and call ``each`` after every record with the count so far."""
    session = front(order, out, Catalog.installed(order.plugins))
    with session.opened() as store:
        dispatch = begin(session, store, order)
        for count, _ in enumerate(dispatch.watch(), 1):
            each(count, dispatch)
        dispatch.gather()
    session.finish()
    return session


def alone(order: Order, out: Path) -> Path:
    """Measure everything in this process, without bundles."""
    catalog = Catalog.installed(order.plugins)
    session = Session(order.suite, order.methods, order.options, out, catalog)
    for _ in session.measure():
        pass
    session.finish()
    return out


def scores(out: Path) -> Counter[str]:
    """All records of a run folder, apart from times and sessions."""
    return Counter(r.model_dump_json(exclude={"seconds", "session"}) for r in read_records(out))


def assert_equal_runs(out: Path, whole: Path) -> None:
    """Compare records and tables; nothing may be doubled, and nothing lost."""
    assert scores(out) == scores(whole)
    assert sum(scores(out).values()) == 2 * IMAGES
    for table in ("leaderboard.csv", "leaderboard.md", "leaderboard.tex"):
        assert (out / table).read_bytes() == (whole / table).read_bytes()


def nothing(count: int, dispatch: Dispatch) -> None:
    """Let the run be."""
