"""Options that several commands share, and what several of them print."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restorebench.console import console, fail
from restorebench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from restorebench.catalog import Catalog
    from restorebench.leaderboard import Leaderboard

INCOMPLETE = 3


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


def weights_by_name(given: list[str]) -> dict[str, Path]:
    """Return the files of NAME=FILE arguments.

    Raises:
        UsageError: if one has no name.
    """
    found = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals:
            raise UsageError(f"--weights {text}: say for which method, as --weights NAME=FILE")
        found[name] = Path(path)
    return found


def say_written(files: Iterable[Path]) -> None:
    """Print which files were written."""
    from rich.text import Text

    names = [name if name.isprintable() else ascii(name) for name in map(str, files)]
    console().print(Text(f"written: {', '.join(names)}", "dim"))


def say_failed(lines: Iterable[str]) -> int:
    """Print what failed; return the exit code."""
    code = 0
    for line in lines:
        fail(line)
        code = INCOMPLETE
    return code


def show(board: Leaderboard, style: Any) -> None:
    """Print a board as a table."""
    from restorebench.table import table_of
    from restorebench.terminal import print_table

    print_table(table_of(board, style), console())


def importable(catalog: Catalog, methods: list[str]) -> list[str]:
    """Return those that are methods, of packages that can be imported."""
    found = []
    for name in methods:
        with suppress(BenchError):
            catalog.method(name)
            found.append(name)
    return found
