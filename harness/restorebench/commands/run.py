"""`restorebench run`: score methods on a suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import (
    INCOMPLETE,
    Batch,
    BundleSeconds,
    Data,
    DataChoice,
    DataRoot,
    Device,
    Inference,
    InferenceChoice,
    Limit,
    Noise,
    Overlap,
    PartialWeights,
    Pictures,
    Plugins,
    Precision,
    PrecisionChoice,
    Protocols,
    Repeats,
    Rounds,
    Style,
    TableStyle,
    Tile,
    Untrained,
    Workers,
    importable,
    measure,
    say_absent,
    say_failed,
    say_left_out,
    say_written,
    show,
    weights_of,
)
from restorebench.console import fail
from restorebench.errors import NothingSelectedError, SetupError

if TYPE_CHECKING:
    from restorebench.board.leaderboard import Leaderboard
    from restorebench.catalog import Catalog
    from restorebench.session import Session


SuiteName = Annotated[str, typer.Option(help="A suite's name, or a YAML file.")]
Methods = Annotated[
    list[str] | None,
    typer.Option("--method", "-m", help="Repeatable.", show_default="all installed"),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        help="METHOD=FILE; just FILE if one network is selected; or weights that come with "
        "methods. Repeatable.",
        show_default="small, where a method comes with them",
    ),
]
CostsToo = Annotated[
    bool, typer.Option("--costs", help="Measure parameters, MACs and latency, too, at 224x224.")
]
Executor = Annotated[
    str | None,
    typer.Option(
        help="Who measures: local, ray, slurm, or hand (anyone, by `restorebench work`).",
        show_default="this process, without bundles",
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="NAME=VALUE for the executor. Repeatable.")
]
Detach = Annotated[
    bool, typer.Option("--detach", help="End once bundles are handed over; then collect.")
]
OnlyPlan = Annotated[
    bool, typer.Option("--plan", help="Only say what it will cost, as `restorebench plan`.")
]
Earlier = Annotated[
    list[Path] | None,
    typer.Option(help="With --plan: a run whose times correct the prediction. Repeatable."),
]
Out = Annotated[Path | None, typer.Option(help="Run folder.", show_default="runs/SUITE")]


def run(  # noqa: PLR0913 - each parameter is an option
    suite: SuiteName,
    method: Methods = None,
    data_root: DataRoot = None,
    data: DataChoice = Data.auto,
    limit: Limit = None,
    protocol: Protocols = None,
    noise: Noise = None,
    repeats: Repeats = 1,
    weights: Weights = None,
    partial_weights: PartialWeights = False,
    untrained: Untrained = False,
    costs: CostsToo = False,
    device: Device = "cpu",
    precision: PrecisionChoice = Precision.float32,
    inference: InferenceChoice = Inference.optimised,
    tile: Tile = None,
    overlap: Overlap = 32,
    pictures: Pictures = True,
    batch: Batch = 1,
    executor: Executor = None,
    workers: Workers = 1,
    setting: Settings = None,
    bundle_seconds: BundleSeconds = None,
    rounds: Rounds = 3,
    detach: Detach = False,
    only_plan: OnlyPlan = False,
    earlier: Earlier = None,
    out: Out = None,
    style: Style = TableStyle.plain,
    plugin: Plugins = None,
) -> None:
    """Score methods on a suite; the same command goes on where a run was stopped."""
    from restorebench.catalog import Catalog
    from restorebench.commands.handing import handed_over, settings_from, show_plan
    from restorebench.rows import Options, weights_for
    from restorebench.scale.dispatch import front
    from restorebench.scale.order import Order
    from restorebench.session import Session

    catalog, demanded = Catalog.installed(plugin or ()), method is not None
    methods = method or _all_methods(catalog)
    given = {m: Path(p) for m, p in weights_of(weights, methods, catalog)}
    options = Options(
        data_root=data_root,
        data=data.value,
        limit=limit,
        device=device,
        precision=precision.value,
        tile=tile,
        overlap=overlap,
        inference=inference.value,
        protocols=tuple(protocol or ["airnet"]),
        noise=noise,
        repeats=repeats,
        weights=weights_for(catalog, methods, given, untrained=untrained),
        strict=not partial_weights,
        untrained=untrained,
        pictures=pictures,
        costs=costs,
        batch=batch,
    )
    if only_plan or executor is not None:
        order = Order(
            session="",
            suite=suite,
            methods=tuple(methods),
            demanded=demanded,
            options=options,
            plugins=tuple(plugin or ()),
            here=Path.cwd(),
            executor=executor or "hand",
            workers=workers,
            settings=settings_from(setting or ()),
            bundle_seconds=bundle_seconds,
            rounds=rounds,
        )
        if only_plan:
            planned = show_plan(order, out, earlier or (), catalog)
            raise typer.Exit(say_absent(planned) if demanded else 0)
        session = front(order, out, catalog)
        _say_absent_before(session, demanded=demanded)
        code = handed_over(order, session, detach=detach)
        if detach:
            return
        raise typer.Exit(max(code, finish(session, style, demanded=demanded)))
    session = Session(suite, methods, options, out, catalog)
    _say_absent_before(session, demanded=demanded)
    measure(session)
    code = _measure_costs(session)
    raise typer.Exit(max(code, finish(session, style, demanded=demanded)))


def _say_absent_before(session: Session, *, demanded: bool) -> None:
    """Print what will be missing before a long run; a short one says it at its end alone."""
    if demanded and session.total:
        say_absent(session)


def _measure_costs(session: Session) -> int:
    """Measure costs if they are asked for, and print what failed; return the exit code."""
    last = {record.key: record for record in session.measure_costs()}
    failed = [record for record in last.values() if record.error]
    return say_failed(f"costs of {r.identity.method}: {r.error}" for r in failed)


def finish(session: Session, style: TableStyle, *, demanded: bool) -> int:
    """Write and print a session's boards; return the exit code."""
    codes = []
    for written in session.finish(style.value):
        show(written.board, style.value)
        say_written(written.files)
        say_left_out(written.left_out)
        codes += [say_failed(written.failures), _verdict(written.board)]
    if demanded:
        codes.append(say_absent(session))
    return max(codes)


def _all_methods(catalog: Catalog) -> list[str]:
    """Return the names of all methods: without weights, with weights of their own, the others."""
    names = catalog.names("methods")
    usable = importable(catalog, names)
    ready = [name for name in usable if not catalog.method(name).info.needs_weights]
    ready += [name for name in usable if name not in ready and catalog.shipped_weights(name)]
    return ready + [name for name in names if name not in ready]


def _verdict(board: Leaderboard) -> int:
    """Print what failed; return the exit code, which is 0 only if something was scored."""
    failures = board.failures()
    for line in failures[:10]:
        fail(line)
    if len(failures) > 10:
        fail(f"and {len(failures) - 10} more failed images; records.csv has all")
    lacking = [
        f"{m.title} unavailable: {m.unavailable}" for m in board.info.metrics if m.unavailable
    ]
    for line in lacking:
        fail(line)
    if board.scored == 0 and not failures:
        absent = any(row.absent for row in board.info.rows)
        return SetupError.exit_code if absent else NothingSelectedError.exit_code
    return INCOMPLETE if failures or lacking else 0
