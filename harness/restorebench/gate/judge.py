"""`Gate`: whether checkpoints are worse than a baseline, metric by metric, image by image.

A loss is a regression if the paired interval of the change excludes zero and the mean loss is more
than the metric's tolerance, or if the loss on one task is grave whatever the interval. What was
measured under another protocol, on other images or on another device is never compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from restorebench.board.info import MetricInfo, images_of
from restorebench.board.leaderboard import Leaderboard
from restorebench.column import Column
from restorebench.gate.baseline import Baseline, Cost, Entry
from restorebench.gate.cost import cost_cases
from restorebench.gate.report import EXIT_CODES, Case, GateReport, RowVerdict, worst
from restorebench.gate.rule import Limit, decide
from restorebench.plan import Plan, Row
from restorebench.statistics import paired_differences, paired_interval


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Checkpoints against a baseline.

    Args:
        plan: the checkpoints, tasks and protocol.
        baseline: what they are compared with.
        inputs: hash of the degraded images, by task.
        limits: of every metric of the protocol and every cost, by name.
    """

    plan: Plan
    baseline: Baseline
    inputs: Mapping[str, str]
    limits: Mapping[str, Limit]

    def entry(self, row: Row) -> Entry | str:
        """Return a row's entry in the baseline, or why there is none to compare with."""
        suite = suite_of(self.plan)
        if self.baseline.suite != suite:
            return f"the baseline is of suite {self.baseline.suite}, not {suite}"
        entry = self.baseline.methods.get(row.method)
        if entry is None:
            return f"the baseline does not have {row.method}; --update adds it"
        pairs = (
            ("protocol", entry.protocol, self.plan.protocol.id),
            ("device", entry.device, row.device),
        )
        return _first_difference(pairs) or entry

    def obstacle(self, row: Row, column: Column) -> str | None:
        """Return why a cell cannot be compared with the baseline, or ``None`` if it can."""
        entry = self.entry(row)
        if isinstance(entry, str):
            return entry
        task = entry.tasks.get(column.task.name)
        if task is None:
            return "the baseline does not have this task"
        names = {item.image for item in column.chosen}
        if task.images.keys() != names:
            return f"other images: {task.count} in the baseline, {len(names)} here"
        pairs = (
            ("data", task.data, column.origin),
            ("data", task.fingerprint[:12], column.fingerprint[:12]),
            ("degraded images", task.inputs[:12], self.inputs[column.task.name][:12]),
        )
        return _first_difference(pairs)

    def comparable(self) -> bool:
        """Tell whether measuring can lead to any comparison at all."""
        return any(self.obstacle(row, column) is None for row, column in self.plan.cells())

    def report(self, board: Leaderboard, costs: Mapping[str, Cost], baseline: str) -> GateReport:
        """Judge every cell of a board.

        Args:
            board: the plan's board.
            costs: what each row's network costs, by the row's name.
            baseline: name of the baseline's file, for the report.
        """
        cases: list[Case] = []
        remarks = {row.name: row.tag for row in board.info.rows}
        for row in self.plan.rows:
            found = list(self._score_cases(row, board))
            entry = self.entry(row)
            if isinstance(entry, Entry) and row.label in costs:
                found += cost_cases(row.label, entry.cost, costs[row.label], self.limits)
            cases += [each.model_copy(update={"remarks": remarks[row.label]}) for each in found]
        verdict = worst(case.verdict for case in cases)
        return GateReport(
            verdict=verdict,
            exit_code=EXIT_CODES[verdict],
            suite=suite_of(self.plan),
            baseline=baseline,
            facts=tuple(facts_of(board)),
            notes=tuple(note for row in self.plan.rows for note in self._notes(row)),
            rows=_ranked(board, cases),
            cases=tuple(cases),
        )

    def _score_cases(self, row: Row, board: Leaderboard) -> Iterator[Case]:
        for column in self.plan.columns:
            for metric in board.info.metrics:
                yield self._score_case(row, column, metric, board)
        entry = self.entry(row)
        if isinstance(entry, str):
            return
        for name in sorted(entry.tasks.keys() - {column.task.name for column in self.plan.columns}):
            for metric in board.info.metrics:
                case = _case(row, name, entry.tasks[name].title, metric)
                yield case(verdict="not comparable", reason="this task is in the baseline only")

    def _score_case(self, row: Row, column: Column, metric: MetricInfo, board: Leaderboard) -> Case:
        extent = f" ({column.extent})" if column.extent else ""
        title = f"{column.source.title}{extent}"
        case = partial(_case(row, column.task.name, title, metric), extent=column.extent)
        entry, obstacle = self.entry(row), self.obstacle(row, column)
        if obstacle is not None or isinstance(entry, str):
            return case(verdict="not comparable", reason=str(obstacle))
        if metric.name not in entry.metrics:
            return case(verdict="not comparable", reason=f"the baseline has no {metric.title}")
        cell = board.cell(row.label, column.task.name, metric.name)
        if cell.value is None:
            return case(verdict="incomplete", reason=str(cell.reason))
        stored = entry.tasks[column.task.name].images
        position = entry.metrics.index(metric.name)
        old = np.array([scores[position] for scores in stored.values()])
        scores = board.image_scores(row.label, column.task.name)
        difference = paired_differences(scores.loc[list(stored), metric.name].to_numpy(float), old)
        low, high = paired_interval([difference], [column.task.name])
        change = _mean(difference)
        limit = self.limits[metric.name]
        verdict, reason = decide(change, low, high, limit, higher=metric.higher_is_better)
        return case(
            verdict=verdict,
            reason=reason,
            value=cell.value,
            baseline=_mean(old),
            change=change,
            low=low,
            high=high,
            images=len(old),
            tolerance=limit.tolerance,
        )

    def _notes(self, row: Row) -> Iterator[str]:
        """Yield what differs from the baseline without making numbers incomparable."""
        entry = self.entry(row)
        yield from row_notes(row)
        if isinstance(entry, str) or row.absent:
            return
        if row.loaded and row.weights == entry.weights:
            yield f"{row.label}: the same weights as the baseline's"
        for word in entry.words:
            yield f"baseline of {row.method}: {word}"
        pairs = (
            ("the method's code", entry.code, row.code),
            ("packages or this project's code", entry.environment, self.plan.environment),
            ("precision", entry.precision, row.precision),
        )
        for what, old, new in pairs:
            if old != new:
                yield (
                    f"{row.label}: {what} is another than the baseline's ({old}, now {new}); "
                    "a change may come from there"
                )


def suite_of(plan: Plan) -> str:
    """Return name and version of a plan's suite."""
    return f"{plan.suite.name}@{plan.suite.version}"


def _case(row: Row, task: str, title: str, metric: MetricInfo) -> partial[Case]:
    return partial(
        Case,
        row=row.label,
        task=task,
        title=title,
        metric=metric.name,
        metric_title=metric.title,
        unit=metric.unit,
        digits=metric.digits,
        higher_is_better=metric.higher_is_better,
    )


def _first_difference(pairs: tuple[tuple[str, str, str], ...]) -> str | None:
    for what, old, new in pairs:
        if old != new:
            return f"other {what}: {old or 'none'} in the baseline, {new or 'none'} here"
    return None


def _mean(values: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):  # inf - inf is nan, which decides nothing
        return float(np.mean(values))


def _ranked(board: Leaderboard, cases: list[Case]) -> tuple[RowVerdict, ...]:
    """Return the rows, best first by the mean of the first metric; unfinished ones at the end.

    All rows share their columns, so that the order means something also where no average of
    unlike columns is printed.
    """
    metric = board.info.metrics[0]
    sign = -1 if metric.higher_is_better else 1

    def key(name: str) -> float:
        values = [board.cell(name, c.name, metric.name).value for c in board.info.columns]
        known = [value for value in values if value is not None]
        return sign * sum(known) / len(values) if len(known) == len(values) else math.inf

    return tuple(
        RowVerdict(
            name=row.name,
            weights=row.weights,
            weights_file=row.weights_file,
            verdict=worst(case.verdict for case in cases if case.row == row.name),
            words=row.words,
        )
        for row in sorted(board.info.rows, key=lambda row: key(row.name))
    )


def row_notes(row: Row) -> Iterator[str]:
    """Yield what a reader of a row's numbers has to know."""
    for word in row.words():
        yield f"{row.label}: {word}"


def facts_of(board: Leaderboard) -> Iterator[tuple[str, str]]:
    """Yield what a board's numbers rest on, as pairs of label and text."""
    info = board.info
    yield "Protocol", f"{info.protocol} ({info.protocol_hash})"
    yield "Noise", info.noise
    yield "Device", info.device
    for column in info.columns:
        words = "; ".join(["", *column.words])
        images = f"{images_of(column.count)} of {column.dataset}"
        yield column.title, f"{images}, data {column.fingerprint[:12]}{words}"
    for row in info.rows:
        file = f" ({row.weights_file})" if row.weights_file else ""
        yield row.name, f"weights {row.weights[:12] or 'none'}{file}, code {row.code}"
