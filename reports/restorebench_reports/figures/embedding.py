"""How a network tells degradations apart: its embeddings of the images, in two dimensions.

The two dimensions are principal components. Unlike those of t-SNE, their distances are distances
of the embedding, they have no parameters, and the same records give the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from restorebench.board.info import ColumnInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import titles_of
from restorebench.errors import NothingSelectedError
from restorebench_reports.figures.representation import Seen, chosen_layer
from restorebench_reports.figures.style import (
    COLOURS,
    COLUMN,
    MARKERS,
    PAGE,
    Drawing,
    blank,
    facts_of,
    remark,
    shown,
    styled,
)

Values = NDArray[np.float64]
LIGHTEST = 0.4
"""How much of its colour the weakest of several degradations of one kind keeps."""


def embedding(
    board: Leaderboard, found: Mapping[str, Sequence[Seen]], layer: str | None = None
) -> Drawing:
    """Draw the embeddings of several methods beside one another, coloured by degradation.

    Args:
        board: of the run.
        found: by the row's name, what its network sees in each image.
        layer: which of the method's representations; its first vector by default.

    Raises:
        UnknownNameError: if a method has no such representation.
        NothingSelectedError: if a method has none that is a vector, or there are too few images.
    """
    titles, counts = titles_of(board.info), []
    with styled():
        width = min(PAGE, COLUMN * len(found))
        drawn = blank(width, width / len(found) * 0.85 + 0.3)
        row = np.atleast_1d(drawn.subplots(1, len(found), squeeze=False)[0])
        layers = []
        for axes, (name, images) in zip(row, found.items(), strict=True):
            if len(images) < 3:
                raise NothingSelectedError(f"{len(images)} images are too few for a plane")
            chosen = chosen_layer(images[0].named, layer, axes=1)
            layers.append(f"{titles[name]}: {chosen}")
            counts.append(len(images))
            points, shares = principal(np.stack([i.named[chosen].ravel() for i in images]))
            _draw(axes, board.info.columns, images, points)
            axes.set_title(shown(titles[name]))
            axes.set_xlabel(f"first component ({shares[0]:.0%} of the variance)")
            axes.set_ylabel(f"second ({shares[1]:.0%})")
            axes.set_xticks([])
            axes.set_yticks([])
        handles, labels = row[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside upper center", ncols=min(5, len(labels)))
        remark(drawn, board, rows=list(found))
    facts = (
        ("Embeddings", "; ".join(layers)),
        ("Images", f"the first {max(counts)} in all, {_each(found)} of each task"),
        *facts_of(board),
    )
    title = "Principal components of what networks embed of degraded images"
    return Drawing(drawn, title, facts)


def principal(vectors: Values) -> tuple[Values, Values]:
    """Return the two principal components of vectors (N, D), and their shares of the variance.

    Each component is turned so that its largest part is positive.

    Returns:
        Points (N, 2), and two shares of the whole variance in [0, 1].
    """
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    left, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])
    total = float(np.square(sizes).sum())
    shares = np.square(sizes[:2]) / total if total > 0 else np.zeros(2)
    return left[:, :2] * sizes[:2] * signs, shares


def tints(columns: Sequence[ColumnInfo]) -> list[tuple[float, float, float]]:
    """Return a colour for each task: one hue for each kind, lighter for its earlier tasks."""
    kinds = list(dict.fromkeys(column.kind for column in columns))
    found = []
    for kind, group in groupby(
        sorted(columns, key=lambda c: kinds.index(c.kind)), lambda c: c.kind
    ):
        alike = list(group)
        hue = np.array(to_rgb(COLOURS[kinds.index(kind) % len(COLOURS)]))
        for place, column in enumerate(alike):
            kept = LIGHTEST + (1 - LIGHTEST) * (place + 1) / len(alike)
            red, green, blue = 1 - kept * (1 - hue)
            found.append((columns.index(column), (red, green, blue)))
    return [tint for _, tint in sorted(found)]


def _draw(
    axes: Axes, columns: Sequence[ColumnInfo], images: Sequence[Seen], points: Values
) -> None:
    for place, (column, tint) in enumerate(zip(columns, tints(columns), strict=True)):
        mine = [image.column.task.name == column.name for image in images]
        axes.scatter(
            points[mine, 0],
            points[mine, 1],
            s=12,
            color=[tint],
            marker=MARKERS[place % len(MARKERS)],
            edgecolors="black",
            linewidths=0.2,
            label=shown(column.title),
        )


def _each(found: Mapping[str, Sequence[Seen]]) -> str:
    images = next(iter(found.values()))
    counts = dict.fromkeys(dict.fromkeys(i.column.task.name for i in images), 0)
    for image in images:
        counts[image.column.task.name] += 1
    return ", ".join(map(str, dict.fromkeys(counts.values())))
