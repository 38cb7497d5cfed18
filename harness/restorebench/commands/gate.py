"""`restorebench gate`: whether checkpoints are worse than a baseline."""

from __future__ import annotations

import glob
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import (
    Data,
    DataChoice,
    DataRoot,
    Device,
    Limit,
    Noise,
    Overlap,
    PartialWeights,
    Plugins,
    Precision,
    PrecisionChoice,
    Tile,
    Untrained,
    measure,
    say_written,
    weights_of,
)
from restorebench.console import INTERRUPTED, UNEXPECTED, console, fail
from restorebench.errors import BenchError, NothingSelectedError, SetupError, UsageError

if TYPE_CHECKING:
    from restorebench.gate.report import GateReport
    from restorebench.session import Session

Checkpoints = Annotated[
    list[str] | None,
    typer.Option(
        help="METHOD=FILE; just FILE if one network is selected. A folder, or a quoted pattern "
        "such as 'ckpts/*.ckpt', gates every file. Repeatable."
    ),
]
Update = Annotated[
    bool, typer.Option("--update", help="Make the measurement the baseline, instead.")
]
Tolerances = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=LOSS: what a metric may lose, such as psnr=0.05 (dB), macs=0.1 or "
        "parameters=inf (shares of the baseline). Repeatable."
    ),
]
TimeToo = Annotated[
    bool, typer.Option("--latency", help="Gate the time of an image; needs a quiet machine.")
]
MemoryToo = Annotated[bool, typer.Option("--memory", help="Gate the peak memory of a CUDA device.")]
SUFFIXES = (".ckpt", ".pth", ".pt", ".safetensors")


def gate(  # noqa: PLR0913 - each parameter is an option
    suite: Annotated[str, typer.Option(help="A suite's name, or a YAML file.")],
    method: Annotated[list[str], typer.Option("--method", "-m", help="Repeatable.")],
    baseline: Annotated[
        Path | None, typer.Option(help="JSON file.", show_default="baselines/SUITE.json")
    ] = None,
    weights: Checkpoints = None,
    update: Update = False,
    tolerance: Tolerances = None,
    latency: TimeToo = False,
    memory: MemoryToo = False,
    data_root: DataRoot = None,
    data: DataChoice = Data.auto,
    limit: Limit = None,
    protocol: Annotated[str, typer.Option(help="A protocol's name, or a YAML file.")] = "airnet",
    noise: Noise = None,
    partial_weights: PartialWeights = False,
    untrained: Untrained = False,
    device: Device = "cpu",
    precision: PrecisionChoice = Precision.float32,
    tile: Tile = None,
    overlap: Overlap = 32,
    out: Annotated[Path, typer.Option(help="Folder of records and reports.")] = Path("runs/gate"),
    plugin: Plugins = None,
) -> None:
    """Compare checkpoints with a baseline; ends with 1 if any of them is worse.

    0 pass, 1 regression, 2 usage or spec, 3 incomplete or not comparable, 4 environment, 5 nothing
    selected, 130 interrupted. Every report says the same in words.
    """
    from restorebench.catalog import Catalog
    from restorebench.gate.gating import Gating
    from restorebench.rows import Options
    from restorebench.session import Session
    from restorebench.terminal import print_gate

    out = out.expanduser()
    with _reported(out):
        tolerances = dict(map(_tolerance, tolerance or []))
        catalog = Catalog.installed(plugin or ())
        rows, files = _rows(method, _checkpoints(weights_of(weights, method, catalog)))
        options = Options(
            data_root=data_root,
            data=data.value,
            limit=limit,
            device=device,
            precision=precision.value,
            tile=tile,
            overlap=overlap,
            protocols=(protocol,),
            noise=noise,
            weights=files,
            strict=not partial_weights,
            untrained=untrained,
            pictures=False,  # a gate looks at numbers
        )
        session = Session(suite, rows, options, out, catalog)
        gating = Gating(
            session=session,
            path=_baseline(baseline, session),
            measure=lambda: measure(session),
            latency=latency,
            memory=memory,
        )
        report = gating.update() if update else gating.compare(tolerances)
        print_gate(report, console())
        say_written(_written(report, out))
    raise typer.Exit(report.exit_code)


def _rows(
    methods: list[str], checkpoints: dict[str, dict[str, Path]]
) -> tuple[list[str], dict[str, Path]]:
    """Return the rows' names, one for each checkpoint, and the checkpoint of each."""
    unknown = ", ".join(sorted(checkpoints.keys() - set(methods)))
    if unknown:
        raise UsageError(f"weights are given for {unknown}, not selected by -m")
    rows = [row for name in dict.fromkeys(methods) for row in checkpoints.get(name, (name,))]
    return rows, {row: file for found in checkpoints.values() for row, file in found.items()}


def _baseline(given: Path | None, session: Session) -> Path:
    name = f"{session.plans[0].suite.name}.json"
    return Path("baselines") / name if given is None else given.expanduser()


@contextmanager
def _reported(out: Path) -> Iterator[None]:
    """Write reports of an error, too, so that none is left that tells of an earlier gate."""
    from restorebench.gate.report import error_report

    try:
        yield
    except BaseException as error:
        try:
            _written(error_report(*_ending(error)), out)
        except BenchError as another:
            fail(str(another))
        raise


def _ending(error: BaseException) -> tuple[int, str]:
    if isinstance(error, BenchError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "the gate was interrupted"
    if isinstance(error, OSError):
        return SetupError.exit_code, f"the system refused: {error}"
    return UNEXPECTED, f"unexpected {type(error).__name__}: {error}"


def _written(report: GateReport, out: Path) -> list[Path]:
    from restorebench.catalog import Catalog

    files = [report.save(out)]
    catalog = Catalog.installed()
    for name in catalog.names("gate_renderers"):
        files += catalog.renderer(name, "gate_renderers")(report, out)
    return files


def _checkpoints(given: list[tuple[str, str]]) -> dict[str, dict[str, Path]]:
    """Return the checkpoints of each method by their rows' names, such as ``hair@epoch_9``."""
    files: dict[str, list[Path]] = {}
    for name, text in given:
        files.setdefault(name, []).extend(_files(text))
    return {name: _labelled(name, list(dict.fromkeys(found))) for name, found in files.items()}


def _files(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    elif path.exists() or not glob.has_magic(text):
        return [path]
    else:
        found = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
    if not found:
        raise NothingSelectedError(f"--weights {text}: no checkpoint is there")
    return found


def _labelled(name: str, files: list[Path]) -> dict[str, Path]:
    """Name each file by as little of its path as tells it from the others."""
    from restorebench.board.table import printable
    from restorebench.data.dataset import readable

    deepest = max(len(file.parts) for file in files)
    for depth in range(1, deepest + 1):
        for shortened in ([f.with_suffix("") for f in files], files):
            labels = [printable(readable("/".join(file.parts[-depth:]))) for file in shortened]
            if len(set(labels)) == len(labels):
                return {f"{name}@{label}": f for label, f in zip(labels, files, strict=True)}
    raise UsageError(f"{name}: two checkpoints differ in control characters only; rename one")


def _tolerance(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        loss = float(number)
    except ValueError:
        loss = math.nan
    if not loss >= 0:
        raise UsageError(f"--tolerance {text}: say NAME=LOSS, such as psnr=0.05")
    return name, loss
