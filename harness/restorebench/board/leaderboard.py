"""`Leaderboard`: what a run's records say, with all that a number must not travel without."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from restorebench.board.frame import (
    AGAIN,
    BETWEEN_FLAGS,
    frame_of,
    over_draws,
    read_frame,
    with_words,
    write_frame,
)
from restorebench.board.info import BoardInfo, describe_plan
from restorebench.board.paired import (
    Observed,
    PairedComparison,
    against,
    compared,
    first_of_each,
    metric_of,
    pairwise,
)
from restorebench.board.pareto import costs_at, on_front
from restorebench.costs.record import CostRecord, costs_frame
from restorebench.errors import StoreError, UnknownNameError, UsageError
from restorebench.flags import counted
from restorebench.pictures import folders_of
from restorebench.plan import Plan
from restorebench.published import AVERAGE, PrintedRow
from restorebench.record import Record
from restorebench.run_manifest import way_to_tables
from restorebench.statistics import leaders
from restorebench.store import read_json, write_atomically

BOARD = "board.json"


@dataclass(frozen=True, slots=True)
class Cell:
    """One method's score on one task, or why there is none."""

    value: float | None
    scored: int
    expected: int
    reason: str | None = None


@dataclass(frozen=True)
class Leaderboard:
    """The result of a run: one row for each method, one group of columns for each task.

    A mean is taken over the images' own scores, never over pooled errors, and only if every
    image was scored. The average over the tasks exists only where all its columns are of the
    same extent: whole real sets, or all sample, or all limited in the same way.
    """

    info: BoardInfo
    records: pd.DataFrame
    """One row for each image of each method, in full precision, in the order of the table."""
    printed: tuple[PrintedRow, ...] = ()
    """What papers print for the same setting, where it is asked for; see `comparison`."""
    pictures: tuple[Path, ...] = ()
    """Folders where pictures of the records' images lie; see `pictures.find_pictures`."""

    @classmethod
    def of(
        cls,
        plan: Plan,
        records: Iterable[Record],
        sessions: Iterable[dict[str, Any]] = (),
        costs: Iterable[CostRecord] = (),
        pictures: tuple[Path, ...] = (),
    ) -> Leaderboard:
        """Build the board of a plan from its records."""
        return cls.from_records(describe_plan(plan, sessions, costs), records, pictures)

    @classmethod
    def from_records(
        cls, info: BoardInfo, records: Iterable[Record], pictures: tuple[Path, ...] = ()
    ) -> Leaderboard:
        """Build a board whose description is known."""
        frame = frame_of(records, [m.name for m in info.metrics])
        return cls(info, frame, pictures=pictures)

    @classmethod
    def load(cls, folder: Path) -> Leaderboard:
        """Read a board back from its run folder.

        Raises:
            StoreError: if the folder holds none, or a damaged one.
        """
        if not (folder / BOARD).exists() and (folder / "manifest.json").is_file():
            raise StoreError(way_to_tables(folder))
        try:
            info = BoardInfo.model_validate(read_json(folder / BOARD))
        except ValidationError as error:
            first = error.errors()[0]
            reason = ": ".join([*map(str, first["loc"]), first["msg"]])
            raise StoreError(f"{folder / 'board.json'} is damaged: {reason}; {AGAIN}") from error
        records = read_frame(folder, [m.name for m in info.metrics])
        return cls(info, records, pictures=folders_of(folder))

    def save(self, folder: Path) -> list[Path]:
        """Write ``board.json`` and the records as Parquet and CSV; return the files."""
        board = self.info.model_dump_json(indent=1) + "\n"
        return [write_atomically(folder / BOARD, board), *write_frame(self.told, folder)]

    @property
    def told(self) -> pd.DataFrame:
        """The records as files hold them: each with its task's extent and its method's remarks."""
        extents = {column.name: column.extent for column in self.info.columns}
        remarks = {row.name: row.tag for row in self.info.rows}
        return with_words(self.records, extents, remarks)

    @cached_property
    def images(self) -> pd.DataFrame:
        """One row for each image of each method, as `records` where noise is drawn once.

        Scores are means over the draws of the noise, and there are none if a draw lacks one.
        """
        repeats = {column.name: column.repeats for column in self.info.columns}
        if max(repeats.values()) == 1:
            return self.records
        # Without the column, nothing but first draws is measured yet.
        drawn = self.records if "draw" in self.records else self.records.assign(draw=0)
        return over_draws(drawn, [m.name for m in self.info.metrics], repeats)

    @cached_property
    def draws(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The mean over images of each draw of the noise, by task and metric: methods x draws.

        Tasks whose noise is drawn once are left out, and so are methods without a mean.
        """
        if "draw" not in self.records:
            return {}
        return {
            (column.name, metric.name): means
            for column in self.info.columns
            if column.repeats > 1
            for metric in self.info.metrics
            if len(means := self._draw_means(column.name, metric.name))
        }

    def _draw_means(self, task: str, metric: str) -> pd.DataFrame:
        mine = self.records[self.records["task"] == task]
        means = mine.groupby(["method", "draw"], sort=False)[metric].mean().unstack()
        return means.loc[list(self.means(metric, task))]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Means in full precision: one row a method, columns (task, metric); NaN where none is."""
        columns = [(c.name, m.name) for c in self.info.columns for m in self.info.metrics]
        data = [
            [_or_nan(self.cell(row.name, task, metric).value) for task, metric in columns]
            for row in self.info.rows
        ]
        return pd.DataFrame(
            data,
            index=pd.Index([row.name for row in self.info.rows], name="method"),
            columns=pd.MultiIndex.from_tuples(columns, names=["task", "metric"]),
            dtype=float,
        )

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What the rows cost, one row a measurement; see `costs_frame`. Empty if none was made."""
        return costs_frame(self.info.costs)

    def cell(self, method: str, task: str, metric: str) -> Cell:
        """Return one cell, with the count of images behind it."""
        expected = next(c.count for c in self.info.columns if c.name == task)
        row = next(r for r in self.info.rows if r.name == method)
        if row.absent:
            return Cell(None, 0, expected, row.absent)
        lacking = next(m.unavailable for m in self.info.metrics if m.name == metric)
        if lacking:
            return Cell(None, 0, expected, lacking)
        scores, errors = self._scores.get((method, task), (None, []))
        scored = 0 if scores is None else len(scores)
        if scores is None or scored < expected:
            first = errors[0] if errors else "not measured yet"
            return Cell(None, scored, expected, f"{scored} of {expected} images scored: {first}")
        return Cell(float(np.mean(scores[metric].to_numpy(float))), scored, expected)

    def image_scores(self, method: str, task: str) -> pd.DataFrame:
        """Return the records of the images of one cell that were scored, by image."""
        found = self.images
        chosen = (found["method"] == method) & (found["task"] == task) & found["error"].isna()
        return found[chosen].set_index("image")

    @property
    def average_reason(self) -> str | None:
        """Why the board has no average at all, or ``None`` if it has one."""
        return self.info.average_reason

    @property
    def average_extent(self) -> str:
        """What all columns are, such as ``sample, limited``; empty for whole sets, or unlike."""
        return self.info.average_extent

    def average(self, method: str, metric: str) -> float | None:
        """Return the mean over the tasks; ``None`` if a cell is missing or extents differ."""
        values = [self.cell(method, c.name, metric).value for c in self.info.columns]
        if self.average_reason is not None or None in values:
            return None
        return float(np.mean([v for v in values if v is not None]))

    def mean(self, method: str, metric: str, task: str | None = None) -> float | None:
        """Return a method's mean on a task or ``average``; by default on the whole."""
        chosen = task or self.info.tasks[-1]
        if chosen == AVERAGE:
            return self.average(method, metric)
        return self.cell(method, chosen, metric).value

    def means(self, metric: str, task: str | None = None) -> dict[str, float]:
        """Return the same of all methods that have one."""
        found = {row.name: self.mean(row.name, metric, task) for row in self.info.rows}
        return {name: mean for name, mean in found.items() if mean is not None}

    def marks(self, metric: str, task: str | None = None) -> tuple[set[str], set[str]]:
        """Return the methods that are best and second on a task, or on the whole, with ties."""
        found = self.pairwise
        where = task or self.info.tasks[-1]
        chosen = found[(found["metric"] == metric) & (found["task"] == where)]
        apart = chosen[chosen["better"] != ""]
        separated = set(map(frozenset, zip(apart["a"], apart["b"], strict=True)))
        higher = metric_of(self.info, metric).higher_is_better
        return leaders(self.means(metric, task), separated, higher=higher)

    @cached_property
    def pairwise(self) -> pd.DataFrame:
        """Every pair of methods on every task and on average; the columns are `paired.pairwise`'s.

        Only pairs of which both have a mean there; `compare` says why others have none.
        """
        averaged = AVERAGE in self.info.tasks and self.average_reason is None
        return pairwise(self._observed, self.info.metrics, average=averaged)

    @cached_property
    def detectable(self) -> pd.DataFrame:
        """The difference that the images would mostly show, by task (or ``average``) and metric.

        The median over all pairs of methods of `statistics.detectable`, in the metric's unit.
        """
        medians = self.pairwise.groupby(["task", "metric"])["detectable"].median().unstack()
        names = [metric.name for metric in self.info.metrics]
        return medians.reindex(index=list(self.info.tasks), columns=names)

    def compare(self, a: str, b: str) -> PairedComparison:
        """Compare two methods, image by image.

        Raises:
            UnknownNameError: if the board has no such row.
            UsageError: if both are the same.
        """
        names = [row.name for row in self.info.rows]
        for name in (a, b):
            if name not in names:
                raise UnknownNameError("row", name, names)
        if a == b:
            raise UsageError(f"{a} cannot be compared with itself")
        reasons = {
            (metric.name, task): reason
            for metric in self.info.metrics
            for task in self.info.tasks
            if (reason := self._why_no_pair(a, b, task, metric.name))
        }
        return compared(a, b, self.info, self.pairwise, self._observed, reasons)

    def against(self, other: str, metric: str, task: str | None = None) -> pd.DataFrame:
        """Return how all methods that can be compared with another differ from it, by method.

        Args:
            other: a row's name; the differences are each method's mean minus this one's.
            metric: a metric's name.
            task: a task's name or ``average``; by default how they do on the whole.

        Returns:
            Columns ``difference``, ``low``, ``high``, ``p_holm`` and ``better``, as `pairwise`.
        """
        found, where = self.pairwise, task or self.info.tasks[-1]
        here = found[(found["metric"] == metric) & (found["task"] == where)]
        return against(here, other)

    def pareto(
        self,
        cost: str = "macs",
        metric: str | None = None,
        task: str | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> pd.DataFrame:
        """Set what methods score beside what they cost.

        Args:
            cost: a number of `costs`, such as ``parameters``, ``macs`` or ``latency_ms``.
            metric: a metric's name; the first by default.
            task: a task's name; by default the average, or the only task.
            setting: which costs, where they were measured in several ways: ``{"size": 224}``.

        Returns:
            One row for each method that has both, the cheapest first: the cost, the score, and
            ``front``, whether no other method is as good for less.

        Raises:
            UsageError: if no cost is meant, or more than one.
        """
        chosen = metric_of(self.info, metric)
        costs = costs_at(self.costs, cost, setting or {})
        scores = pd.Series(self.means(chosen.name, task), dtype=float)
        found = pd.DataFrame({cost: costs, chosen.name: scores})
        found = found.dropna().sort_values(cost, kind="stable").rename_axis("method")
        front = on_front(
            found[cost].to_numpy(float),
            found[chosen.name].to_numpy(float),
            higher=chosen.higher_is_better,
        )
        return found.assign(front=front)

    def _repr_html_(self) -> str:
        from restorebench.board.notebook import html_of
        from restorebench.board.table import table_of

        return html_of([table_of(self)])

    def worst(self, method: str, k: int = 5, metric: str | None = None) -> pd.DataFrame:
        """Return the ``k`` images of each task that a method scores worst on, worst first.

        Args:
            method: a row's name.
            k: how many of each task.
            metric: a metric's name; the first by default.

        Returns:
            Columns ``task``, ``image`` and ``score``; images that failed are not among them.
        """
        chosen = metric_of(self.info, metric)
        parts = [
            pd.DataFrame({"task": task, "image": images.index, "score": images[chosen.name]})
            for task, images in (
                (c.name, self.image_scores(method, c.name)) for c in self.info.columns
            )
        ]
        scores = pd.concat(parts, ignore_index=True)
        return first_of_each(scores, "score", k, ascending=chosen.higher_is_better)

    def oddities(self, method: str, task: str) -> list[str]:
        """Return what is odd about a cell's restored images, each with the count of images."""
        expected = next(c.count for c in self.info.columns if c.name == task)
        found = self._flags.get((method, task), "")
        return counted(filter(None, found.split(BETWEEN_FLAGS)), expected)

    def failures(self) -> list[str]:
        """Return one line for each image that failed: method, task, image and reason."""
        failed = self.records[self.records["error"].notna()]
        return [f"{r.method} on {r.task}, {r.image}: {r.error}" for r in failed.itertuples()]

    @property
    def scored(self) -> int:
        """How many images were scored, over all methods and tasks."""
        return int(self.records["error"].isna().sum())

    @cached_property
    def _scores(self) -> dict[tuple[str, str], tuple[pd.DataFrame, list[str]]]:
        """By method and task: the metrics of the images that were scored, and others' errors."""
        names = [metric.name for metric in self.info.metrics]
        found = {}
        for (method, task), group in self.images.groupby(["method", "task"], sort=False):
            good = group[group["error"].isna()].set_index("image")[names]
            found[str(method), str(task)] = (good, list(group["error"].dropna()))
        return found

    @cached_property
    def _flags(self) -> dict[tuple[str, str], str]:
        if "flags" not in self.images:  # a board that was made of scores alone
            return {}
        grouped = self.images.groupby(["method", "task"], sort=False)["flags"]
        return {(str(m), str(t)): BETWEEN_FLAGS.join(flags) for (m, t), flags in grouped}

    @cached_property
    def _observed(self) -> list[Observed]:
        """Each task's images, with the methods that have scored all of them."""
        found = []
        for column in self.info.columns:
            complete = {
                (row.name, metric.name): self._scores[row.name, column.name][0][metric.name]
                for row in self.info.rows
                for metric in self.info.metrics
                if self.cell(row.name, column.name, metric.name).value is not None
            }
            # Image by image, by name: a method with a gap may have had its images in another order.
            images = list(next(iter(complete.values())).index) if complete else []
            scores = {key: values.loc[images].to_numpy(float) for key, values in complete.items()}
            # The set as well as the name: two sets may both hold an image called "1".
            sources = [column.sources.get(str(i), (column.dataset, str(i))) for i in images]
            draws = {
                (str(method), metric): means.to_numpy(float)
                for (task, metric), frame in self.draws.items()
                for method, means in frame.iterrows()
                if task == column.name
            }
            names = tuple(map(str, images))
            found.append(Observed(column.name, names, tuple(sources), scores, draws))
        return found

    def _why_no_pair(self, a: str, b: str, task: str, metric: str) -> str:
        """Return why two methods have no comparison; empty if they have one."""
        if task == AVERAGE and self.average_reason:
            return self.average_reason
        tasks = [c.name for c in self.info.columns] if task == AVERAGE else [task]
        cells = [(name, self.cell(name, each, metric)) for name in (a, b) for each in tasks]
        return "; ".join(dict.fromkeys(f"{n}: {c.reason}" for n, c in cells if c.value is None))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
