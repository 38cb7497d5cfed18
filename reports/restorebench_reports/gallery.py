"""Images worth a look: where a method does worst, and where methods differ most."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from restorebench.board.info import ColumnInfo, MetricInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style, format_value, titles_of
from restorebench.pictures import crop_of, find_pictures

APART = 3
"""How many images of a task on which methods differ most."""
LOW = 2
"""How many images of a task for each method that scores lowest on them."""
MOST = 8
"""How many images of a task at most."""
BYTES = 12_000_000
"""How many bytes of pictures a page holds at most; in base64 they grow by a third."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a case."""

    role: str
    """``degraded``, ``target`` or ``restored``."""
    title: str
    scores: str
    """Of the whole image, not of the crop; empty for what is not restored."""
    data: str
    """The WebP file in base64."""


@dataclass(frozen=True, slots=True)
class Case:
    """One image of one task, and what every method made of it."""

    task: str
    title: str
    """Of the task."""
    image: str
    reasons: tuple[str, ...]
    """Why it is worth a look."""
    place: str
    """Which part of the image the crop is."""
    best: str
    """Title of the method that does best on it."""
    worst: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    """An image that is worth a look, before its pictures are read."""

    column: ColumnInfo
    image: str
    reasons: tuple[str, ...]


def cases_of(board: Leaderboard, style: Style) -> tuple[Case, ...]:
    """Return the images that are worth a look, task by task, with their pictures.

    For each task those on which the first metric of two methods is furthest apart, and in turn
    those on which each method scores lowest; as many as fit into `BYTES`, shared by the tasks.
    An image without pictures is left out.
    """
    found = find_pictures(board.pictures)
    if not found or "key" not in board.images:
        return ()
    records = board.images[board.images["error"].isna()]
    records = records[records["key"].isin(found.keys())].drop_duplicates(
        ["method", "task", "image"]
    )
    by_task = [_chosen(board, column, records) for column in board.info.columns]
    cases: dict[tuple[str, str], Case] = {}
    room = BYTES
    # The first of every task, then the second of every task: none takes the room of another.
    for choice in (c for turn in zip_longest(*by_task) for c in turn if c is not None):
        paths = _pictures(choice, records, found)
        size = sum(path.stat().st_size for _, path in paths)
        if paths and size <= room:
            room -= size
            cases[choice.column.name, choice.image] = _case(board, choice, paths, records, style)
    order = [(choice.column.name, choice.image) for choices in by_task for choice in choices]
    return tuple(cases[one] for one in order if one in cases)


def _chosen(board: Leaderboard, column: ColumnInfo, records: pd.DataFrame) -> list[_Choice]:
    metric = board.info.metrics[0]
    of_task = records[records["task"] == column.name]
    scores = of_task.pivot(index="image", columns="method", values=metric.name)
    reasons: dict[str, list[str]] = {}
    for image, reason in _interleaved(
        list(_furthest_apart(scores, board, metric)), list(_lowest(scores, board, metric))
    ):
        reasons.setdefault(image, []).append(reason)
    return [_Choice(column, image, tuple(why)) for image, why in list(reasons.items())[:MOST]]


def _interleaved(*lists: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for turn in zip_longest(*lists):
        yield from (one for one in turn if one is not None)


def _furthest_apart(
    scores: pd.DataFrame, board: Leaderboard, metric: MetricInfo
) -> Iterator[tuple[str, str]]:
    titles = titles_of(board.info)
    spread = (scores.max(axis=1) - scores.min(axis=1)).dropna()
    for image in spread[spread > 0].nlargest(APART).index:
        of_image = scores.loc[image].dropna()
        high, low = titles[str(of_image.idxmax())], titles[str(of_image.idxmin())]
        by = format_value(float(spread[image]), metric, "plain")
        yield str(image), f"{high} and {low} furthest apart: {by} {metric.unit}".rstrip()


def _lowest(
    scores: pd.DataFrame, board: Leaderboard, metric: MetricInfo
) -> Iterator[tuple[str, str]]:
    titles = titles_of(board.info)
    methods = [row.name for row in board.info.rows if row.name in scores]
    for place in range(LOW):
        for method in methods:
            ordered = scores[method].dropna().sort_values(ascending=metric.higher_is_better)
            if place < len(ordered):
                which = "lowest" if metric.higher_is_better else "highest"
                nth = "" if place == 0 else "second "
                yield str(ordered.index[place]), f"{nth}{which} {metric.title} of {titles[method]}"


def _pictures(
    choice: _Choice, records: pd.DataFrame, found: Mapping[str, Path]
) -> list[tuple[str, Path]]:
    """Return each method's picture of one image, by the method's name."""
    mine = records[(records["task"] == choice.column.name) & (records["image"] == choice.image)]
    restored = [(str(r["method"]), found[str(r["key"])]) for _, r in mine.iterrows()]
    whole = [(name, path) for name, path in restored if crop_of(path) is not None]
    if not whole:
        return []
    # Runs that were merged may show different parts; those of the first are shown.
    first = whole[0][1]
    alike = [(name, path) for name, path in whole if crop_of(path) == crop_of(first)]
    inputs = [first.with_name(name) for name in ("degraded.webp", "target.webp")]
    return [*alike, *(("", path) for path in inputs if path.is_file())]


def _case(
    board: Leaderboard,
    choice: _Choice,
    paths: list[tuple[str, Path]],
    records: pd.DataFrame,
    style: Style,
) -> Case:
    titles, metrics = titles_of(board.info), board.info.metrics
    mine = records[(records["task"] == choice.column.name) & (records["image"] == choice.image)]
    by_method = mine.set_index("method")
    inputs = {path.stem: path for name, path in paths if not name}
    shots = [Shot("degraded", "Degraded", "", _base64(inputs["degraded"]))]
    for name, path in (one for one in paths if one[0]):
        scores = [format_value(by_method[m.name].to_dict()[name], m, style) for m in metrics]
        shots.append(Shot("restored", titles[name], " / ".join(scores), _base64(path)))
    if "target" in inputs:
        shots.append(Shot("target", "Target", "", _base64(inputs["target"])))
    crop, whole = crop_of(paths[0][1]), by_method.iloc[0]
    assert crop is not None
    place = (
        f"{crop.width}x{crop.height} pixels, {crop.left} from the left and {crop.top} from the top "
        f"of {whole['width']}x{whole['height']}"
    )
    restored = by_method.loc[[name for name, _ in paths if name], metrics[0].name]
    ends = [titles[str(name)] for name in (restored.idxmax(), restored.idxmin())]
    best, worst = ends if metrics[0].higher_is_better else ends[::-1]
    return Case(
        task=choice.column.name,
        title=choice.column.title,
        image=choice.image,
        reasons=choice.reasons,
        place=place,
        best=best,
        worst=worst,
        shots=tuple(shots),
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
