"""A board as one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from restorebench.comparison_table import comparison_table
from restorebench.leaderboard import Leaderboard
from restorebench.store import write_atomically
from restorebench.table import (
    Style,
    Table,
    TableCell,
    TableRow,
    format_value,
    printable,
    table_of,
    titles_of,
)
from restorebench_reports.strips import Strip, Strips, strips

TEMPLATES = files("restorebench_reports") / "templates"
DrawnCell = tuple[TableCell, Strip | None]


@dataclass(frozen=True, slots=True)
class TaskImages:
    """The images of one task, with their scores side by side."""

    title: str
    methods: tuple[str, ...]
    images: tuple[tuple[str, tuple[str, ...]], ...]
    """Name, and the text of each metric of each method."""


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``leaderboard.html``: readable without scripts, from a disk or a server."""
    table, drawn = table_of(board, style), strips(board)
    css, script = _asset("leaderboard.css"), _asset("leaderboard.js")
    text = (
        _environment()
        .get_template("leaderboard.html.jinja")
        .render(
            table=table,
            comparison=comparison_table(board, style) if board.printed else None,
            rows=_rows(board, table, drawn),
            drawn=bool(drawn),
            info=board.info,
            titles=titles_of(board.info),
            tasks=list(_tasks(board, style)),
            failures=board.failures(),
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


def _rows(
    board: Leaderboard, table: Table, drawn: Strips
) -> list[tuple[TableRow, list[list[DrawnCell]]]]:
    names = tuple(metric.name for metric in board.info.metrics)
    groups = [(task, names) for task in (*(c.name for c in board.info.columns), "average")]
    groups += [("", group.metrics) for group in table.groups[len(groups) :]]  # costs: not drawn
    return [
        (
            row,
            [
                [
                    (cell, drawn.get((row.name, task, metric)))
                    for cell, metric in zip(cells, metrics, strict=True)
                ]
                for (task, metrics), cells in zip(groups, row.groups, strict=True)
            ],
        )
        for row in table.rows
    ]


def _tasks(board: Leaderboard, style: Style) -> Iterator[TaskImages]:
    metrics, titles = board.info.metrics, titles_of(board.info)
    for column in board.info.columns:
        records = board.records[board.records["task"] == column.name]
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
        yield TaskImages(column.title, tuple(titles[m] for m in methods), images)
