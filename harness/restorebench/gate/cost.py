"""Gating what a network costs: exact counts, memory, and time in interleaved rounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from restorebench.costs.complexity import SIDE
from restorebench.gate.baseline import Cost, Latency
from restorebench.gate.report import Case
from restorebench.gate.rule import Limit, decide
from restorebench.statistics import paired_interval

NETWORK = "network"
"""The task of cases that are about the network itself."""


@dataclass(frozen=True, slots=True)
class CostMetric:
    """A cost as it is gated and printed; lower is better, and a change is a share of the old."""

    name: str
    title: str
    unit: str
    digits: int
    tolerance: float
    scale: float = 1.0
    """What the number is divided by to be in its unit."""


PARAMETERS = CostMetric("parameters", "Parameters", "", 0, 0.0)
MACS = CostMetric("macs", f"MACs {SIDE}x{SIDE}", "G", 3, 0.0, 1e9)
MEMORY = CostMetric("memory", f"Memory {SIDE}x{SIDE}", "MiB", 1, 0.02, 2**20)
LATENCY = CostMetric("latency", f"Latency {SIDE}x{SIDE}", "ms", 2, 0.05)
COSTS = (PARAMETERS, MACS, MEMORY, LATENCY)


def cost_cases(row: str, old: Cost, new: Cost, limits: Mapping[str, Limit]) -> Iterator[Case]:
    """Yield a case for each cost that was measured now.

    Args:
        row: the checkpoint's name.
        old: the baseline's costs.
        new: the checkpoint's.
        limits: by name of the cost, as shares of the old value.
    """
    counts = (
        (PARAMETERS, old.parameters, new.parameters),
        (MACS, old.macs, new.macs),
        (MEMORY, old.memory, new.memory),
    )
    for metric, before, after in counts:
        if after is None:
            if metric is MACS and new.parameters and limits[metric.name].tolerance < math.inf:
                reason = "the counter cannot take this network; --tolerance macs=inf leaves it out"
                yield _case(row, metric)(verdict="incomplete", reason=reason)
        elif before is None:
            yield _missing(row, metric)
        else:
            change = (after - before) / before if before else float(after > before)
            yield _judged(row, metric, (before, after), (change,) * 3, limits[metric.name])
    if new.latency is not None:
        yield _latency_case(row, old.latency, new.latency, limits[LATENCY.name])


def _latency_case(row: str, old: Latency | None, new: Latency, limit: Limit) -> Case:
    if old is None:
        return _missing(row, LATENCY)
    if old.machine != new.machine:
        reason = f"other machine: {old.machine} in the baseline, {new.machine} here"
        return _case(row, LATENCY)(verdict="not comparable", reason=reason)
    before, after = (float(np.mean(x.milliseconds)) for x in (old, new))
    # The two were not measured in pairs: as two columns of unlike images, of which one is
    # subtracted. The interval is of the mean of both, so half of what is asked for.
    columns = [np.array(new.milliseconds) / before, -np.array(old.milliseconds) / before]
    low, high = paired_interval(columns, ["new", "old"])
    change = (after - before) / before
    return _judged(row, LATENCY, (before, after), (change, 2 * low, 2 * high), limit)


def _judged(
    row: str,
    metric: CostMetric,
    values: tuple[float, float],
    change: tuple[float, float, float],
    limit: Limit,
) -> Case:
    verdict, reason = decide(*change, limit, higher=False)
    counted = change[1] == change[2]  # a count has no interval
    return _case(row, metric)(
        verdict=verdict,
        reason=reason,
        baseline=values[0] / metric.scale,
        value=values[1] / metric.scale,
        change=change[0],
        low=None if counted else change[1],
        high=None if counted else change[2],
        tolerance=limit.tolerance,
    )


def _missing(row: str, metric: CostMetric) -> Case:
    reason = f"the baseline has no {metric.title}; --update it with the same options"
    return _case(row, metric)(verdict="not comparable", reason=reason)


def _case(row: str, metric: CostMetric) -> partial[Case]:
    return partial(
        Case,
        row=row,
        task=NETWORK,
        title="network",
        metric=metric.name,
        metric_title=metric.title,
        unit=metric.unit,
        digits=metric.digits,
        higher_is_better=False,
        relative=True,
    )
