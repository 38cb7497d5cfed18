"""From what a person asks for to plans: names are looked up, images found, options checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from restorebench.catalog import Catalog
from restorebench.column import DataMode, find_columns
from restorebench.errors import (
    NothingSelectedError,
    SetupError,
    UsageError,
)
from restorebench.method import Method, find_device
from restorebench.plan import Plan
from restorebench.precision import check_precision
from restorebench.provenance import environment_hash
from restorebench.restored import RestoredFolder
from restorebench.rows import Options, row_of
from restorebench.suite import Suite


def make_plans(
    catalog: Catalog,
    suite: str | Suite,
    methods: Sequence[str | Method | RestoredFolder],
    options: Options,
) -> tuple[Plan, ...]:
    """Decide what is scored on what, for each protocol.

    Raises:
        BenchError: if a name is unknown, a file wrong, or the data are not there.
    """
    _check_options(methods, options)
    protocols = [
        catalog.protocol(name, options.noise).model_copy(
            update={"precision": options.precision, "tiling": options.tiling}
        )
        for name in options.protocols
    ]
    names = [protocol.name for protocol in protocols]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"name each protocol once, not {', '.join(names) or 'none'}")
    found = suite if isinstance(suite, Suite) else catalog.suite(suite)
    rows = tuple(row_of(catalog, method, options) for method in methods)
    labels = [row.label for row in rows]
    if len(set(labels)) < len(labels):
        raise UsageError(f"a method is named twice: {', '.join(labels)}")
    plans = []
    for protocol in protocols:
        metrics = {c: catalog.metric(name) for c, name in protocol.spec.metrics.items()}
        plan = Plan(
            suite=found,
            protocol=protocol,
            metrics=metrics,
            columns=find_columns(
                found, protocol, options.data_root, options.data, options.limit, options.repeats
            ),
            rows=rows,
            device=", ".join(dict.fromkeys(row.device for row in rows)),
            environment=environment_hash(metrics.values()),
        )
        if options.repeats > 1 and all(column.repeats == 1 for column in plan.columns):
            raise UsageError(f"no task of {found.name} draws noise, so there is nothing to repeat")
        _check_metrics(plan)
        plans.append(plan)
    return tuple(plans)


def _check_options(methods: Sequence[str | Method | RestoredFolder], options: Options) -> None:
    if options.data not in get_args(DataMode):
        raise UsageError(f"data is {' or '.join(get_args(DataMode))}, not {options.data!r}")
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"limit must be at least 1, got {options.limit}")
    if options.batch < 1:
        raise UsageError(f"batch must be at least 1, got {options.batch}")
    if options.repeats < 1:
        raise UsageError(f"repeats must be at least 1, got {options.repeats}")
    if not methods:
        raise NothingSelectedError("no method is selected; name one with -m")
    check_precision(options.precision, find_device(options.device))
    unknown = set(options.weights) - {m for m in methods if isinstance(m, str)}
    if unknown:
        raise UsageError(f"weights are given for {', '.join(sorted(unknown))}, not selected by -m")


def _check_metrics(plan: Plan) -> None:
    needing = [metric.title for metric in plan.metrics.values() if metric.needs_target]
    for column in plan.columns:
        if needing and any(item.target is None for item in column.items):
            raise UsageError(
                f"{column.source.dataset.title} has no clean targets, which protocol "
                f"{plan.protocol.name} needs for {', '.join(needing)}; choose one without reference"
            )
    if len(plan.unavailable) == len(plan.metrics):
        raise SetupError(
            f"protocol {plan.protocol.name}: no metric can be computed here: "
            f"{'; '.join(dict.fromkeys(plan.unavailable.values()))}"
        )
