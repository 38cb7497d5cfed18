"""What methods reach on each degradation, as bars."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import format_value, titles_of
from restorebench.errors import NothingSelectedError, UnknownNameError
from restorebench_reports.figures.style import (
    COLOURS,
    PAGE,
    Drawing,
    blank,
    facts_of,
    remark,
    shown,
    styled,
)

WIDTH = 0.85
"""Of the bars of one task together; the tasks are 1 apart."""


def bars(board: Leaderboard, over: str | None = None, metric: str | None = None) -> Drawing:
    """Draw the mean of each method on each task.

    Args:
        board: the leaderboard.
        over: a row that is subtracted from all others; the whiskers are then the 95 % paired
            intervals of the difference.
        metric: its name; the first by default.

    Raises:
        UnknownNameError: if the board has no such row or metric.
        NothingSelectedError: if there is no mean to draw.
    """
    metrics = {m.name: m for m in board.info.metrics}
    chosen = metrics.get(metric or board.info.metrics[0].name)
    if chosen is None:
        raise UnknownNameError("metric of the run", str(metric), metrics)
    titles = titles_of(board.info)
    if over is not None and over not in titles:
        raise UnknownNameError("row", over, titles)
    tasks = [column.name for column in board.info.columns]
    heights = {
        name: [_height(board, name, task, chosen.name, over) for task in tasks]
        for name in titles
        if name != over
    }
    drawn_rows = {n: h for n, h in heights.items() if any(not math.isnan(x[0]) for x in h)}
    if not drawn_rows:
        raise NothingSelectedError(f"no method of the run has a mean of {chosen.title}")
    with styled():
        figure = blank(PAGE, 2.3)
        axes = figure.add_subplot()
        width = WIDTH / len(drawn_rows)
        for place, (name, values) in enumerate(drawn_rows.items()):
            left = np.arange(len(tasks)) - WIDTH / 2 + (place + 0.5) * width
            _draw(axes, left, np.array(values), width, place, shown(titles[name]))
            for x, (value, _, high) in zip(left, values, strict=True):
                if not math.isnan(value):
                    top = max(value if math.isnan(high) else high, 0)
                    text = shown(format_value(value, chosen, "plain"))
                    axes.annotate(
                        text,
                        (x, top),
                        (0, 2),
                        textcoords="offset points",
                        fontsize=5.5,
                        ha="center",
                        va="bottom",
                        rotation=90,
                    )
        axes.set_xticks(range(len(tasks)), [shown(c.title) for c in board.info.columns])
        axes.tick_params(axis="x", length=0)
        axes.axhline(0, color="black", linewidth=0.6)
        unit = f" ({chosen.unit})" if chosen.unit else ""
        what = f"{chosen.title} over {titles[over]}" if over else chosen.title
        axes.set_ylabel(shown(what + unit))
        axes.margins(x=0.02, y=0.2)
        figure.legend(loc="outside upper center", ncols=min(6, len(drawn_rows)))
        remark(figure, board)
    title = f"{what}, on each task"
    if over:
        title += "; whiskers: 95 % paired bootstrap intervals of the difference"
    return Drawing(figure, title, facts_of(board))


def _height(
    board: Leaderboard, row: str, task: str, metric: str, over: str | None
) -> tuple[float, float, float]:
    """Return the mean, or the mean difference with its interval; NaN where there is none."""
    if over is None:
        value = board.cell(row, task, metric).value
        return (math.nan if value is None or math.isinf(value) else value), math.nan, math.nan
    found = board.against(over, metric, task)
    if row not in found.index:
        return math.nan, math.nan, math.nan
    difference, low, high = (float(found[name][row]) for name in ("difference", "low", "high"))
    return difference, low, high


def _draw(
    axes: Axes, left: np.ndarray, values: np.ndarray, width: float, place: int, label: str
) -> None:
    whiskers = np.abs(values[:, 1:] - values[:, :1]).T
    finite = np.isfinite(whiskers).all(axis=0)
    axes.bar(
        left,
        values[:, 0],
        0.92 * width,
        color=COLOURS[place % len(COLOURS)],
        label=label,
        hatch="///" if place >= len(COLOURS) else None,
        edgecolor="white",
        linewidth=0.3,
    )
    if finite.any():
        axes.errorbar(
            left[finite],
            values[finite, 0],
            whiskers[:, finite],
            fmt="none",
            ecolor="black",
            elinewidth=0.6,
            capsize=1.5,
        )
