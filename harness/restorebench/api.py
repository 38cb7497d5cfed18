"""The Python surface: `list_methods`, `load_method`, `run`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from restorebench.catalog import Catalog
from restorebench.leaderboard import Leaderboard
from restorebench.loading import load_method
from restorebench.method import Method
from restorebench.plan import DataMode
from restorebench.session import Options, Session
from restorebench.table import Style

__all__ = ["list_methods", "load_method", "run"]

DATA_ROOT = "RESTOREBENCH_DATA_ROOT"


def list_methods() -> list[str]:
    """Return the names of all installed methods."""
    return Catalog.installed().names("methods")


def run(  # noqa: PLR0913 - the documented surface; everything after `out` is by keyword
    suite: str,
    methods: Sequence[str | Method],
    data_root: str | Path | None = None,
    limit: int | None = None,
    device: str = "cpu",
    protocol: str = "airnet",
    noise: str | None = None,
    out: str | Path | None = None,
    *,
    data: DataMode = "auto",
    weights: Mapping[str, str | Path] | None = None,
    untrained: bool = False,
    style: Style = "plain",
) -> Leaderboard:
    """Score methods on a suite and write the tables.

    Args:
        suite: a suite's name, or the path of a YAML file.
        methods: names, or methods that are already built.
        data_root: the folder that holds ``test/``; the environment variable
            RESTOREBENCH_DATA_ROOT by default.
        limit: score the first images of each set only; marked wherever the numbers appear.
        device: a torch device.
        protocol: a protocol's name, or the path of a YAML file.
        noise: another noise scheme than the protocol's own.
        out: the run folder, ``runs/<suite>`` by default; an unfinished run goes on there.
        data: ``real`` refuses the embedded sample, ``sample`` takes it for every task.
        weights: checkpoint by method name.
        untrained: score networks without weights too; marked wherever the numbers appear.
        style: how tables print numbers.

    Raises:
        BenchError: for anything that makes the whole run impossible. What fails for one image or
            one method is a failed cell of the board.
    """
    options = Options(
        data_root=_data_root(data_root),
        data=data,
        limit=limit,
        device=device,
        protocol=protocol,
        noise=noise,
        weights={name: Path(path) for name, path in (weights or {}).items()},
        untrained=untrained,
    )
    session = Session(suite, methods, options, None if out is None else Path(out))
    for _ in session.measure():
        pass
    return session.finish(style)[0]


def _data_root(given: str | Path | None) -> Path | None:
    found = given if given is not None else os.environ.get(DATA_ROOT)
    return Path(found).expanduser() if found else None
