"""`restorebench score`: score restored images that someone else made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import (
    DataRoot,
    Pictures,
    Plugins,
    Protocols,
    Style,
    TableStyle,
    measure,
)
from restorebench.commands.run import finish
from restorebench.console import fail
from restorebench.errors import DataError, UsageError

if TYPE_CHECKING:
    from restorebench.catalog import Catalog
    from restorebench.restored import RestoredFolder
    from restorebench.suite import Task


def score(  # noqa: PLR0913 - each parameter is an option
    folder: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="One for each method, without code.")
    ],
    dataset: Annotated[
        str | None, typer.Option(help="The set that was restored: its name, or a YAML file.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Instead, or where several tasks share the set.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="How tables call each folder.", show_default="the folder's own name"),
    ] = None,
    protocol: Protocols = None,
    data_root: DataRoot = None,
    pictures: Pictures = True,
    out: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="runs/score_TASK")
    ] = None,
    style: Style = TableStyle.plain,
    plugin: Plugins = None,
) -> None:
    """Score folders of restored images that someone else made; no code of the method is needed.

    Ends with 3 if an image is missing or cannot be scored.
    """
    from restorebench.catalog import Catalog
    from restorebench.restored import RestoredFolder
    from restorebench.rows import Options
    from restorebench.session import Session
    from restorebench.suite import Suite

    if name and len(name) != len(folder):
        raise UsageError(f"{len(folder)} folders but {len(name)} names; give one --name for each")
    catalog = Catalog.installed(plugin or ())
    column = _task(catalog, dataset, task)
    suite = Suite(
        name=f"score_{column.name}",
        version=1,
        title=f"Restored images of {column.title}",
        average="the one column",
        tasks=(column,),
    )
    source = column.real.dataset
    items = source.find(data_root)
    if not items:
        raise DataError(f"{source.title} was not found below {data_root}: {source.where()}")
    rows = [
        RestoredFolder.find(path, source, items, label)
        for path, label in zip(folder, name or [""] * len(folder), strict=True)
    ]
    options = Options(
        data_root=data_root,
        data="real",
        protocols=tuple(protocol or ["airnet"]),
        pictures=pictures,
    )
    session = Session(suite, rows, options, out, catalog)
    measure(session)
    code = finish(session, style, demanded=True)
    for row in rows:
        _warn(row)
    raise typer.Exit(code)


def _task(catalog: Catalog, dataset: str | None, task: str | None) -> Task:
    """Return the task that the options mean."""
    from restorebench.suite import Source, Task

    if task is not None:
        found = catalog.task(task)
        if dataset is not None and catalog.dataset(dataset).name != found.real.dataset.name:
            raise UsageError(f"task {task} is on {found.real.dataset.name}, not on {dataset}")
        return found
    if dataset is None:
        raise UsageError("say which set was restored, with --dataset or --task")
    wanted = catalog.dataset(dataset)
    tasks = [catalog.task(name) for name in catalog.names("tasks")]
    sharing = [known for known in tasks if known.real.dataset == wanted]
    if len(sharing) > 1:
        sharing = [known for known in sharing if known.name == wanted.name] or sharing
    if len(sharing) > 1:
        names = ", ".join(known.name for known in sharing)
        raise UsageError(f"several tasks are on {wanted.name}; choose one with --task: {names}")
    if sharing:
        return sharing[0]
    return Task(
        name=wanted.name, title=wanted.title, kind="mixed", real=Source(wanted.title, wanted)
    )


def _warn(row: RestoredFolder) -> None:
    from restorebench.data.dataset import readable

    for path in row.extra:
        fail(f"{row.name}: {readable(path.name)} belongs to no image of the set")
    for remark in row.remarks:
        fail(f"{row.name}: {remark}")
