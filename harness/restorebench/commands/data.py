"""`restorebench data`: what lies on disk, and whether it is what it should be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import INCOMPLETE, DataRoot, Plugins
from restorebench.console import console, fail
from restorebench.errors import DataError, NothingSelectedError, SetupError, UsageError

if TYPE_CHECKING:
    from restorebench.catalog import Catalog
    from restorebench.data.dataset import Dataset
    from restorebench.data.evidence import Evidence
    from restorebench.data.verification import Verdict

data = typer.Typer(
    no_args_is_help=True,
    help="Check test sets on disk, record them, and compare them with training images.",
)

Datasets = Annotated[
    list[str] | None,
    typer.Option("--dataset", help="A name or a YAML file. Repeatable.", show_default="all"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, with all names.")]


@data.command()
def verify(
    data_root: DataRoot = None,
    dataset: Datasets = None,
    as_json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Say of each set whether it is there, whole, and the copy that papers score.

    Ends with 0 if all that is there is in order, with 3 if not, and with 5 if none is there.
    """
    from restorebench.catalog import Catalog
    from restorebench.data.verification import verify
    from restorebench.image import decoder_versions

    root = _folder(data_root, "--data-root")
    sets = _datasets(Catalog.installed(plugin or ()), dataset)
    verdicts = [verify(one, root) for one in sets]
    if as_json:
        found = [{**asdict(verdict), "ok": not verdict.is_wrong} for verdict in verdicts]
        _print_json({"data_root": str(root), "decoder": decoder_versions(), "datasets": found})
    else:
        _show(verdicts, asked=dataset is not None)
    if all(verdict.status == "absent" for verdict in verdicts):
        above = root.resolve().parent
        hint = f"but some below {above}: give that" if any(s.find(above) for s in sets) else ""
        raise NothingSelectedError(f"no set was found below {root}{', ' if hint else ''}{hint}")
    raise typer.Exit(INCOMPLETE if any(verdict.is_wrong for verdict in verdicts) else 0)


@data.command()
def manifest(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of images.", show_default=False)
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A set by its name or YAML file, in place of a folder.")
    ] = None,
    data_root: DataRoot = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="JSON file.", show_default="standard output")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Record name, size and hashes of each image: bytes, decoded pixels, and what it shows."""
    from restorebench.catalog import Catalog
    from restorebench.data.evidence import gather, manifest_of

    if (folder is None) == (dataset is None):
        raise UsageError("give either a folder, or --dataset with --data-root")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageError(f"--out {out}: give a file in a folder that is there")
    if folder is not None:
        evidence = _loose(folder)
    else:
        (one,) = _datasets(Catalog.installed(plugin or ()), [dataset or ""], only_one=True)
        evidence = gather(one, one.find(_folder(data_root, "--data-root")))
    text = manifest_of(evidence).text()
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
    raise typer.Exit(_say_unseen(evidence))


@data.command()
def overlap(
    train: Annotated[Path, typer.Option(help="Folder of training images.")],
    data_root: DataRoot = None,
    dataset: Datasets = None,
    as_json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Name every test image that is among the training images.

    Re-encoded, resized, flipped and turned copies are found; crops of a part are not. Ends with 3
    if there is one.
    """
    from restorebench.board.table import printable
    from restorebench.catalog import Catalog
    from restorebench.data.evidence import gather
    from restorebench.data.overlap import overlaps

    root = _folder(data_root, "--data-root")
    sets = [(one, one.find(root)) for one in _datasets(Catalog.installed(plugin or ()), dataset)]
    tests = [gather(one, items) for one, items in sets if items]
    if not tests:
        raise NothingSelectedError(f"no test set was found below {root}")
    training = _loose(train)
    if not training.seen:
        raise NothingSelectedError(f"{train}: no image was found that could be compared")
    found = [pair for test in tests for pair in overlaps(training, test)]
    compared = {test.dataset.name: len(test.items) for test in tests}
    if as_json:
        pairs = [asdict(pair) for pair in found]
        _print_json({"train": len(training.seen), "compared": compared, "overlaps": pairs})
    else:
        for pair in found:
            typer.echo(printable(str(pair)))
        sets_in_words = ", ".join(f"{name} ({count})" for name, count in compared.items())
        images = {(pair.dataset, pair.image) for pair in found}
        typer.echo(
            f"{len(images)} test images are among the {len(training.seen)} training images of "
            f"{train}; compared with {sets_in_words}"
        )
    unseen = max([_say_unseen(evidence) for evidence in (training, *tests)])
    raise typer.Exit(INCOMPLETE if found else unseen)


def _datasets(
    catalog: Catalog, names: list[str] | None, *, only_one: bool = False
) -> list[Dataset]:
    """Return sets by name, or all that need a data root; a set with subsets means all of them."""
    if names is None:
        return [one for one in _every(catalog) if not one.embedded]
    if only_one:
        return [catalog.dataset(name) for name in names]
    every = catalog.names("datasets")
    expanded = (
        [other for other in every if other.startswith(f"{name}/")] or [name] for name in names
    )
    unique = dict.fromkeys(name for group in expanded for name in group)
    return [catalog.dataset(name) for name in unique]


def _every(catalog: Catalog) -> Iterator[Dataset]:
    for name in catalog.names("datasets"):
        try:
            yield catalog.dataset(name)
        except (SetupError, UsageError) as error:  # a broken package leaves the others alone
            fail(str(error))


def _folder(path: Path | None, option: str) -> Path:
    if path is None:
        raise UsageError(f"give {option}, the folder of the test sets, or RESTOREBENCH_DATA_ROOT")
    if not path.is_dir():
        raise DataError(f"{path} is not a folder")
    return path


def _loose(folder: Path) -> Evidence:
    from restorebench.board.table import printable
    from restorebench.data.dataset import readable
    from restorebench.data.evidence import gather
    from restorebench.data.folder import LooseImages

    images = LooseImages(_folder(folder, "--train"))
    others = [readable(str(path.relative_to(folder))) for path in images.others()]
    if others:
        fail(f"{folder}: no images by their names, and left out: {printable(_shortened(others))}")
    return gather(images, images.find(None))


def _say_unseen(evidence: Evidence) -> int:
    from restorebench.board.table import printable

    for unseen in evidence.unseen:
        fail(printable(unseen.reason))
    return INCOMPLETE if evidence.unseen else 0


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"


def _show(verdicts: Iterable[Verdict], *, asked: bool) -> None:
    """Print a row for each set; those that are absent in one line, unless they were asked for."""
    from rich.table import Table
    from rich.text import Text

    from restorebench.board.table import printable

    table = Table(box=None, header_style="bold")
    for heading in ("data set", "images", "verdict", "what was found"):
        table.add_column(heading, overflow="fold")
    every = list(verdicts)
    absent = [v.dataset for v in every if v.status == "absent" and not asked]
    shown = [v for v in every if v.dataset not in absent]
    for v in shown:
        found = "\n".join(printable(str(finding)) for finding in v.findings)
        table.add_row(*map(Text, (v.dataset, f"{v.found} of {v.count}", v.summary, found)))
    screen = console()
    if shown:
        screen.print(table)
    # The subsets of a set are got and laid out alike, and need one line.
    advice = {v.where: v.dataset.partition("/")[0] for v in shown if v.status != "ok"}
    for where, name in advice.items():
        screen.print(Text(f"{name}: {where}", "dim"))
    if absent:
        text = "restorebench info NAME says where to get a set and what goes where"
        screen.print(Text(f"absent: {', '.join(absent)}; {text}", "dim"))


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=True))
