"""Two methods compared, as tables for every renderer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from restorebench.board.info import MetricInfo, RowInfo
from restorebench.board.paired import PairedComparison
from restorebench.board.table import (
    DASH,
    Fact,
    Notes,
    Table,
    TableCell,
    TableGroup,
    TableRow,
    format_value,
    provenance_of,
    tags_of,
    titles_of,
)
from restorebench.inert import printable
from restorebench.published import AVERAGE

HEADINGS = ("difference", "95 % interval", "p (Holm)", "wins", "detectable", "better")
SHOWN = 3
"""Images of each task."""


def comparison_tables(comparison: PairedComparison, apart: Mapping[str, str]) -> list[Table]:
    """Return what two methods differ by, and the images on which they differ most.

    Args:
        comparison: of the two.
        apart: tasks that were left out, and why.
    """
    tables = [_differences(comparison, apart)]
    if len(comparison.images):
        tables.append(_disagreements(comparison))
    return tables


def _differences(comparison: PairedComparison, apart: Mapping[str, str]) -> Table:
    info, notes = comparison.info, Notes()
    titles = titles_of(info)
    a, b = (_with_tag(titles[row.name], row) for row in info.rows)
    groups = tuple(TableGroup(_title(metric), (), HEADINGS, whole=True) for metric in info.metrics)
    found = {(line["metric"], line["task"]): line for line in comparison.frame.to_dict("records")}
    rows = []
    for column in info.columns:
        cells = tuple(_cells(found[m.name, column.name], m, titles, notes) for m in info.metrics)
        tag, marks = ", ".join(tags_of(column)), notes.add(*column.words)
        rows.append(TableRow(column.name, printable(column.title), tag, cells, marks))
    if AVERAGE in info.tasks:
        cells = tuple(_cells(found[m.name, AVERAGE], m, titles, notes) for m in info.metrics)
        rows.append(TableRow(AVERAGE, "Average", printable(", ".join(info.average_tags)), cells))
    facts = [
        *_legend(comparison),
        *_draws(comparison),
        *(("Left out", f"{t}: {why}") for t, why in apart.items()),
    ]
    facts += [(titles[row.name], "; ".join(row.words)) for row in info.rows if row.words]
    known = tuple((printable(label), printable(text)) for label, text in facts)
    title = printable(f"{info.title}: {a} against {b}")
    return Table(
        title, groups, tuple(rows), tuple(notes.texts), known + provenance_of(info), "Task"
    )


def _with_tag(title: str, row: RowInfo) -> str:
    """Return a row's title with what must be known of all its numbers."""
    return f"{title} ({row.tag})" if row.tag else title


def _cells(
    line: Mapping[Any, Any], metric: MetricInfo, titles: Mapping[str, str], notes: Notes
) -> tuple[TableCell, ...]:
    if line["reason"]:
        lacking = TableCell(DASH, None, notes.add(str(line["reason"])))
        return (lacking, *[TableCell(DASH)] * (len(HEADINGS) - 1))
    low, high = (_signed(line[name], metric) for name in ("low", "high"))
    texts = (
        _signed(line["difference"], metric),
        DASH if math.isnan(line["low"]) else f"[{low}, {high}]",
        p_value_text(line["p_holm"]),
        f"{100 * line['win_rate']:.0f} %",
        DASH if math.isnan(line["detectable"]) else _plain(line["detectable"], metric),
        titles[line["better"]] if line["better"] else "not told apart",
    )
    return tuple(map(TableCell, texts))


def _legend(comparison: PairedComparison) -> Iterator[Fact]:
    titles = titles_of(comparison.info)
    a, b = titles[comparison.a], titles[comparison.b]
    tests = "; ".join(
        f"{metric.title}: {comparison.tests.get(metric.name, 0)} tests"
        for metric in comparison.info.metrics
    )
    yield "Difference", f"{a} minus {b}, the mean over images; wins: images on which {a} is better"
    yield "Interval", "95 % paired bootstrap interval of the mean; better: where it excludes zero"
    yield "p", f"Wilcoxon's signed-rank test over photographs, corrected by Holm ({tests})"
    yield "Detectable", "the difference that so many images, so spread, show in four of five cases"


def _draws(comparison: PairedComparison) -> Iterator[Fact]:
    """Yield how much of each difference is the draw of the noise."""
    names = {column.name: column.title for column in comparison.info.columns} | {AVERAGE: "Average"}
    for metric in comparison.info.metrics:
        mine = comparison.frame[comparison.frame["metric"] == metric.name]
        drawn = mine[mine["draw_spread"].notna()]
        spreads = zip(drawn["task"], drawn["draw_spread"], strict=True)
        said = [f"{names[task]} {spread:.{metric.digits + 1}f}" for task, spread in spreads]
        if said:
            yield (
                f"Noise draw, {_title(metric)}",
                f"from draw to draw the difference varies by (standard deviation): "
                f"{', '.join(said)}",
            )


def _disagreements(comparison: PairedComparison) -> Table:
    info = comparison.info
    metric, titles = info.metrics[0], titles_of(info)
    images = comparison.disagreements(SHOWN)
    headings = (titles[comparison.a], titles[comparison.b], "difference")
    rows = [
        row
        for column in info.columns
        for row in _image_rows(images[images["task"] == column.name], column.title, metric)
    ]
    title = f"The {SHOWN} images of each task on which they differ most"
    group = TableGroup(_title(metric), (), headings, whole=True)
    return Table(title, (group,), tuple(rows), (), (), "Image")


def _image_rows(images: pd.DataFrame, heading: str, metric: MetricInfo) -> Iterator[TableRow]:
    for place, line in enumerate(images.to_dict("records")):
        cells = (
            TableCell(format_value(line["a"], metric, "plain")),
            TableCell(format_value(line["b"], metric, "plain")),
            TableCell(_signed(line["difference"], metric)),
        )
        section = printable(heading) if place == 0 else ""
        name = str(line["image"])
        yield TableRow(name, printable(name), "", (cells,), (), section)


def _title(metric: MetricInfo) -> str:
    return printable(f"{metric.title} ({metric.unit})" if metric.unit else metric.title)


def _signed(value: float, metric: MetricInfo) -> str:
    return f"{value:+.{metric.digits}f}".replace("inf", "∞").replace("nan", DASH)


def _plain(value: float, metric: MetricInfo) -> str:
    return f"{value:.{metric.digits}f}"


def p_value_text(value: float) -> str:
    """Return a p value as tables print it; a dash where there is none."""
    if math.isnan(value):
        return DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}"
