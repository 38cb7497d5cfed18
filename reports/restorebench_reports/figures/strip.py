"""One image under several methods, with a part of it enlarged: what papers show to the eye."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import format_value, titles_of
from restorebench.errors import NothingSelectedError, UnknownNameError, UsageError
from restorebench.pictures import Crop, find_pictures, folders_of, telling_crop
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

Float = NDArray[np.float32]
ZOOM = 3
"""By how much the enlarged part is smaller than the picture, where nobody chooses."""
WIDEST = 1.7
"""Inches of a picture, where there are few."""
ACROSS = 6
"""Pictures beside one another before a new line begins."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a strip, H x W x 3 in [0, 1]."""

    title: str
    picture: Float
    score: float | None = None
    """Of the whole image; ``None`` for the target."""


def strip(
    board: Leaderboard, panels: list[Panel], task: str, image: str, zoom: Crop | None = None
) -> Drawing:
    """Draw pictures of one image beside one another, each above its enlarged part.

    Args:
        board: what the scores are of.
        panels: of one size; the first is the degraded image, the last the target, if there is one.
        task: name of a task.
        image: name of an image.
        zoom: what is enlarged; chosen by `telling_crop` if it is not given.

    Raises:
        UsageError: if ``zoom`` is no part of the picture.
    """
    height, width = panels[0].picture.shape[:2]
    box = _enlarged(panels, zoom)
    metric = board.info.metrics[0]
    column = next(c for c in board.info.columns if c.name == task)
    across = min(ACROSS, len(panels))
    lines = math.ceil(len(panels) / across)
    side = min(PAGE / across, WIDEST)
    shapes = [height / width, box.height / box.width]
    with styled():
        drawn = blank(across * side, lines * (side * sum(shapes) + 0.36) + 0.2, dense=True)
        axes = drawn.subplots(
            2 * lines, across, squeeze=False, gridspec_kw={"height_ratios": shapes * lines}
        )
        for one in axes.flat:
            one.axis("off")
        for place, panel in enumerate(panels):
            line, at = divmod(place, across)
            said = metric.title if panel is panels[-1] else ""
            if panel.score is not None:
                said = f"{format_value(panel.score, metric, 'plain')} {metric.unit}".rstrip()
            _draw(axes[2 * line, at], axes[2 * line + 1, at], panel, box, said)
        remark(drawn, board, tasks=[task])
    facts = (
        ("Image", f"{image} of {column.title}"),
        (metric.title, "of the whole image, under the protocol below"),
        ("Part", f"{box.width}x{box.height} pixels from column {box.left}, row {box.top}"),
        *facts_of(board),
    )
    return Drawing(drawn, f"{column.title}, {image}: degraded, restored and target", facts)


def _enlarged(panels: Sequence[Panel], zoom: Crop | None) -> Crop:
    """Return the part that is enlarged, if it lies in the picture."""
    degraded, last = panels[0].picture, panels[-1]
    height, width = degraded.shape[:2]
    has_target = last.score is None and len(panels) > 1
    target = last.picture if has_target else None
    box = zoom or telling_crop(degraded, target, min(height, width) // ZOOM)
    fits = box.top + box.height <= height and box.left + box.width <= width
    if min(box.height, box.width) < 1 or min(box.top, box.left) < 0 or not fits:
        raise UsageError(f"the part to enlarge must lie in the picture of {width}x{height} pixels")
    return box


def _draw(whole: Axes, part: Axes, panel: Panel, box: Crop, said: str) -> None:
    """Draw one picture, its enlarged part below it, and what is said of it below that."""
    whole.imshow(panel.picture.clip(0, 1), interpolation="nearest")
    edge = Rectangle(
        (box.left - 0.5, box.top - 0.5),
        box.width,
        box.height,
        fill=False,
        edgecolor=COLOURS[4],
        linewidth=0.9,
    )
    whole.add_patch(edge)
    part.imshow(box.of(panel.picture).clip(0, 1), interpolation="nearest")
    text = "\n".join(map(shown, filter(None, [panel.title, said])))
    part.text(0.5, -0.05, text, transform=part.transAxes, ha="center", va="top", fontsize=7)


def kept_panels(
    board: Leaderboard,
    run: Path,
    task: str | None = None,
    image: str | None = None,
    methods: Sequence[str] | None = None,
) -> tuple[list[Panel], str, str]:
    """Return the pictures that a run keeps of one image, its task and its name.

    Args:
        board: of the run.
        run: the board's folder.
        task: name of a task; the first by default.
        image: name of an image; by default that on which the methods differ most.
        methods: names of rows, in the order in which they are drawn; all by default.

    Raises:
        UnknownNameError: if the run has no such task, image or row.
        NothingSelectedError: if it keeps no pictures of it.
    """
    tasks = [column.name for column in board.info.columns]
    task = task or tasks[0]
    if task not in tasks:
        raise UnknownNameError("task of the run", task, tasks)
    pictures = find_pictures(folders_of(run))
    metric = board.info.metrics[0].name
    mine = board.images[(board.images["task"] == task) & board.images["error"].isna()]
    kept = mine[mine["key"].isin(list(pictures))]
    if kept.empty:
        raise NothingSelectedError(
            f"{run} keeps no pictures of {task}; they are kept while images are scored: "
            "score them into a new folder, without --no-pictures"
        )
    scores = kept.pivot_table(index="image", columns="method", values=metric, sort=False)
    image = image or str((scores.max(axis=1) - scores.min(axis=1)).idxmax())
    if image not in scores.index:
        raise UnknownNameError(f"image of {task}", image, map(str, scores.index))
    lines = {line["method"]: line for line in kept[kept["image"] == image].to_dict("records")}
    for name in methods or ():
        if name not in lines:
            raise UnknownNameError(f"row with a picture of {image}", name, lines)
    titles = titles_of(board.info)
    folder = pictures[next(iter(lines.values()))["key"]].parent
    degraded, score = _read(folder / "degraded.webp"), None
    panels = {}
    for name, line in lines.items():
        picture = _read(pictures[line["key"]])
        if np.array_equal(picture, degraded):  # a method that returns its input tells its score
            score = float(line[metric])
        else:
            panels[name] = Panel(titles[name], picture, float(line[metric]))
    shown_rows = [panels[name] for name in methods or panels if name in panels]
    drawn = [Panel("Degraded", degraded, score), *shown_rows]
    if (folder / "target.webp").is_file():
        drawn.append(Panel("Target", _read(folder / "target.webp")))
    return drawn, task, image


def _read(path: Path) -> Float:
    with PIL.Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.float32) / np.float32(255)
