"""`Gating`: one gate from measurement to report, or to a new baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from restorebench.board.info import images_of
from restorebench.board.leaderboard import Leaderboard
from restorebench.costs.complexity import SIDE, image, macs, parameters
from restorebench.costs.memory import peak_memory
from restorebench.costs.runtime import interleaved, machine, restore_clock
from restorebench.errors import (
    CellError,
    NothingSelectedError,
    SetupError,
    UsageError,
    did_you_mean,
)
from restorebench.gate.baseline import Baseline, Cost, Latency, baseline_for, entry_of, inputs_hash
from restorebench.gate.cost import COSTS, LATENCY
from restorebench.gate.judge import Gate, facts_of, row_notes, suite_of
from restorebench.gate.report import EXIT_CODES, GateReport
from restorebench.gate.rule import Limit
from restorebench.method import Method
from restorebench.plan import Plan, Row
from restorebench.session import Session


@dataclass(frozen=True, kw_only=True)
class Gating:
    """What a gate is asked to do.

    Args:
        session: the checkpoints and tasks; its first protocol is gated.
        path: the baseline's file.
        measure: runs the session, and shows its progress if anyone looks.
        latency: whether to time the networks.
        memory: whether to measure their peak memory, which takes an accelerator.
    """

    session: Session
    path: Path
    measure: Callable[[], None]
    latency: bool = False
    memory: bool = False

    @property
    def plan(self) -> Plan:
        """What is measured."""
        return self.session.plans[0]

    def compare(self, tolerances: Mapping[str, float]) -> GateReport:
        """Measure, and compare with the baseline.

        Nothing is measured if nothing could be compared. A latency that has regressed is measured
        once more, and the second time counts.

        Args:
            tolerances: what metrics and costs may lose, by name, instead of their own.

        Raises:
            StoreError: if there is no baseline, or a damaged one.
            SetupError: if no checkpoint can be used.
            UsageError: if a tolerance is given for something unknown.
        """
        gate = Gate(
            plan=self.plan,
            baseline=Baseline.load(self.path),
            inputs=self._inputs(),
            limits=_limits(self.plan, tolerances),
        )
        self._check_rows()
        board = self._board() if gate.comparable() else Leaderboard.of(self.plan, [])
        report = gate.report(board, self._costs(board), str(self.path))
        if any(c.metric == LATENCY.name and c.verdict == "regression" for c in report.cases):
            report = gate.report(board, self._costs(board), str(self.path))
        return report

    def update(self) -> GateReport:
        """Measure, and write the measurement into the baseline's file.

        Raises:
            UsageError: if a method has several checkpoints, or the file is another suite's.
            SetupError: if no checkpoint can be used.
            CellError: if anything was not scored; then the file stays as it was.
        """
        methods = [row.method for row in self.plan.rows]
        if len(set(methods)) < len(methods):
            raise UsageError("--update takes one checkpoint for each method: the new baseline")
        known = baseline_for(self.path, suite_of(self.plan))
        self._check_rows()
        board, inputs = self._board(), self._inputs()
        _check_complete(board)
        costs = self._costs(board)
        entries = {
            row.method: entry_of(self.plan, row, board, inputs, costs[row.label])
            for row in self.plan.rows
        }
        new = known.updated(entries)
        new.save(self.path)
        count = sum(task.count for entry in entries.values() for task in entry.tasks.values())
        how = "unchanged" if new == known else "written"
        what = f"{_names(board, entries)}, {images_of(count)}{_extents(board)}"
        return GateReport(
            verdict="updated",
            exit_code=EXIT_CODES["updated"],
            message=f"{self.path} {how}: {what}",
            suite=suite_of(self.plan),
            baseline=str(self.path),
            facts=tuple(facts_of(board)),
            notes=tuple(note for row in self.plan.rows for note in row_notes(row)),
        )

    def _inputs(self) -> dict[str, str]:
        return {column.task.name: inputs_hash(column) for column in self.plan.columns}

    def _check_rows(self) -> None:
        if all(row.absent for row in self.plan.rows):
            raise SetupError("; ".join(f"{row.label}: {row.absent}" for row in self.plan.rows))
        if self.session.total == 0:
            raise NothingSelectedError("no image is selected")

    def _board(self) -> Leaderboard:
        self.measure()
        return self.session.finish()[0].board

    def _costs(self, board: Leaderboard) -> dict[str, Cost]:
        """Measure what networks cost that have restored anything."""
        rows = [row for row in self.plan.rows if _has_scored(board, row)]
        costs = {row.label: _counted(row, self.memory) for row in rows}
        if self.latency and rows:
            where = machine(self.session.options.device)
            times = interleaved({row.label: restore_clock(_built(row), image()) for row in rows})
            for name, rounds in times.items():
                timed = Latency(machine=where, milliseconds=tuple(map(float, rounds)))
                costs[name] = costs[name].model_copy(update={"latency": timed})
        return costs


def _names(board: Leaderboard, methods: Iterable[str]) -> str:
    """Return the methods of a board's rows, each with what must be said of it."""
    tags = [f" ({row.tag})" if row.tag else "" for row in board.info.rows]
    return ", ".join(f"{name}{tag}" for name, tag in zip(methods, tags, strict=True))


def _extents(board: Leaderboard) -> str:
    """Return what the columns are where they are no whole real sets, such as `` (sample)``."""
    found = dict.fromkeys(column.extent for column in board.info.columns if column.extent)
    return f" ({'; '.join(found)})" if found else ""


def _built(row: Row) -> Method:
    method = row.build()
    assert isinstance(method, Method)  # a gate is given names only
    return method


def _check_complete(board: Leaderboard) -> None:
    for row in board.info.rows:
        for column in board.info.columns:
            for metric in board.info.metrics:
                cell = board.cell(row.name, column.name, metric.name)
                if cell.value is None:
                    raise CellError(
                        f"the baseline stays as it was, since {row.name} on {column.title} "
                        f"has no {metric.title}: {cell.reason}"
                    )


def _has_scored(board: Leaderboard, row: Row) -> bool:
    return any(len(board.image_scores(row.label, column.name)) for column in board.info.columns)


def _counted(row: Row, memory: bool) -> Cost:
    method = _built(row)
    if memory and method.device.type != "cuda":
        # What a process on the CPU grows by differs by some percent from one to the next.
        raise UsageError(
            f"peak memory is gated on CUDA devices only, not on {method.device}; leave out --memory"
        )
    count = parameters(method)
    return Cost(
        parameters=count,
        # What is no network computes outside of what the counter sees.
        macs=_macs(method) if count else None,
        memory=peak_memory(row.build, SIDE).peak if memory else None,
    )


def _macs(method: Method) -> int | None:
    try:
        return macs(method)
    except Exception:  # a network is foreign code; its MACs become an incomplete check
        return None


def _limits(plan: Plan, tolerances: Mapping[str, float]) -> dict[str, Limit]:
    limits = {name: Limit(m.tolerance, m.grave) for name, m in plan.metrics.items()}
    limits |= {cost.name: Limit(cost.tolerance, relative=True) for cost in COSTS}
    for name, tolerance in tolerances.items():
        if name not in limits:
            raise UsageError(
                f"--tolerance: no metric is called {name!r}.{did_you_mean(name, limits)} "
                f"Known: {', '.join(limits)}."
            )
        grave = max(tolerance, limits[name].grave)
        limits[name] = replace(limits[name], tolerance=tolerance, grave=grave)
    return limits
