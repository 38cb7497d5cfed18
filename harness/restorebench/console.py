"""The process around a command: one-line errors, exit codes, interrupts, terminals of any kind."""

from __future__ import annotations

import signal
import sys
import traceback
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

import typer

from restorebench.errors import BenchError, SetupError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130
UNEXPECTED = 3
"""After a traceback: python's own 1 would say that a checkpoint is worse."""


def run_app(app: typer.Typer) -> NoReturn:
    """Run a command line; every expected failure is one line and its own exit code."""
    # A job scheduler's request to end is an interrupt, too: the store is closed in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that has no σ, and no lines for tables, shows their numbers.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # newer versions of typer turn the interrupt into this code
            raise KeyboardInterrupt
    except BenchError as error:
        fail(str(error))
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted; what was done is stored, and the same command goes on from there")
        code = INTERRUPTED
    except OSError as error:  # such as a full disk behind standard output
        fail(f"the system refused: {error}")
        code = SetupError.exit_code
    except Exception as error:
        code = _foreign_exit(error)
    sys.exit(code or 0)


def fail(message: str) -> None:
    """Print one line on standard error."""
    typer.echo(f"restorebench: {message}", err=True)


def console() -> Console:
    """Return where output goes; off a terminal rich would assume 80 columns and fold tables."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=200)


def _foreign_exit(error: Exception) -> int:
    """Print a usage error of the command-line library as ours are printed, else a traceback.

    Newer versions of typer carry a copy of click of their own, whose exceptions have no public
    name; they are known by how they print themselves.
    """
    if type(error).__name__ == "NoArgsIsHelpError" and hasattr(error, "show"):
        error.show()
    elif hasattr(error, "format_message"):
        fail(" ".join(str(error.format_message()).split()))
    else:
        traceback.print_exception(error)
        return UNEXPECTED
    return UsageError.exit_code
