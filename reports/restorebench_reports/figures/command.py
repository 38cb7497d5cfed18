"""`restorebench figure`: figures for papers, from runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from restorebench.commands.options import DataRoot, Plugins, say_written, weights_of
from restorebench.errors import UsageError

if TYPE_CHECKING:
    from restorebench.board.leaderboard import Leaderboard
    from restorebench.pictures import Crop
    from restorebench_reports.figures.representation import Seen
    from restorebench_reports.figures.style import Drawing

figure = typer.Typer(
    no_args_is_help=True,
    help="Draw a run as PDF, PNG and a LaTeX file with its caption.",
)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder.", show_default="RUN/figures")
]
Cost = Literal["parameters", "macs", "latency_ms"]


@figure.command("bubble")
def bubble_(
    run: Run,
    cost: Annotated[Cost, typer.Option(help="The horizontal axis.")] = "macs",
    task: Annotated[
        str | None, typer.Option(help="A task.", show_default="the average, or the only one")
    ] = None,
    out: Out = None,
) -> None:
    """PSNR against parameters, MACs or latency; needs costs: run --costs."""
    from restorebench_reports.figures.bubble import bubble

    _save(bubble(_board(run), cost, task), run, out, "bubble")


@figure.command("bars")
def bars_(
    run: Run,
    over: Annotated[
        str | None, typer.Option(help="A row to subtract, such as identity; adds intervals.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Of the run's protocol.", show_default="the first")
    ] = None,
    out: Out = None,
) -> None:
    """Each method's mean on each degradation."""
    from restorebench_reports.figures.bars import bars

    _save(bars(_board(run), over, metric), run, out, "bars")


@figure.command("strip")
def strip_(
    run: Run,
    task: Annotated[str | None, typer.Option(show_default="the first")] = None,
    image: Annotated[str | None, typer.Option(show_default="on which methods differ most")] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="Repeatable.", show_default="all")
    ] = None,
    zoom: Annotated[
        str | None,
        typer.Option(help="What is enlarged: LEFT,TOP,WIDTH,HEIGHT in pixels of the picture."),
    ] = None,
    out: Out = None,
) -> None:
    """One image: degraded, restored by each method and target, with a part enlarged."""
    from restorebench_reports.figures.strip import kept_panels, strip

    board = _board(run)
    panels, task, image = kept_panels(board, run, task, image, method)
    _save(strip(board, panels, task, image, _crop(zoom)), run, out, "strip")


Images = Annotated[int, typer.Option(min=1, help="Of each task.")]
Layer = Annotated[
    str | None,
    typer.Option(help="Which representation, see info METHOD.", show_default="the first"),
]
Methods = Annotated[list[str], typer.Option("--method", "-m", help="A row of the run. Repeatable.")]
Weights = Annotated[
    list[str] | None, typer.Option(help="METHOD=FILE, if it has moved. Repeatable.")
]


@figure.command("embedding")
def embedding_(
    run: Run,
    method: Methods,
    layer: Layer = None,
    images: Images = 30,
    data_root: DataRoot = None,
    weights: Weights = None,
    plugin: Plugins = None,
    out: Out = None,
) -> None:
    """How networks tell degradations apart: embeddings of images in two dimensions."""
    from restorebench_reports.figures.embedding import embedding

    board = _board(run)
    found = _seen(board, method, images, data_root, weights, plugin)
    _save(embedding(board, found, layer), run, out, "embedding")


@figure.command("affinity")
def affinity_(
    run: Run,
    method: Annotated[str, typer.Option("--method", "-m", help="A row of the run.")],
    layer: Layer = None,
    maps: Annotated[int, typer.Option(min=1, help="How many beside each image.")] = 5,
    data_root: DataRoot = None,
    weights: Weights = None,
    plugin: Plugins = None,
    out: Out = None,
) -> None:
    """Where a network finds which degradation: its maps of the first image of each task."""
    from restorebench_reports.figures.affinity import affinity

    board = _board(run)
    found = _seen(board, [method], 1, data_root, weights, plugin)[method]
    _save(affinity(board, method, found, layer, maps), run, out, "affinity")


def _seen(
    board: Leaderboard,
    methods: list[str],
    images: int,
    data_root: Path | None,
    weights: list[str] | None,
    plugin: list[Path] | None,
) -> dict[str, list[Seen]]:
    from restorebench.catalog import Catalog
    from restorebench.replan import plan_again
    from restorebench_reports.figures.representation import seen

    catalog = Catalog.installed(plugin or ())
    moved = {name: Path(path) for name, path in weights_of(weights, methods, catalog)}
    plan = plan_again(board.info, catalog, data_root=data_root, weights=moved)
    return {name: list(seen(board, plan, name, images)) for name in methods}


def _crop(text: str | None) -> Crop | None:
    from restorebench.pictures import Crop

    if text is None:
        return None
    try:
        left, top, width, height = map(int, text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--zoom {text}: four whole numbers are needed, such as 40,20,64,64"
        ) from error
    return Crop(top=top, left=left, height=height, width=width)


def _board(run: Path) -> Leaderboard:
    from restorebench.board.leaderboard import Leaderboard

    return Leaderboard.load(run)


def _save(drawing: Drawing, run: Path, out: Path | None, name: str) -> None:
    from restorebench_reports.figures.style import save

    say_written(save(drawing, (out or run / "figures") / name))
