"""The Python surface: `list_methods`, `load_method`, `run`."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style
from restorebench.catalog import Catalog
from restorebench.column import DataMode
from restorebench.errors import UsageError
from restorebench.loading import load_method
from restorebench.method import Method
from restorebench.precision import Precision
from restorebench.rows import Options, weights_for
from restorebench.session import Session

__all__ = ["list_methods", "load_method", "run"]

DATA_ROOT = "RESTOREBENCH_DATA_ROOT"


def list_methods() -> list[str]:
    """Return the names of all installed methods."""
    return Catalog.installed().names("methods")


def run(  # noqa: PLR0913 - the documented surface; everything after `out` is by keyword
    suite: str | Path,
    methods: str | Method | Iterable[str | Method],
    data_root: str | Path | None = None,
    limit: int | None = None,
    device: str = "cpu",
    protocol: str | Path = "airnet",
    noise: str | None = None,
    out: str | Path | None = None,
    *,
    data: DataMode = "auto",
    repeats: int = 1,
    weights: Mapping[str, str | Path] | None = None,
    untrained: bool = False,
    precision: Precision = "float32",
    tile: int | None = None,
    overlap: int = 32,
    pictures: bool = True,
    costs: bool = False,
    style: Style = "plain",
) -> Leaderboard:
    """Score methods on a suite and write the tables.

    Args:
        suite: a suite's name, or the path of a YAML file.
        methods: names, or methods that are already built; one, or several.
        data_root: the folder that holds ``test/``; the environment variable
            RESTOREBENCH_DATA_ROOT by default.
        limit: score the first images of each set only; marked wherever the numbers appear.
        device: a torch device.
        protocol: a protocol's name, or the path of a YAML file.
        noise: another noise scheme than the protocol's own.
        out: the run folder, ``runs/<suite>`` by default; an unfinished run goes on there.
        data: ``real`` refuses the embedded sample, ``sample`` takes it for every task.
        repeats: draw the noise of each image so often, and average its scores; see
            `Leaderboard.draws` for how much of a difference is the draw.
        weights: checkpoint by method name; by default the small weights that come with a method,
            marked wherever the numbers appear.
        untrained: score networks with random weights if none are given; marked likewise.
        precision: the type that networks compute in; methods that are already built must agree.
        tile: height and width of the tiles that larger images are restored in.
        overlap: what neighbouring tiles share at least.
        pictures: keep a crop of every scored image, which reports show.
        costs: measure what the methods cost, too; see `Leaderboard.costs`.
        style: how tables print numbers.

    Raises:
        BenchError: for anything that makes the whole run impossible. What fails for one image or
            one method is a failed cell of the board; a renderer's failure is raised at the end.
    """
    if style not in get_args(Style):
        raise UsageError(f"style is {' or '.join(get_args(Style))}, not {style!r}")
    chosen = [methods] if isinstance(methods, (str, Method)) else list(methods)
    if not all(isinstance(method, (str, Method)) for method in chosen):
        raise UsageError(f"methods are names, or built by load_method, not {chosen!r}")
    catalog = Catalog.installed()
    given = {name: Path(path) for name, path in (weights or {}).items()}
    options = Options(
        data_root=_data_root(data_root),
        data=data,
        limit=_whole("limit", limit),
        device=str(device),
        protocols=(str(protocol),),
        noise=noise,
        repeats=repeats,
        weights=weights_for(catalog, chosen, given, untrained=untrained),
        untrained=untrained,
        precision=precision,
        tile=_whole("tile", tile),
        overlap=overlap,
        pictures=pictures,
        costs=costs,
    )
    session = Session(str(suite), chosen, options, None if out is None else Path(out), catalog)
    for _ in (*session.measure(), *session.measure_costs()):
        pass
    (written,) = session.finish(style)
    written.check()
    return written.board


def _whole(name: str, given: int | None) -> int | None:
    try:
        return None if given is None else operator.index(given)
    except TypeError as error:
        raise UsageError(f"{name} must be a whole number, got {given!r}") from error


def _data_root(given: str | Path | None) -> Path | None:
    found = given if given is not None else os.environ.get(DATA_ROOT)
    return Path(found).expanduser() if found else None
