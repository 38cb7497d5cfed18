"""The command line: one app out of the commands."""

from __future__ import annotations

from typing import Annotated

import typer

from restorebench.commands.compare import compare
from restorebench.commands.data import data
from restorebench.commands.doctor import doctor
from restorebench.commands.gate import gate
from restorebench.commands.names import info, list_
from restorebench.commands.profile import profile
from restorebench.commands.report import report
from restorebench.commands.run import run
from restorebench.commands.scale import collect, plan, status, work
from restorebench.commands.score import score
from restorebench.commands.verify import verify
from restorebench.console import fail, run_app
from restorebench.errors import SetupError
from restorebench.provided import by_packages

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Compare all-in-one image-restoration methods: every number with its protocol, its data "
    "and the count of images behind it.",
    epilog="Exit codes: 0 ok, 1 regression (gate), 2 usage or spec, 3 incomplete, "
    "4 environment (data, weights, device), 5 nothing selected, 130 interrupted.",
)
app.command()(run)
app.command()(plan)
app.command()(work)
app.command()(status)
app.command()(collect)
app.command()(score)
app.command("list")(list_)
app.command()(info)
app.command()(report)
app.command()(compare)
app.command()(gate)
app.command()(doctor)
app.command()(profile)
app.command()(verify)
app.add_typer(data, name="data")


def _print_version(asked: bool) -> None:
    if asked:
        from restorebench import __version__

        typer.echo(f"restorebench {__version__}")
        raise typer.Exit


@app.callback()
def before_commands(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line, with the commands of installed packages."""
    for _, command in sorted(by_packages(["commands"]), key=lambda pair: pair[1].name):
        try:
            loaded = command.load()
            if isinstance(loaded, typer.Typer):  # with commands of its own
                app.add_typer(loaded, name=command.name)
            else:
                app.command(command.name)(loaded)
        except SetupError as error:  # a broken package leaves the other commands alone
            fail(str(error))
    run_app(app)
