"""`restorebench train`: train a network by a recipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import Plugins, say_written
from restorebench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from restorebench_methods.training.loop import Progress

LINE_EVERY_SECONDS = 10.0


def train(  # noqa: PLR0913 - each parameter is an option
    method: Annotated[str, typer.Option("--method", "-m", help="Which network to train.")],
    out: Annotated[Path, typer.Option(help="Folder of state, weights and card.")],
    recipe: Annotated[
        str | None,
        typer.Option(help="A recipe's name, or a YAML file.", show_default="the method's own"),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(
            envvar="RESTOREBENCH_DATA_ROOT",
            help="Folder that holds train/, and test/ if the test sets are there.",
            show_default="none",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Train so long.", show_default="the recipe's length")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Weights to begin from: a file, or weights that come with the method.",
            show_default="random",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="A torch device, such as cuda:0.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Of weights, crops and degradations.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make crops.")] = 0,
    graph: Annotated[
        bool, typer.Option("--graph", help="On CUDA, launch each step as a whole.")
    ] = False,
    save_every: Annotated[
        int, typer.Option(min=1, help="Steps between two savings of the state.")
    ] = 200,
    plugin: Plugins = None,
) -> None:
    """Train a network; the same command goes on where a training was stopped."""
    from restorebench.catalog import Catalog
    from restorebench_methods.training.card import finish
    from restorebench_methods.training.loop import Options, Training
    from restorebench_methods.training.recipe import find_course

    if data_root is None:
        raise UsageError("training needs images: give --data-root, the folder that holds train/")
    options = Options(
        data_root=data_root.expanduser(),
        out=out.expanduser(),
        device=device,
        seed=seed,
        steps=steps,
        init=init,
        workers=workers,
        graph=graph,
        save_every=save_every,
    )
    catalog = Catalog.installed(plugin or ())
    catalog.method(method)  # so that a misspelt method is not taken for a recipe
    with Training(find_course(method, recipe or method), options, catalog) as training:
        _follow(training.run())
        files = finish(training)
    say_written(files)


def _follow(steps: Iterable[Progress]) -> None:
    """Print a line every few seconds, and whenever photographs were restored."""
    began = last = time.monotonic()
    losses: list[Tensor] = []
    for taken, progress in enumerate(steps, 1):
        losses.append(progress.loss)  # not read at once, for that would make a GPU wait
        now = time.monotonic()
        due = now - last > LINE_EVERY_SECONDS or progress.step == progress.total
        if due or progress.psnr is not None:
            rate = taken / (now - began)
            mean = float(sum(losses)) / len(losses)
            psnr = "" if progress.psnr is None else f", validation {progress.psnr:.2f} dB"
            left = timedelta(seconds=round((progress.total - progress.step) / rate))
            sys.stderr.write(
                f"{time.strftime('%H:%M:%S')} step {progress.step}/{progress.total}, "
                f"loss {mean:.4f}{psnr}, rate {progress.lr:.2e}, "
                f"{rate:.2f} steps/s, {left} left\n"
            )
            last, losses = now, []
