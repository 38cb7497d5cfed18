"""Where a network finds which degradation: its maps of one image of each task."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import titles_of
from restorebench.errors import NothingSelectedError
from restorebench_reports.figures.representation import Float, Seen, chosen_layer
from restorebench_reports.figures.style import (
    PAGE,
    Drawing,
    blank,
    facts_of,
    remark,
    shown,
    styled,
)

MAPS = 5


def affinity(
    board: Leaderboard,
    name: str,
    images: Sequence[Seen],
    layer: str | None = None,
    maps: int = MAPS,
) -> Drawing:
    """Draw, for one image a line, the maps whose means differ most between the images.

    Args:
        board: of the run.
        name: of the row.
        images: at least one, of several tasks.
        layer: which of the method's representations; the first that has maps by default.
        maps: how many.

    Raises:
        UnknownNameError: if the method has no such representation.
        NothingSelectedError: if it has none of maps, or there are no images.
    """
    if not images:
        raise NothingSelectedError("there are no images")
    layer = chosen_layer(images[0].named, layer, axes=3)
    means = np.stack([image.named[layer].mean(axis=(1, 2)) for image in images])
    spread = means.std(axis=0) if len(images) > 1 else means[0]
    entries = np.sort(np.argsort(-spread, kind="stable")[:maps])
    parts = [[_part(image, image.named[layer][entry]) for entry in entries] for image in images]
    scale = Normalize(
        min(float(part.min()) for line in parts for part in line),
        max(float(part.max()) for line in parts for part in line),
    )
    titles, title = {c.name: c.title for c in board.info.columns}, titles_of(board.info)[name]
    across = len(entries) + 1
    side = PAGE / (across + 0.5)
    heights = [image.degraded.shape[0] / image.degraded.shape[1] for image in images]
    with styled():
        drawn = blank(PAGE, side * sum(heights) + 0.2 * len(images) + 0.4, dense=True)
        axes = drawn.subplots(len(images), across, squeeze=False, height_ratios=heights)
        for line, image, shares in zip(axes, images, parts, strict=True):
            line[0].imshow(image.degraded.clip(0, 1))
            line[0].set_ylabel(shown(titles[image.column.task.name]))
            for one, share in zip(line[1:], shares, strict=True):
                bar = one.imshow(share, norm=scale, cmap="viridis", interpolation="nearest")
        for one, entry in zip(axes[0, 1:], entries, strict=True):
            one.set_title(f"entry {entry}")
        axes[0, 0].set_title("Degraded")
        for one in axes.flat:
            one.set_xticks([])
            one.set_yticks([])
            one.spines[:].set_visible(False)
        drawn.colorbar(bar, ax=axes, shrink=0.6, pad=0.01)
        remark(drawn, board, rows=[name])
    facts = (
        ("Maps", f"{layer} of {title}; of {means.shape[1]} those whose means differ most"),
        ("Images", ", ".join(f"{image.image} ({image.column.task.name})" for image in images)),
        *facts_of(board),
    )
    return Drawing(drawn, f"Where {title} finds which degradation", facts)


def _part(image: Seen, whole: Float) -> Float:
    """Return the part of a map (h, w) that belongs to the image, without its padding."""
    rows, columns = (
        math.ceil(size * length / padded)
        for size, length, padded in zip(
            whole.shape, image.degraded.shape[:2], image.padded, strict=True
        )
    )
    return whole[:rows, :columns]
