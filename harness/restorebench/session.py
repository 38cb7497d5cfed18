"""`Session`: one run from plan to files, which the command line drives step by step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter

from restorebench.allocator import keep_freed_memory
from restorebench.board_files import Written, write_board
from restorebench.catalog import Catalog
from restorebench.errors import (
    NothingSelectedError,
    SetupError,
    UsageError,
    WeightsError,
)
from restorebench.leaderboard import Leaderboard
from restorebench.loading import carried_weights, folder_row, load_method
from restorebench.method import Card, Method, Precision, find_device
from restorebench.plan import DataMode, Plan, Row, find_columns, method_name
from restorebench.provenance import code_hash, device_name, environment_hash
from restorebench.record import Record
from restorebench.restored import RestoredFolder
from restorebench.run_manifest import add_session
from restorebench.runner import measure
from restorebench.store import Store
from restorebench.suite import Suite
from restorebench.table import Style


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is asked to do, apart from suite and methods."""

    data_root: Path | None = None
    data: DataMode = "auto"
    limit: int | None = None
    device: str = "cpu"
    precision: Precision = "float32"
    protocols: tuple[str, ...] = ("airnet",)
    """Each gives a board of its own; an image is restored once for all that allow it."""
    noise: str | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    """By the name that stands among the methods."""
    strict: bool = True
    """Whether weights must fit their network tensor for tensor."""
    untrained: bool = False


OPTIONS = TypeAdapter(Options)
"""Writes options into a manifest and reads them back."""


class Session:
    """One run from plan to files. The CLI drives it step by step; `run` in one go.

    Args:
        suite: a suite, its name, or the path of a YAML file.
        methods: names, methods that are already built, or folders of images restored elsewhere.
            ``name@checkpoint`` tells several checkpoints of one network apart.
        options: everything else.
        out: the run folder; ``runs/<suite>`` by default. The same command goes on from there.
        catalog: where names are looked up.

    Raises:
        BenchError: for anything that makes the whole run impossible.
    """

    def __init__(
        self,
        suite: str | Suite,
        methods: Sequence[str | Method | RestoredFolder],
        options: Options,
        out: Path | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        self.catalog = catalog or Catalog.installed()
        self.options = options
        self._asked = suite if isinstance(suite, str) else suite.name
        self.plans = make_plans(self.catalog, suite, methods, options)
        """One for each protocol."""
        self.out = (out or Path("runs") / self.plans[0].suite.name).expanduser()
        self._records: list[Record] = []

    @property
    def total(self) -> int:
        """How many records there will be, over all methods and protocols."""
        return sum(len(column.chosen) for plan in self.plans for _, column in plan.cells())

    def measure(self) -> Iterator[Record]:
        """Score what is not scored yet, and yield every image's record.

        Raises:
            OutputFolderError: if the run folder cannot be written.
            StoreError: if another process is writing to it.
        """
        self._records = []
        keep_freed_memory()
        started = datetime.now(UTC)
        with Store(self.out, f"{started:%Y%m%dT%H%M%S}-{os.getpid()}") as store:
            asked = {"suite": self._asked, **OPTIONS.dump_python(self.options, mode="json")}
            self._sessions = add_session(self.out, store.session, started, self.plans, asked)
            for record in measure(self.plans, store):
                self._records.append(record)
                yield record

    def finish(self, style: Style = "plain") -> list[Written]:
        """Write each protocol's board and every installed renderer's file.

        The first protocol's board lies in the run folder itself, any other in a folder within it
        that is called after the protocol.

        Raises:
            OutputFolderError: if the run folder cannot be written.
        """
        boards = []
        for plan in self.plans:
            records = [r for r in self._records if r.identity.protocol == plan.protocol.id]
            board = Leaderboard.of(plan, records, self._sessions)
            folder = self.out if plan is self.plans[0] else self.out / plan.protocol.name
            boards.append(write_board(board, folder, self.catalog, style))
        return boards


def make_plans(
    catalog: Catalog,
    suite: str | Suite,
    methods: Sequence[str | Method | RestoredFolder],
    options: Options,
) -> tuple[Plan, ...]:
    """Decide what is scored on what, for each protocol.

    Raises:
        BenchError: if a name is unknown, a file wrong, or the data are not there.
    """
    _check_options(methods, options)
    protocols = [catalog.protocol(name, options.noise) for name in options.protocols]
    names = [protocol.name for protocol in protocols]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"name each protocol once, not {', '.join(names) or 'none'}")
    found = suite if isinstance(suite, Suite) else catalog.suite(suite)
    rows = tuple(_row(catalog, method, options) for method in methods)
    labels = [row.label for row in rows]
    if len(set(labels)) < len(labels):
        raise UsageError(f"a method is named twice: {', '.join(labels)}")
    plans = []
    for protocol in protocols:
        metrics = {c: catalog.metric(name) for c, name in protocol.spec.metrics.items()}
        plan = Plan(
            suite=found,
            protocol=protocol,
            metrics=metrics,
            columns=find_columns(found, protocol, options.data_root, options.data, options.limit),
            rows=rows,
            device=", ".join(dict.fromkeys(row.device for row in rows)),
            environment=environment_hash(metrics.values()),
        )
        _check_metrics(plan)
        plans.append(plan)
    return tuple(plans)


def _check_options(methods: Sequence[str | Method | RestoredFolder], options: Options) -> None:
    if options.data not in get_args(DataMode):
        raise UsageError(f"data is {' or '.join(get_args(DataMode))}, not {options.data!r}")
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"limit must be at least 1, got {options.limit}")
    if not methods:
        raise NothingSelectedError("no method is selected; name one with -m")
    find_device(options.device)
    unknown = set(options.weights) - {m for m in methods if isinstance(m, str)}
    if unknown:
        raise UsageError(f"weights are given for {', '.join(sorted(unknown))}, not selected by -m")


def _check_metrics(plan: Plan) -> None:
    needing = [metric.title for metric in plan.metrics.values() if metric.needs_target]
    for column in plan.columns:
        if needing and any(item.target is None for item in column.items):
            raise UsageError(
                f"{column.source.dataset.title} has no clean targets, which protocol "
                f"{plan.protocol.name} needs for {', '.join(needing)}; choose one without reference"
            )
    if len(plan.unavailable) == len(plan.metrics):
        raise SetupError(
            f"protocol {plan.protocol.name}: no metric can be computed here: "
            f"{'; '.join(plan.unavailable.values())}"
        )


def _row(catalog: Catalog, method: str | Method | RestoredFolder, options: Options) -> Row:
    if isinstance(method, RestoredFolder):
        return folder_row(method)
    if isinstance(method, Method):
        return _built_row(catalog, method, options.untrained)
    name = method_name(method)
    try:
        cls = catalog.method(name)
    except SetupError as error:  # a package that cannot be imported leaves the others alone
        return _broken_row(method, str(error), options)
    load = partial(
        load_method,
        name,
        device=options.device,
        precision=options.precision,
        strict=options.strict,
        catalog=catalog,
    )
    row = Row(
        label=method,
        card=cls.info,
        weights="none needed",
        code=code_hash(cls),
        precision=options.precision,
        device=device_name(options.device),
        config={},
        build=load,
    )
    path = options.weights.get(method)
    if path is not None:
        return _with_weights(row, partial(load, path))
    if not cls.info.needs_weights:
        return row
    if options.untrained:
        return replace(row, weights="untrained")
    return replace(row, weights="", absent=_no_weights(method, cls.info.checkpoint))


def _broken_row(name: str, reason: str, options: Options) -> Row:
    def build() -> Method:
        raise SetupError(reason)

    return Row(
        label=name,
        card=Card(title=name, paper="unknown", status="external"),
        weights="",
        code="",
        precision=options.precision,
        device=device_name(options.device),
        config={},
        build=build,
        absent=f"broken package: {reason}",
    )


def _with_weights(row: Row, load: Callable[[], Method]) -> Row:
    """Load the weights at once: a file that cannot be used is known before anything is scored.

    They are loaded again when the row's turn comes, so that a run over many checkpoints holds one.
    """
    try:
        method = load()
    except WeightsError as error:
        return replace(row, weights="", absent=f"weights not usable: {error}")
    loaded, config = method.weights, method.config
    assert loaded is not None

    def build() -> Method:
        method = load()
        if method.weights != loaded:
            raise WeightsError(f"{row.label}: {loaded.file} was changed during the run; start anew")
        return method

    card = loaded.titled(row.card)
    return replace(row, card=card, weights=loaded.sha256, loaded=loaded, config=config, build=build)


def _built_row(catalog: Catalog, method: Method, untrained: bool) -> Row:
    cls = type(method)
    name = next((n for n in catalog.names("methods") if catalog.provides(n, cls)), cls.__name__)
    config = ",".join(f"{key}={value}" for key, value in method.config.items())
    (weights, loaded), absent = carried_weights(method), None
    if weights == "untrained" and not untrained:
        weights, absent = "", _no_weights(name, cls.info.checkpoint)
    return Row(
        label=f"{name}[{config}]" if config else name,
        card=loaded.titled(cls.info) if loaded else cls.info,
        weights=weights,
        loaded=loaded,
        absent=absent,
        code=code_hash(cls),
        precision=method.precision,
        device=device_name(str(method.device)),
        config=method.config,
        build=lambda: method,
    )


def _no_weights(name: str, checkpoint: str) -> str:
    if not checkpoint:
        return "no weights: none are published; --untrained scores it with random ones"
    return (
        f"no weights: give --weights {name}=FILE ({checkpoint}); "
        "--untrained scores it with random ones"
    )
