"""The command line: parse, call, print. Heavy imports happen inside the commands."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restorebench.console import console, fail, run_app
from restorebench.errors import BenchError, NothingSelectedError, UsageError

if TYPE_CHECKING:
    from restorebench.catalog import Catalog
    from restorebench.leaderboard import Leaderboard
    from restorebench.session import Session

INCOMPLETE = 3

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Compare all-in-one image-restoration methods: every number with its protocol, its data "
    "and the count of images behind it.",
    epilog="Exit codes: 0 ok, 2 usage or spec, 3 incomplete, 4 environment (data, weights, "
    "device), 5 nothing selected, 130 interrupted.",
)


class Data(StrEnum):
    """Where images come from."""

    auto = "auto"
    real = "real"
    sample = "sample"


class Precision(StrEnum):
    """Number type of the network."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class TableStyle(StrEnum):
    """How tables print numbers."""

    plain = "plain"
    paper = "paper"


DataRoot = Annotated[
    Path | None,
    typer.Option(
        envvar="RESTOREBENCH_DATA_ROOT",
        help="Folder that holds test/ as the AirNet and PromptIR repositories lay it out.",
        show_default="none: the embedded sample",
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file that provides METHODS, DATASETS, ... Repeatable."),
]
Style = Annotated[TableStyle, typer.Option(help="plain: SSIM 0.9123; paper: .912")]


@app.command()
def run(  # noqa: PLR0913 - each parameter is an option
    suite: Annotated[str, typer.Option(help="A suite's name, or a YAML file.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Repeatable.", show_default="all installed"),
    ] = None,
    data_root: DataRoot = None,
    data: Annotated[
        Data, typer.Option(help="real: never fall back to the sample; sample: never use the real.")
    ] = Data.auto,
    limit: Annotated[
        int | None, typer.Option(help="Score the first N images of each set only.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="A protocol's name, or a YAML file.")] = "airnet",
    noise: Annotated[
        str | None, typer.Option(help="Noise scheme.", show_default="the protocol's own")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="METHOD=FILE; just FILE if one network is selected. Repeatable."),
    ] = None,
    partial_weights: Annotated[
        bool, typer.Option("--partial-weights", help="Accept weights that do not fit, marked.")
    ] = False,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Score networks without weights, marked as such.")
    ] = False,
    device: Annotated[str, typer.Option(help="A torch device, such as cuda:0.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="Autocast type.")] = Precision.float32,
    out: Annotated[Path | None, typer.Option(help="Run folder.", show_default="runs/SUITE")] = None,
    style: Style = TableStyle.plain,
    plugin: Plugins = None,
) -> None:
    """Score methods on a suite; the same command goes on where a run was stopped."""
    from restorebench.catalog import Catalog
    from restorebench.session import Options, Session

    catalog = Catalog.installed(plugin or ())
    methods = method or _all_methods(catalog)
    options = Options(
        data_root=data_root,
        data=data.value,
        limit=limit,
        device=device,
        precision=precision.value,
        protocol=protocol,
        noise=noise,
        weights=_weights(weights or [], methods, catalog),
        strict=not partial_weights,
        untrained=untrained,
    )
    session = Session(suite, methods, options, out, catalog)
    _measure(session)
    board, files = session.finish(style.value)
    _show(board, style.value)
    _say_written(files)
    raise typer.Exit(_verdict(board, demanded=method is not None))


@app.command("list")
def list_(
    what: Annotated[
        str, typer.Argument(help="methods, suites, tasks, datasets, protocols, noise, ...")
    ] = "methods",
    plugin: Plugins = None,
) -> None:
    """List what is installed."""
    from rich.table import Table
    from rich.text import Text

    from restorebench.catalog import GROUPS, Catalog
    from restorebench.errors import UnknownNameError

    if what not in GROUPS:
        raise UnknownNameError("group", what, GROUPS)
    catalog = Catalog.installed(plugin or ())
    table = Table(box=None, header_style="bold")
    headings, rows = _listing(catalog, what)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table)
    for line in catalog.broken([what]):
        fail(line)


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="A method, suite, task, data set or protocol.")],
    plugin: Plugins = None,
) -> None:
    """Say what is known about a name."""
    from restorebench.catalog import Catalog
    from restorebench.describe import describe

    for key, value in describe(Catalog.installed(plugin or ()), name):
        console().print(f"[bold]{key:<16}[/bold] ", end="")
        console().print(value, markup=False, highlight=False)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to.", show_default="the run folder")
    ] = None,
    style: Style = TableStyle.plain,
) -> None:
    """Write the tables of a run again, without measuring anything."""
    from restorebench.catalog import Catalog
    from restorebench.leaderboard import Leaderboard
    from restorebench.session import write_board

    board = Leaderboard.load(folder)
    files = write_board(board, out or folder, Catalog.installed(), style.value)
    _show(board, style.value)
    _say_written(files)


@app.command()
def doctor(data_root: DataRoot = None, plugin: Plugins = None) -> None:
    """Say what is installed, which data sets are there and whether they are the known ones.

    Ends with 3 if a set is damaged or another than its name says.
    """
    from rich.table import Table
    from rich.text import Text

    from restorebench.catalog import Catalog
    from restorebench.doctor import check_datasets, check_machine

    screen = console()
    for key, value in check_machine():
        screen.print(Text.assemble((f"{key:<16} ", "bold"), value))
    table = Table(box=None, header_style="bold")
    for heading in ("task", "images", "fingerprint", "verdict"):
        table.add_column(heading, overflow="fold")
    catalog = Catalog.installed(plugin or ())
    for line in catalog.broken():
        fail(line)
    checks = check_datasets(catalog, data_root)
    for check in checks:
        table.add_row(*map(Text, (check.task, check.images, check.fingerprint, check.verdict)))
    screen.print(table)
    for check in checks:
        if check.advice:
            screen.print(Text(f"{check.task}: {check.advice}", "dim"))
    raise typer.Exit(INCOMPLETE if any(check.wrong for check in checks) else 0)


def main() -> None:
    """Run the command line."""
    run_app(app)


def _say_written(files: list[Path]) -> None:
    from rich.text import Text

    console().print(Text(f"written: {', '.join(map(str, files))}", "dim"))


def _show(board: Leaderboard, style: Any) -> None:
    from restorebench.table import table_of
    from restorebench.terminal import print_table

    print_table(table_of(board, style), console())


def _weights(given: list[str], methods: list[str], catalog: Catalog) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals:
            usable = _importable(catalog, methods)
            networks = [m for m in usable if catalog.method(m).info.needs_weights]
            if len(networks) != 1:
                raise UsageError(f"--weights {text}: say for which method, as --weights NAME=FILE")
            name, path = networks[0], text
        found[name] = Path(path)
    return found


def _listing(catalog: Catalog, what: str) -> tuple[list[str], list[list[str]]]:
    if what == "methods":
        cards = [
            (n, catalog.method(n).info) for n in _importable(catalog, catalog.names("methods"))
        ]
        rows = [[n, c.title, c.status, "yes" if c.needs_weights else "no"] for n, c in cards]
        return ["method", "title", "status", "needs weights"], rows
    if what == "suites":
        suites = [catalog.suite(n) for n in catalog.names("suites")]
        rows = [[s.name, s.title, ", ".join(t.name for t in s.tasks), s.average] for s in suites]
        return ["suite", "title", "tasks", "average"], rows
    return [what.removesuffix("s")], [[name] for name in catalog.names(what)]


def _all_methods(catalog: Catalog) -> list[str]:
    """Return the names of all methods, those that can be scored without weights first."""
    names = catalog.names("methods")
    usable = _importable(catalog, names)
    ready = [name for name in usable if not catalog.method(name).info.needs_weights]
    return ready + [name for name in names if name not in ready]


def _importable(catalog: Catalog, methods: list[str]) -> list[str]:
    """Return those that are methods, of packages that can be imported."""
    found = []
    for name in methods:
        with suppress(BenchError):
            catalog.method(name)
            found.append(name)
    return found


def _measure(session: Session) -> None:
    from restorebench.progress import shown

    for _ in shown(session.measure(), session.total):
        pass


def _verdict(board: Leaderboard, *, demanded: bool) -> int:
    """Return the exit code: 0 only if something was scored and nothing demanded is missing."""
    failures = board.failures()
    absent = [f"{row.name}: {row.absent}" for row in board.info.rows if row.absent]
    for line in failures[:10]:
        fail(line)
    if len(failures) > 10:
        fail(f"and {len(failures) - 10} more failed images; records.csv has all")
    if demanded:
        for line in absent:
            fail(line)
    if board.scored == 0 and not failures:
        return 4 if absent else NothingSelectedError.exit_code
    return INCOMPLETE if failures or (demanded and absent) else 0
