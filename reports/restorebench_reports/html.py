"""A board as one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from restorebench.board.comparison_table import comparison_table
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import (
    Style,
    Table,
    TableCell,
    TableRow,
    format_value,
    printable,
    table_of,
    titles_of,
)
from restorebench.store import write_atomically
from restorebench_reports.behind import behind_best
from restorebench_reports.clouds import clouds_of
from restorebench_reports.copying import parts
from restorebench_reports.gallery import cases_of
from restorebench_reports.panels import panels_of
from restorebench_reports.strips import Strip, Strips, strips

TEMPLATES = files("restorebench_reports") / "templates"
STYLES = ["leaderboard.css", "page/page.css"]
SCRIPTS = [f"page/{name}.js" for name in ("state", "board", "copying", "scores", "viewer")]
DrawnCell = tuple[TableCell, Strip | None, str]
"""A number, where the images' own scores lie, and how far the mean lies behind the best."""


@dataclass(frozen=True, slots=True)
class MetricHead:
    """The heading of one column of numbers."""

    key: str
    """The metric's name, or what the heading says where it is no metric of the board."""
    title: str
    better: str
    """``higher`` or ``lower``."""


@dataclass(frozen=True, slots=True)
class Head:
    """The heading of a task, of the average, or of what methods cost."""

    key: str
    """The task's name, ``average``, or ``cost`` and a number."""
    title: str
    tags: tuple[str, ...]
    notes: tuple[int, ...]
    whole: bool
    metrics: tuple[MetricHead, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """What several neighbouring tasks have in common."""

    title: str
    keys: tuple[str, ...]
    width: int


@dataclass(frozen=True, slots=True)
class TaskImages:
    """The images of one task, with their scores side by side."""

    key: str
    title: str
    tag: str
    whole: bool
    methods: tuple[str, ...]
    images: tuple[tuple[str, tuple[str, ...]], ...]
    """Name, and the text of each metric of each method."""


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.html``: readable without scripts, from a disk or a server."""
    table, drawn = table_of(board, style), strips(board)
    heads = _heads(board, table)
    css, script = (Markup("\n").join(map(_asset, names)) for names in (STYLES, SCRIPTS))
    text = (
        _environment()
        .get_template("page/page.html.jinja")
        .render(
            table=table,
            comparison=comparison_table(board, style) if board.printed else None,
            heads=heads,
            headings=_headings(table, heads),
            rows=_rows(board, table, drawn),
            said=_said(board, table),
            drawn=bool(drawn),
            info=board.info,
            titles=titles_of(board.info),
            clouds=clouds_of(board, table),
            panels=panels_of(board, table),
            cases=cases_of(board, style),
            scored=board.records[["task", "image"]].drop_duplicates().shape[0],
            tasks=list(_tasks(board, table, style)),
            failures=board.failures(),
            parts=parts(board, table),
            css=css,
            script=script,
            css_hash=_hash(css),
            script_hash=_hash(script),
        )
    )
    return write_atomically(folder / "leaderboard.html", text)


def render_tables(tables: Sequence[Table], file: Path, *, title: str, bibtex: str) -> Path:
    """Write tables as one page beside ``file``, with the entry of the paper they are from."""
    css = _asset("leaderboard.css")
    text = (
        _environment()
        .get_template("tables.html.jinja")
        .render(tables=tables, title=title, bibtex=bibtex, css=css, css_hash=_hash(css))
    )
    return write_atomically(file.with_name(f"{file.name}.html"), text)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("restorebench_reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=_printable,
    )


def _printable(value: object) -> object:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    """Return what the page's policy allows one style or script by; it refuses all others."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _said(board: Leaderboard, table: Table) -> dict[str, list[str]]:
    """Return what must be known of scored rows, each with the titles of those that share it."""
    absent = {row.name for row in board.info.rows if row.absent is not None}
    said: dict[str, list[str]] = {}
    for row in table.rows:
        if row.tag and row.name not in absent:
            said.setdefault(row.tag, []).append(row.title)
    return said


def _heads(board: Leaderboard, table: Table) -> tuple[Head, ...]:
    metrics, tasks = board.info.metrics, board.info.tasks
    found = []
    for place, group in enumerate(table.groups):
        if place < len(tasks):
            key, names = tasks[place], [metric.name for metric in metrics]
        else:  # costs, which tables put last
            key, names = f"cost{place - len(tasks) + 1}", list(group.metrics)
        inner = map(MetricHead, names, group.metrics, group.better)
        head = Head(key, group.title, group.tags, group.notes, group.whole, tuple(inner))
        found.append(head)
    return tuple(found)


def _headings(table: Table, heads: Sequence[Head]) -> tuple[Heading, ...]:
    """Return what stands above neighbouring tasks; nothing where no two share anything."""
    found = []
    pairs = zip(table.groups, heads, strict=True)
    for title, those in groupby(pairs, key=lambda pair: pair[0].heading):
        own = [head for _, head in those]
        width = sum(len(head.metrics) for head in own)
        found.append(Heading(title, tuple(head.key for head in own), width))
    return tuple(found) if any(len(h.keys) > 1 and h.title for h in found) else ()


def _rows(
    board: Leaderboard, table: Table, drawn: Strips
) -> list[tuple[TableRow, list[list[DrawnCell]]]]:
    heads = _heads(board, table)
    words = {
        (name, task, metric.name): behind.words
        for task in board.info.tasks
        for metric in board.info.metrics
        for name, behind in behind_best(board, metric.name, task).items()
    }
    return [
        (
            row,
            [
                [
                    (
                        cell,
                        drawn.get((row.name, head.key, metric.key)),
                        words.get((row.name, head.key, metric.key), ""),
                    )
                    for cell, metric in zip(cells, head.metrics, strict=True)
                ]
                for head, cells in zip(heads, row.groups, strict=True)
            ],
        )
        for row in table.rows
    ]


def _tasks(board: Leaderboard, table: Table, style: Style) -> Iterator[TaskImages]:
    metrics, titles = board.info.metrics, titles_of(board.info)
    groups = table.groups[: len(board.info.columns)]  # costs follow
    for column, group in zip(board.info.columns, groups, strict=True):
        records = board.images[board.images["task"] == column.name]
        good = records["error"].isna()
        texts = {
            metric.name: [
                format_value(value, metric, style) if scored else "failed"
                for value, scored in zip(records[metric.name], good, strict=True)
            ]
            for metric in metrics
        }
        keys = zip(records["method"], records["image"], strict=True)
        scores = dict(zip(keys, zip(*texts.values(), strict=True), strict=True))
        methods = list(dict.fromkeys(records["method"]))
        absent = ("",) * len(metrics)
        images = tuple(
            (image, tuple(t for method in methods for t in scores.get((method, image), absent)))
            for image in dict.fromkeys(records["image"])
        )
        named = tuple(titles[method] for method in methods)
        yield TaskImages(column.name, column.title, group.tag, group.whole, named, images)
