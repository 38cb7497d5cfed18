"""What a gate found: one case for each checkpoint, task and metric, and the verdict over all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import field_serializer

from restorebench.board.info import Info, images_of
from restorebench.store import write_atomically

Verdict = Literal[
    "regression",
    "incomplete",
    "not comparable",
    "inconclusive",
    "improved",
    "pass",
    "usage",
    "environment",
    "nothing selected",
    "interrupted",
    "updated",
]
EXIT_CODES: dict[Verdict, int] = {
    "regression": 1,
    "incomplete": 3,
    "not comparable": 3,
    "inconclusive": 0,
    "improved": 0,
    "pass": 0,
    "usage": 2,
    "environment": 4,
    "nothing selected": 5,
    "interrupted": 130,
    "updated": 0,
}
"""Worst first, for the verdicts that a case can have; the last five end a gate without cases."""
SEVERITY = list(EXIT_CODES)


class Case(Info):
    """One metric of one checkpoint on one task, or of its network."""

    row: str
    """The checkpoint: ``hair`` or ``hair@epoch_9``."""
    task: str
    """Name of the task, or ``network`` for what a network costs."""
    title: str
    """The task as tables print it, with what keeps it from being the whole benchmark."""
    extent: str = ""
    """What keeps it from that: ``sample, limited``; empty for whole real sets, and for costs."""
    remarks: str = ""
    """What a reader must know of all the checkpoint's numbers, such as ``untrained``."""
    metric: str
    metric_title: str
    unit: str
    digits: int
    higher_is_better: bool
    relative: bool = False
    """Whether change and tolerance are fractions of the baseline."""
    verdict: Verdict
    value: float | None = None
    baseline: float | None = None
    change: float | None = None
    """New minus old; of the means, image by image."""
    low: float | None = None
    high: float | None = None
    """Bounds of the paired 95 % interval of the change; none for exact counts."""
    images: int | None = None
    """How many images both means are over."""
    tolerance: float | None = None
    """Loss up to which a change counts as none."""
    reason: str = ""

    @field_serializer("value", "baseline", "change", "low", "high", when_used="json")
    def _no_nan(self, value: float | None) -> float | None:
        """Return nothing for what is unknown, such as an interval over one image."""
        return None if value is None or math.isnan(value) else value

    @property
    def numbers(self) -> tuple[str, str, str]:
        """Baseline, new value, and change with its interval, as printed; dashes for none."""
        old, new = self._number(self.baseline), self._number(self.value)
        if self.change is None:
            return old, new, "—"
        change = self._change(self.change)
        if self.low is not None and self.high is not None:
            change += f" [{self._change(self.low)}, {self._change(self.high)}]"
        return old, new, change

    @property
    def sentence(self) -> str:
        """The case in one line."""
        old, new, change = self.numbers
        who = f"{self.row} ({self.remarks})" if self.remarks else self.row
        where = f"{who} on {self.title}, {self.metric_title}"
        if self.change is None:
            return f"{where}: {self.verdict}: {self.reason}"
        unit = f" {self.unit}" if self.unit else ""
        over = f" over {images_of(self.images)}" if self.images is not None else ""
        why = f" ({self.reason})" if self.reason else ""
        return f"{where}: {self.verdict}: {old} -> {new}{unit}, change {change}{over}{why}"

    def _number(self, value: float | None) -> str:
        if value is None:
            return "—"
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        return f"{value:,.{self.digits}f}"

    def _change(self, value: float) -> str:
        if math.isnan(value):
            return "unknown"
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        # One digit more than the tables print: thresholds are finer than the last digit there.
        return f"{100 * value:+.2f} %" if self.relative else f"{value:+.{self.digits + 1}f}"


class RowVerdict(Info):
    """A checkpoint, and the worst of its cases."""

    name: str
    weights: str
    weights_file: str | None
    verdict: Verdict
    words: tuple[str, ...]
    """What a reader of its numbers has to know, such as ``untrained``."""


class GateReport(Info):
    """A gate's result; written as ``gate.json``, and what every other output is made from."""

    schema_version: Literal[1] = 1
    verdict: Verdict
    exit_code: int
    message: str = ""
    """Why there are no cases: the error that ended the gate, or what was updated."""
    suite: str = ""
    baseline: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    """Protocol, data, device and so on, as pairs of label and text."""
    notes: tuple[str, ...] = ()
    """What differs from the baseline without making numbers incomparable."""
    rows: tuple[RowVerdict, ...] = ()
    """The checkpoints, best first."""
    cases: tuple[Case, ...] = ()

    @property
    def headline(self) -> str:
        """The verdict and the count of cases behind it, in one line."""
        if self.message:
            return f"{self.verdict}: {self.message}"
        counts = {v: sum(case.verdict == v for case in self.cases) for v in SEVERITY}
        found = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        return f"{self.verdict}: of {len(self.cases)} checks {found}"

    def worst_first(self) -> list[Case]:
        """Return the cases that are no pass, worst first."""
        bad = [case for case in self.cases if case.verdict != "pass"]
        return sorted(bad, key=lambda case: SEVERITY.index(case.verdict))

    def save(self, folder: Path) -> Path:
        """Write ``gate.json``.

        Raises:
            OutputFolderError: if it cannot be written.
        """
        return write_atomically(folder / "gate.json", self.model_dump_json(indent=1) + "\n")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that decides; there must be one."""
    return min(verdicts, key=SEVERITY.index)


def error_report(exit_code: int, message: str) -> GateReport:
    """Return the report of a gate that ended with an error, so that no output is an old one's."""
    endings: dict[int, Verdict] = {
        2: "usage",
        3: "incomplete",
        4: "environment",
        5: "nothing selected",
        130: "interrupted",
    }
    return GateReport(verdict=endings[exit_code], exit_code=exit_code, message=message)
