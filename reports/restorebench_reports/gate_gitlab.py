"""A gate as OpenMetrics text, which GitLab compares between a merge request and its target.

What must be said of a number is a label of it, so that GitLab never compares one with a number of
which something else must be said.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from restorebench.board.table import printable
from restorebench.gate.report import GateReport
from restorebench.store import write_atomically


def render(report: GateReport, folder: Path) -> list[Path]:
    """Write ``gate.metrics.txt``."""
    return [write_atomically(folder / "gate.metrics.txt", metrics(report))]


def metrics(report: GateReport) -> str:
    """Return one sample for each number, and the verdict as exit code and word."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: GateReport) -> Iterator[str]:
    yield "# TYPE restorebench_gate_exit_code gauge"
    yield f"restorebench_gate_exit_code {report.exit_code}"
    yield "# TYPE restorebench_gate_verdict gauge"
    yield f"restorebench_gate_verdict{_labels(verdict=report.verdict)} 1"
    if report.facts:
        yield "# TYPE restorebench_gate_basis info"
    for about, text in report.facts:
        yield f"restorebench_gate_basis_info{_labels(about=about, text=text)} 1"
    names = dict.fromkeys(case.metric for case in report.cases)
    for name in names:
        cases = [case for case in report.cases if case.metric == name and case.value is not None]
        for suffix in ("", "_change") if cases else ():
            family = f"restorebench_{_name(name)}{suffix}"
            yield f"# TYPE {family} gauge"
            for case in cases:
                value = case.change if suffix else case.value
                said = {"extent": case.extent, "remarks": case.remarks}
                known = {name: text for name, text in said.items() if text}
                labels = _labels(method=case.row, task=case.task, **known)
                yield f"{family}{labels} {_number(value)}"
    yield "# EOF"


def _name(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text)


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_quoted(text)}"' for name, text in labels.items()) + "}"


def _quoted(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float | None) -> str:
    # What float() prints for infinity and nan is what OpenMetrics calls +Inf, -Inf and NaN.
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))
