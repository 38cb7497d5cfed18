"""Methods compared in pairs, image by image: `pairwise`, `PairedComparison`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from restorebench.board.info import BoardInfo, MetricInfo
from restorebench.published import AVERAGE
from restorebench.statistics import (
    Values,
    detectable,
    holm,
    paired_differences,
    paired_intervals,
    per_source,
    signed_rank,
    win_rate,
)

NUMBERS = ("difference", "low", "high", "p", "p_holm", "win_rate", "detectable", "draw_spread")
COLUMNS = ("metric", "task", "a", "b", "images", "sources", *NUMBERS, "better")
TYPES = {"images": "Int64", "sources": "Int64", **dict.fromkeys(NUMBERS, "float64")}


@dataclass(frozen=True, slots=True)
class Observed:
    """One task's images, and the scores of the methods that have scored them all."""

    task: str
    images: tuple[str, ...]
    sources: tuple[Hashable, ...]
    """For each image, what it was made from; tasks that share them are resampled together."""
    scores: Mapping[tuple[str, str], Values]
    """By method and metric, image by image."""
    draws: Mapping[tuple[str, str], Values]
    """By method and metric, the mean of each draw of the noise; empty if it is drawn once."""


@dataclass(frozen=True)
class PairedComparison:
    """Method ``a`` against method ``b``; made by `Leaderboard.compare`."""

    a: str
    b: str
    info: BoardInfo
    """Of the board that both stand on, with only their rows."""
    frame: pd.DataFrame
    """One row for each metric and task, and for the average of several (task ``average``), as
    `pairwise` has them; and ``reason``: why there is no comparison, empty where there is one."""
    images: pd.DataFrame
    """One row for each metric, task and image: the scores ``a`` and ``b``, and ``difference``."""
    tests: Mapping[str, int]
    """By metric, how many tests ``p_holm`` is corrected for: all of the board's."""

    def disagreements(self, k: int = 5, metric: str | None = None) -> pd.DataFrame:
        """Return the ``k`` images of each task on which the two differ most, either way.

        Args:
            k: how many of each task.
            metric: a metric's name; the first by default.
        """
        chosen = self._of(metric)
        return _first(chosen, chosen["difference"].abs(), k, ascending=False)

    def worst(self, k: int = 5, metric: str | None = None) -> pd.DataFrame:
        """Return the ``k`` images of each task that both restore worst, by the better of the two.

        Args:
            k: how many of each task.
            metric: a metric's name; the first by default.
        """
        chosen = self._of(metric)
        higher = metric_of(self.info, metric).higher_is_better
        both = chosen[["a", "b"]]
        better = both.max(axis=1) if higher else both.min(axis=1)
        return _first(chosen, better, k, ascending=higher)

    def _repr_html_(self) -> str:
        from restorebench.board.notebook import html_of
        from restorebench.board.paired_table import comparison_tables

        return html_of(comparison_tables(self, {}))

    def _of(self, metric: str | None) -> pd.DataFrame:
        name = metric_of(self.info, metric).name
        return self.images[self.images["metric"] == name].drop(columns="metric")


def metric_of(info: BoardInfo, name: str | None) -> MetricInfo:
    """Return a board's metric by name, the first for no name.

    Raises:
        KeyError: if it has none of that name.
    """
    if name is None:
        return info.metrics[0]
    found = next((metric for metric in info.metrics if metric.name == name), None)
    if found is None:
        raise KeyError(f"no metric {name!r}; the board has {[m.name for m in info.metrics]}")
    return found


def pairwise(
    observed: Sequence[Observed], metrics: Sequence[MetricInfo], *, average: bool
) -> pd.DataFrame:
    """Compare each pair of methods on each task, and on their average.

    Args:
        observed: the tasks.
        metrics: the metrics, whose p values are a family each.
        average: whether the tasks may be averaged.

    Returns:
        A tidy frame, one row for each metric, task and pair of methods that both have a mean there.
        Columns: ``metric``; ``task``, which is ``average`` for the mean over all tasks; ``a`` and
        ``b``, in the order of the table; ``images``, and ``sources``, the photographs they were
        made from; ``difference``, the mean of a - b in the metric's unit, with ``low`` and
        ``high``, its 95 % paired bootstrap interval; ``p`` of Wilcoxon's signed-rank test over
        sources and ``p_holm``, the same corrected for all tests of the metric in this frame;
        ``win_rate``, the share of images on which ``a`` is better, ties half; ``detectable``, as
        `statistics.detectable`; ``draw_spread``, the standard deviation of the difference over
        draws of the noise, ``nan`` if it is drawn once; ``better``, the method whose lead the
        interval shows, or empty.

        ``p`` is ``nan`` for fewer than six sources, and for an average over tasks of different
        images, whose differences have no common ranks.
    """
    rows: list[dict[str, object]] = []
    for metric in metrics:
        for one in observed:
            rows += _rows(one.task, [one], metric)
        if average and observed:
            rows += _rows(AVERAGE, observed, metric)
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(TYPES)
    for _, family in frame.groupby("metric"):
        frame.loc[family.index, "p_holm"] = holm(family["p"].to_numpy(float))
    return frame


def _rows(
    task: str, observed: Sequence[Observed], metric: MetricInfo
) -> Iterator[dict[str, object]]:
    """Yield a row for each pair of the methods that have all of these tasks."""
    complete = [{m for m, name in one.scores if name == metric.name} for one in observed]
    methods = [m for m, name in observed[0].scores if name == metric.name]
    pairs = list(combinations([m for m in methods if all(m in c for c in complete)], 2))
    if not pairs:
        return
    by_image = [
        np.stack([_difference(one, metric.name, *pair) for pair in pairs], axis=1)
        for one in observed
    ]
    by_source = [per_source(d, one.sources) for d, one in zip(by_image, observed, strict=True)]
    clusters = [tuple(dict.fromkeys(one.sources)) for one in observed]
    low, high = paired_intervals(by_source, clusters)
    with np.errstate(invalid="ignore"):  # two infinite scores, each ahead on an image
        means = np.mean([values.mean(axis=0) for values in by_image], axis=0)
        summed = np.sum(by_source, axis=0) if len(set(clusters)) == 1 else None
    for place, (a, b) in enumerate(pairs):
        differences = [values[:, place] for values in by_source]
        wins = [win_rate(d[:, place], higher=metric.higher_is_better) for d in by_image]
        ahead = (low[place] > 0) if metric.higher_is_better else (high[place] < 0)
        apart = bool(low[place] > 0 or high[place] < 0)
        yield {
            "metric": metric.name,
            "task": task,
            "a": a,
            "b": b,
            "images": sum(len(one.images) for one in observed),
            "sources": sum(map(len, set(clusters))),
            "difference": means[place],
            "low": low[place],
            "high": high[place],
            "p": math.nan if summed is None else signed_rank(summed[:, place]),
            "p_holm": math.nan,
            "win_rate": float(np.mean(wins)),
            "detectable": detectable(differences, clusters),
            "draw_spread": _draw_spread(observed, metric.name, a, b),
            "better": (a if ahead else b) if apart else "",
        }


def _difference(one: Observed, metric: str, a: str, b: str) -> Values:
    return paired_differences(one.scores[a, metric], one.scores[b, metric])


def _draw_spread(observed: Sequence[Observed], metric: str, a: str, b: str) -> float:
    """Return how much a difference varies with the draw; tasks without noise do not vary."""
    drawn = [one.draws[a, metric] - one.draws[b, metric] for one in observed if one.draws]
    if not drawn:
        return math.nan
    return float(np.sum(drawn, axis=0).std(ddof=1) / len(observed))


def compared(
    a: str,
    b: str,
    info: BoardInfo,
    table: pd.DataFrame,
    observed: Sequence[Observed],
    reasons: Mapping[tuple[str, str], str],
) -> PairedComparison:
    """Return one pair of methods out of a board's pairwise table.

    Args:
        a: a method's name.
        b: another's.
        info: of their board.
        table: made by `pairwise`.
        observed: what it was made from.
        reasons: why the two have no comparison, by metric and task.
    """
    found = table[(table["a"] == a) & (table["b"] == b)]
    turned = table[(table["a"] == b) & (table["b"] == a)]
    lacking = [
        {"metric": metric, "task": task, "a": a, "b": b, "better": "", "reason": reason}
        for (metric, task), reason in reasons.items()
    ]
    frame = pd.concat([found.assign(reason=""), _turned(turned).assign(reason="")])
    if lacking:
        empty = pd.DataFrame(lacking, columns=[*COLUMNS, "reason"]).astype(TYPES)
        frame = empty if frame.empty else pd.concat([frame, empty])
    order = {
        (metric.name, task): place
        for place, (metric, task) in enumerate(
            (metric, task) for metric in info.metrics for task in info.tasks
        )
    }
    places = [order[key] for key in zip(frame["metric"], frame["task"], strict=True)]
    frame = frame.iloc[np.argsort(places)].reset_index(drop=True)
    rows = tuple(next(row for row in info.rows if row.name == name) for name in (a, b))
    mine = info.model_copy(update={"rows": rows})
    tests = {
        str(metric): int(count) for metric, count in table.groupby("metric")["p"].count().items()
    }
    return PairedComparison(a, b, mine, frame, _images(a, b, info.metrics, observed), tests)


def against(table: pd.DataFrame, other: str) -> pd.DataFrame:
    """Return the rows of one task and metric that a method has part in, as minus this method.

    Args:
        table: those of one task and metric, made by `pairwise`.
        other: the method's name.
    """
    rows = [table[table["b"] == other], _turned(table[table["a"] == other])]
    names = ["difference", "low", "high", "p_holm", "better"]
    return pd.concat(rows).set_index("a")[names].rename_axis("method")


def _turned(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with ``a`` and ``b`` the other way round."""
    return rows.assign(
        a=rows["b"],
        b=rows["a"],
        difference=-rows["difference"],
        low=-rows["high"],
        high=-rows["low"],
        win_rate=1 - rows["win_rate"],
    )


def _images(
    a: str, b: str, metrics: Sequence[MetricInfo], observed: Sequence[Observed]
) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "metric": metric.name,
                "task": one.task,
                "image": one.images,
                "a": one.scores[a, metric.name],
                "b": one.scores[b, metric.name],
                "difference": _difference(one, metric.name, a, b),
            }
        )
        for metric in metrics
        for one in observed
        if {(a, metric.name), (b, metric.name)} <= one.scores.keys()
    ]
    names = ["metric", "task", "image", "a", "b", "difference"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)


def first_of_each(images: pd.DataFrame, by: str, k: int, *, ascending: bool) -> pd.DataFrame:
    """Return the ``k`` rows of each task that come first by a column, in the order of the tasks."""
    return _first(images, images[by], k, ascending=ascending)


def _first(images: pd.DataFrame, by: pd.Series, k: int, *, ascending: bool) -> pd.DataFrame:
    order = by.sort_values(ascending=ascending, kind="stable").index
    tasks = list(dict.fromkeys(images["task"]))
    best = images.loc[order].groupby("task", sort=False).head(k)
    parts = [best[best["task"] == task] for task in tasks]
    return pd.concat(parts, ignore_index=True) if parts else images.reset_index(drop=True)
