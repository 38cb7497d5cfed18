"""What methods reach against what they cost; the area of a bubble is the network's size."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import titles_of
from restorebench.costs.columns import SETTING, setting_of
from restorebench.errors import NothingSelectedError
from restorebench.published import AVERAGE
from restorebench_reports.figures.style import (
    COLOURS,
    COLUMN,
    Drawing,
    blank,
    facts_of,
    remark,
    shown,
    styled,
)

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in dots."""
Cost = Literal["parameters", "macs", "latency_ms"]
AXES: dict[Cost, tuple[str, float]] = {
    "parameters": ("Parameters (M)", 1e6),
    "macs": ("MACs (G)", 1e9),
    "latency_ms": ("Latency (ms)", 1.0),
}
AREA = (30.0, 400.0)
"""Of the smallest and the largest bubble, in square points."""
PLACES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def bubble(board: Leaderboard, cost: Cost = "macs", task: str | None = None) -> Drawing:
    """Draw PSNR, or the first metric there is, against a cost.

    Args:
        board: with costs; where they were measured under several settings, the first is drawn.
        cost: what the horizontal axis shows, on a logarithmic scale.
        task: name of a task, or ``average``; by default that, or the only task.

    Raises:
        NothingSelectedError: if no method has both a mean and this cost.
    """
    task = task or board.info.tasks[-1]
    points = _points(board, cost, task)
    metric, label = board.info.metrics[0], AXES[cost][0]
    if points.empty:
        raise NothingSelectedError(
            f"no method of the run has both {metric.title} of {task} and {cost}; "
            "measure costs with: restorebench run --costs"
        )
    size, where = setting_of(points.iloc[0])
    setting = size if cost == "macs" else f"{size}, {where}" if cost == "latency_ms" else ""
    column = next((c.title for c in board.info.columns if c.name == task), "average")
    with styled():
        drawn = blank(COLUMN, 2.5)
        axes = drawn.add_subplot()
        _draw(axes, points)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(shown(", ".join(filter(None, [label, setting]))))
        unit = f" ({metric.unit})" if metric.unit else ""
        axes.set_ylabel(shown(f"{metric.title}{unit}, {column}"))
        axes.margins(x=0.25, y=0.2)
        axes.grid(alpha=0.3, linewidth=0.4)
        axes.set_axisbelow(True)
        remark(drawn, board, tasks=[] if task == AVERAGE else [task])
        drawn.draw_without_rendering()  # lays the axes out
        _label(axes, points)
    title = f"{metric.title} ({column}) against {label}; the area of a bubble is the parameters"
    return Drawing(drawn, title, (("Costs", f"{size} on {where}"), *facts_of(board)))


def _points(board: Leaderboard, cost: Cost, task: str) -> pd.DataFrame:
    """Return the methods that have both, with their title, cost and score."""
    metric, titles = board.info.metrics[0].name, titles_of(board.info)
    groups = [those for _, those in board.costs.groupby(SETTING, sort=False, dropna=False)]
    costs = groups[0] if groups else board.costs
    found = costs.assign(
        title=costs["method"].map(titles),
        score=costs["method"].map(board.means(metric, task)).astype(float),
        cost=costs[cost] / AXES[cost][1],
    )
    kept: pd.DataFrame = found[np.isfinite(found["score"]) & (found["cost"] > 0)]
    return kept.reset_index(drop=True)


def _draw(axes: Axes, points: pd.DataFrame) -> None:
    order = points.sort_values(["cost", "score"], ascending=[True, False])
    best = order[order["score"] > order["score"].cummax().shift(fill_value=-np.inf)]
    axes.step(best["cost"], best["score"], where="post", color="0.6", linewidth=0.8, zorder=1)
    for place, line in enumerate(points.to_dict("records")):
        axes.scatter(
            line["cost"],
            line["score"],
            s=_area(points, line["parameters"]),
            color=COLOURS[place % len(COLOURS)],
            edgecolors="white",
            linewidths=0.6,
            alpha=0.85,
            zorder=2,
        )


def _area(points: pd.DataFrame, parameters: float) -> float:
    largest = points["parameters"].max()
    if not largest > 0 or np.isnan(parameters):
        return AREA[0]
    return float(max(AREA[0], AREA[1] * parameters / largest))


def _label(axes: Axes, points: pd.DataFrame) -> None:
    """Put each title beside its bubble, where it covers no other title and no bubble."""
    scale = axes.figure.dpi / 72
    centres = axes.transData.transform(points[["cost", "score"]].to_numpy(float))
    radii = [scale * np.sqrt(_area(points, p) / np.pi) for p in points["parameters"]]
    taken: list[Box] = [(*(c - r), *(c + r)) for c, r in zip(centres, radii, strict=True)]
    frame = axes.get_window_extent().extents
    for title, centre, radius in zip(points["title"], centres, radii, strict=True):
        text = axes.text(0, 0, shown(title), transform=axes.transAxes, fontsize=7)
        text.set_in_layout(False)
        width, height = text.get_window_extent().size
        boxes = [_beside(centre, radius, (width, height), place) for place in PLACES]
        free = [box for box in boxes if not any(_meet(box, other) for other in taken)]
        inside = [box for box in free if box[0] >= frame[0] and box[2] <= frame[2]]
        chosen = next(iter([*inside, *free, *boxes]))
        taken.append(chosen)
        # In units of the axes, so that a file of another resolution has it at the same place.
        left, bottom = axes.transAxes.inverted().transform(chosen[:2])
        text.set_position((float(left), float(bottom)))


def _beside(
    centre: NDArray[np.float64],
    radius: float,
    size: tuple[float, float],
    place: tuple[int, int],
) -> Box:
    """Return where a text of a size lies in one of the eight directions from a bubble."""
    apart = radius * (0.75 if all(place) else 1.0) + 2
    # -1, 0, 1: the text ends there, is centred there, begins there.
    x, y = (
        float(c + way * apart - length * (1 - way) / 2)
        for c, way, length in zip(centre, place, size, strict=True)
    )
    return x, y, x + size[0], y + size[1]


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
