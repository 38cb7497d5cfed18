"""Which differences between methods are more than the draw of the images: one matrix a metric."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from restorebench.board.info import MetricInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import (
    DASH,
    Table,
    TableCell,
    TableGroup,
    TableRow,
    format_value,
    printable,
    titles_of,
)
from restorebench.published import AVERAGE

LEVEL = 0.05
LEGEND = (
    ("Cells", "mean of the row's method minus that of the column's"),
    ("*", "the 95 % paired bootstrap interval of the difference leaves out zero"),
    ("**", "and Wilcoxon's signed-rank p, by Holm over all tests of the metric, is below 0.05"),
)


def significance_tables(board: Leaderboard) -> Iterator[Table]:
    """Yield a matrix of pairwise differences for each metric of which any pair has one."""
    for metric in board.info.metrics:
        pairs = board.pairwise[board.pairwise["metric"] == metric.name]
        if len(pairs):
            yield _matrix(board, metric, pairs.to_dict("records"))


def _matrix(board: Leaderboard, metric: MetricInfo, pairs: list[dict[Any, Any]]) -> Table:
    titles = titles_of(board.info)
    tasks = {column.name: printable(column.title) for column in board.info.columns}
    cells: dict[tuple[str, str, str], str] = {}
    for pair in pairs:
        a, b, task = pair["a"], pair["b"], pair["task"]
        stars = ("*" if pair["better"] else "") + ("*" if _confirmed(pair) else "")
        cells[task, a, b] = _signed(pair["difference"], metric) + stars
        cells[task, b, a] = _signed(-pair["difference"], metric) + stars
    among = [name for name in titles if any(name in key[1:] for key in cells)]
    rows = []
    for task in (AVERAGE, *tasks):
        section = tasks.get(task, "Average")
        for name in among if any(key[0] == task for key in cells) else ():
            texts = [cells.get((task, name, other), "") for other in among]
            groups = tuple((TableCell(text),) for text in texts)
            rows.append(TableRow("", titles[name], "", groups, (), section))
            section = ""
    unit = f" ({metric.unit})" if metric.unit else ""
    return Table(
        printable(f"{board.info.title}: pairwise differences in {metric.title}{unit}"),
        tuple(TableGroup(titles[name], (), ("",), whole=True) for name in among),
        tuple(rows),
        (),
        (*LEGEND, *_extents(board)),
    )


def _signed(difference: float, metric: MetricInfo) -> str:
    if math.isnan(difference):  # between two infinite scores
        return DASH
    return ("" if difference < 0 else "+") + format_value(difference + 0.0, metric, "plain")


def _confirmed(pair: dict[Any, Any]) -> bool:
    return bool(pair["better"]) and bool(pair["p_holm"] < LEVEL)


def _extents(board: Leaderboard) -> Iterator[tuple[str, str]]:
    """Yield what must be said of the tasks, the rows and the protocol wherever numbers stand."""
    info, titles = board.info, titles_of(board.info)
    yield "Protocol", printable(f"{info.protocol} ({info.protocol_hash})")
    for column in info.columns:
        said = "; ".join([f"{column.count} images, data {column.fingerprint[:12]}", *column.words])
        yield printable(column.title), printable(said)
    for row in info.rows:
        if row.words and not row.absent:
            yield titles[row.name], printable("; ".join(row.words))
