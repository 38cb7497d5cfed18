"""Orders seen through, and compared with the run of one process: for bundles and for clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from restorebench.catalog import Catalog
from restorebench.scale.dispatch import Dispatch, begin, front
from restorebench.scale.order import Order
from restorebench.session import Session
from restorebench.store import read_records

METHOD = """
import os, signal, time
from multiprocessing import get_context
from pathlib import Path
from torch import nn
from restorebench import Card, Method
from restorebench.scale.work import perform

class Nothing(nn.Module):
    def forward(self, x):
        return x

class Half(Method):
    network_class = Nothing
    info = Card(title="Half", paper="none", status="external", needs_weights=False)

    def restore(self, x):
        return super().restore(x) * 0.5
"""
"""The beginning of a plugin, with a method that its own methods come from."""


def seen_through(
    order: Order, out: Path, each: Callable[[int, Dispatch], None] = lambda count, dispatch: None
) -> Session:
    """See an order through, and call ``each`` after every record with the count so far."""
    session = front(order, out, Catalog.installed(order.plugins))
    keys = []
    with session.opened() as store:
        dispatch = begin(session, store, order)
        for count, record in enumerate(dispatch.watch(), 1):
            keys.append(record.key)
            each(count, dispatch)
        dispatch.gather()
    assert len(set(keys)) == len(keys) == session.total
    session.finish()
    return session


def alone(order: Order, out: Path) -> Path:
    """Measure everything in this process, without bundles."""
    catalog = Catalog.installed(order.plugins)
    session = Session(order.suite, order.methods, order.options, out, catalog)
    assert len(list(session.measure())) == session.total
    session.finish()
    return out


def scores(out: Path) -> Counter[str]:
    """All records of a run folder, apart from times and sessions."""
    return Counter(r.model_dump_json(exclude={"seconds", "session"}) for r in read_records(out))


def assert_equal_runs(out: Path, whole: Path) -> None:
    """Compare records and tables; nothing may be doubled, and nothing lost."""
    assert scores(out) == scores(whole)
    for table in ("leaderboard.csv", "leaderboard.md", "leaderboard.tex"):
        assert (out / table).read_bytes() == (whole / table).read_bytes()
