"""Options that several commands share, and what several of them print."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restorebench.console import console, fail
from restorebench.errors import BenchError, UsageError, did_you_mean

if TYPE_CHECKING:
    from restorebench.board.leaderboard import Leaderboard
    from restorebench.catalog import Catalog
    from restorebench.session import Session

INCOMPLETE = 3


class Data(StrEnum):
    """Where images come from."""

    auto = "auto"
    real = "real"
    sample = "sample"


class Precision(StrEnum):
    """Number type of the network."""

    float32 = "float32"
    tf32 = "tf32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Inference(StrEnum):
    """How networks compute."""

    optimised = "optimised"
    reference = "reference"


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
DataChoice = Annotated[
    Data, typer.Option(help="real: never fall back to the sample; sample: never use the real.")
]
Limit = Annotated[int | None, typer.Option(help="Score the first N images of each set only.")]
Protocols = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol",
        help="A protocol's name, or a YAML file. Repeatable: each gives a table of its own.",
        show_default="airnet",
    ),
]
Noise = Annotated[str | None, typer.Option(help="Noise scheme.", show_default="the protocol's own")]
Repeats = Annotated[
    int, typer.Option(help="Draw the noise of each image N times, and average its scores.")
]
PartialWeights = Annotated[
    bool, typer.Option("--partial-weights", help="Accept weights that do not fit, marked.")
]
Untrained = Annotated[
    bool, typer.Option("--untrained", help="Score networks without weights, marked as such.")
]
Pictures = Annotated[
    bool, typer.Option(help="Keep a crop of every scored image, which reports show.")
]
Device = Annotated[str, typer.Option(help="A torch device, such as cuda:0.")]
PrecisionChoice = Annotated[Precision, typer.Option(help="tf32: CUDA only; 16 bits: autocast.")]
Tile = Annotated[
    int | None,
    typer.Option(
        help="Restore larger images in tiles of SIZE x SIZE, which is another protocol.",
        metavar="SIZE",
        show_default="in one piece",
    ),
]
Overlap = Annotated[int, typer.Option(help="Pixels that neighbouring tiles share at least.")]
Batch = Annotated[
    int, typer.Option(help="Restore up to N successive images of one size at once.", metavar="N")
]
InferenceChoice = Annotated[
    Inference, typer.Option(help="reference: as the authors' code does, slower; marked.")
]
Workers = Annotated[int, typer.Option(min=1, help="How many bundles are measured at a time.")]
BundleSeconds = Annotated[
    float | None,
    typer.Option(
        min=0, help="How long a bundle should take.", show_default="what suits the executor"
    ),
]
Rounds = Annotated[
    int, typer.Option(min=1, help="How often an image is tried that no worker came back with.")
]
Style = Annotated[TableStyle, typer.Option(help="plain: SSIM 0.9123; paper: .912")]


def measure(session: Session) -> None:
    """Score what is not scored yet, and show on standard error how far that is."""
    from restorebench.progress import shown

    for _ in shown(session.measure(), session.total):
        pass


def say_written(files: Iterable[Path]) -> None:
    """Print which files were written."""
    from rich.text import Text

    names = [name if name.isprintable() else ascii(name) for name in map(str, files)]
    console().print(Text(f"written: {', '.join(names)}", "dim"))


def say_left_out(names: Sequence[str]) -> None:
    """Print which methods the table held before, if it lacks any now."""
    from rich.text import Text

    from restorebench.inert import printable

    if names:
        said = f"not in this table any more: {', '.join(names)}. Name them, too (-m), to have all"
        console().print(Text(printable(f"{said} in one; nothing is measured twice"), "yellow"))


def say_absent(session: Session) -> int:
    """Print which methods are not scored at all, and why; return the exit code."""
    rows = session.plans[0].rows
    return say_failed(f"{row.label}: {row.absent}" for row in rows if row.absent is not None)


def say_failed(lines: Iterable[str]) -> int:
    """Print what failed; return the exit code."""
    code = 0
    for line in lines:
        fail(line)
        code = INCOMPLETE
    return code


def show(board: Leaderboard, style: Any) -> None:
    """Print a board as a table."""
    from restorebench.board.table import table_of
    from restorebench.terminal import print_table

    print_table(table_of(board, style), console())


def weights_of(
    given: list[str] | None, methods: list[str], catalog: Catalog
) -> list[tuple[str, str]]:
    """Return the method and the path that each ``--weights`` option means.

    The name of weights that come with methods is meant for all of these that are selected.

    Raises:
        UsageError: if an option names no method and not exactly one network is selected, or is
            neither a file nor begins with the name of a method.
    """
    from restorebench.plan import method_name

    found = []
    for text in given or []:
        if own := [name for name in methods if text in catalog.shipped_weights(name)]:
            found += [(name, text) for name in own]
            continue
        name, equals, path = text.partition("=")
        # Lightning's own file names hold an equals sign: epoch=9-step=100.ckpt.
        if not equals or (
            name not in methods and method_name(name) not in catalog.names("methods")
        ):
            # A pattern is the gate's, which looks for its files.
            if equals and not (Path(text).expanduser().exists() or glob.has_magic(text)):
                hint = did_you_mean(name, catalog.names("methods"))
                raise UsageError(
                    f"--weights {text}: no such file, and no method is called {name!r}.{hint}"
                )
            usable = importable(catalog, methods)
            networks = [m for m in usable if catalog.method(m).info.needs_weights]
            if len(networks) != 1:
                raise UsageError(f"--weights {text}: say for which method, as --weights NAME=FILE")
            name, path = networks[0], text
        found.append((name, path))
    return found


def importable(catalog: Catalog, methods: list[str]) -> list[str]:
    """Return those that are methods, of packages that can be imported."""
    found = []
    for name in methods:
        with suppress(BenchError):
            catalog.method(name)
            found.append(name)
    return found
