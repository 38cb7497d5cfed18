"""Quality against cost: where each method lies, and the front of those that none beats in both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10

import numpy as np
import pandas as pd

from restorebench.board.info import MetricInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.pareto import on_front
from restorebench.board.table import Table, format_value
from restorebench.costs.columns import setting_of
from restorebench.published import AVERAGE

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 388, 12, 266
LINE = 13
"""Height of a label."""
LETTER = 5.8
"""About how wide a letter is."""
GAP = 8
"""Between a point and its label."""
BESIDE = 1.3
"""How much room there is beside the first and the last point."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """A method."""

    title: str
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str
    """``start`` or ``end`` of the label is beside the point."""
    cost: str
    value: str
    first: bool
    """Whether it lies on the front."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """One picture, in its own units; y grows downwards."""

    metric: str
    over: str
    """What the metric was taken over."""
    cost: str
    """With unit, image size, device and threads."""
    cost_short: str
    points: tuple[Point, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    front: str
    """Corners of the front's line; empty for a single point."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


@dataclass(frozen=True, slots=True)
class _Cost:
    """One kind of cost in one setting, by method."""

    short: str
    setting: str
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where values lie on a picture; both ends of a logarithmic one are logarithms."""

    low: float
    high: float
    start: int
    end: int

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def clouds_of(board: Leaderboard, table: Table) -> tuple[Cloud, ...]:
    """Return the first metric against each cost that at least two methods have.

    The metric is the board's average, or that of the first task if there is no average.
    """
    metric = board.info.metrics[0]
    if AVERAGE in board.info.tasks and board.average_reason is None:
        task, over = AVERAGE, ["Average", board.info.average, board.average_extent]
    else:
        column = board.info.columns[0]
        task, over = column.name, [column.title, f"{column.tag} images", column.extent]
    means = board.means(metric.name, task)
    known = {name: mean for name, mean in means.items() if isfinite(mean)}
    titles = {row.name: row.title for row in table.rows}
    found = []
    for cost in _costs(board.costs):
        methods = [name for name, value in cost.values.items() if name in known and value > 0]
        if len(methods) > 1:
            costs = {name: cost.values[name] for name in methods}
            words = ", ".join(filter(None, over))
            found.append(_cloud(metric, words, cost, costs, known, titles))
    return tuple(found)


def _costs(frame: pd.DataFrame) -> Iterator[_Cost]:
    """Yield each cost: parameters once, MACs for each size, times for each setting."""

    def by_method(rows: pd.DataFrame, name: str, unit: float) -> dict[str, float]:
        good = rows.dropna(subset=[name]).drop_duplicates("method")
        return {str(m): float(v) / unit for m, v in zip(good["method"], good[name], strict=True)}

    yield _Cost("Parameters (M)", "", by_method(frame, "parameters", 1e6))
    for size in frame["size"].unique():
        counted = by_method(frame[frame["size"] == size], "macs", 1e9)
        yield _Cost("MACs (G)", f"{size}x{size} pixels", counted)
    lines = [", ".join(setting_of(line)) for _, line in frame.iterrows()]
    settings = pd.Series(lines, frame.index, str)
    for setting in settings.unique():
        rows = frame[settings == setting]
        yield _Cost("Time (ms)", setting, by_method(rows, "latency_ms", 1))


def _cloud(
    metric: MetricInfo,
    over: str,
    cost: _Cost,
    costs: Mapping[str, float],
    means: Mapping[str, float],
    titles: Mapping[str, str],
) -> Cloud:
    cheapest, dearest = min(costs.values()) / BESIDE, max(costs.values()) * BESIDE
    shown = [means[name] for name in costs]
    margin = 0.08 * (max(shown) - min(shown) or 1)
    across = _Scale(log10(cheapest), log10(dearest), LEFT, RIGHT)
    up = _Scale(min(shown) - margin, max(shown) + margin, BOTTOM, TOP)
    values = np.array(list(costs.values())), np.array(shown)
    front = on_front(*values, higher=metric.higher_is_better)
    labels = _apart({name: up.at(means[name]) for name in costs})
    places = {name: across.at(log10(value)) for name, value in costs.items()}
    points = []
    for (name, value), first in zip(costs.items(), front, strict=True):
        beside = [(x, up.at(means[n])) for n, x in places.items() if n != name]
        left = _to_the_left(titles[name], places[name], labels[name], beside)
        points.append(
            Point(
                title=titles[name],
                x=places[name],
                y=up.at(means[name]),
                label_x=round(places[name] + (-GAP if left else GAP), 1),
                label_y=labels[name],
                anchor="end" if left else "start",
                cost=f"{value:.3g}",
                value=format_value(means[name], metric, "plain"),
                first=bool(first),
            )
        )
    first_of_ten = (1, 2, 5) if dearest / cheapest < 1000 else (1,)
    tens = range(floor(across.low), ceil(across.high))
    powers = [digit * 10.0**ten for ten in tens for digit in first_of_ten]
    step = round_step((up.high - up.low) / 5)
    steps = [n * step for n in range(ceil(up.low / step), floor(up.high / step) + 1)]
    corners = [f"{point.x},{point.y}" for point in sorted(points, key=_place) if point.first]
    return Cloud(
        metric=f"{metric.title} ({metric.unit})" if metric.unit else metric.title,
        over=over,
        cost=", ".join(filter(None, [cost.short, cost.setting])),
        cost_short=cost.short,
        points=tuple(points),
        across=tuple(Tick(across.at(log10(t)), f"{t:g}") for t in powers if across.holds(log10(t))),
        up=tuple(Tick(up.at(t), f"{t:g}") for t in steps if up.holds(t)),
        front=" ".join(corners) if len(corners) > 1 else "",
    )


def round_step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is no smaller than this.

    >>> round_step(0.13), round_step(3)
    (0.2, 5.0)
    """
    ten = 10.0 ** floor(log10(least))
    return next(digit * ten for digit in (1, 2, 5, 10) if digit * ten >= least)


def _place(point: Point) -> tuple[float, float]:
    return point.x, point.y


def _to_the_left(title: str, x: float, y: float, points: Sequence[tuple[float, float]]) -> bool:
    """Say whether a label is better off left of its point.

    On the right it would leave the picture or hide another point, and on the left it would not.
    """
    width = GAP + LETTER * len(title)

    def bad(start: float, end: float) -> bool:
        hides = any(start < px < end and abs(py - y + LINE / 3) < LINE for px, py in points)
        return hides or start < 0 or end > WIDTH

    return bad(x, x + width) and (x + width > WIDTH or not bad(x - width, x))


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Return heights of labels near these, from above to below at least a line apart."""
    found: dict[str, float] = {}
    last = -inf
    for name in sorted(heights, key=lambda name: heights[name]):
        last = max(heights[name] + 4, last + LINE)
        found[name] = round(last, 1)
    return found
