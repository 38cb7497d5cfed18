"""A gate as Markdown, for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from restorebench.board.table import printable
from restorebench.gate.report import Case, GateReport, Verdict
from restorebench.store import write_atomically
from restorebench_reports.markdown import escape

SIGNS: dict[Verdict, str] = {
    "pass": "✅",
    "improved": "✅",
    "updated": "✅",
    "inconclusive": "⚠️",
}
BAD = "❌"


def render(report: GateReport, folder: Path) -> list[Path]:
    """Write ``gate.md``."""
    return [write_atomically(folder / "gate.md", markdown(report))]


def markdown(report: GateReport) -> str:
    """Return the report with its headline first, and what the numbers rest on last."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: GateReport) -> Iterator[str]:
    yield f"## {SIGNS.get(report.verdict, BAD)} Gate: {_safe(report.headline)}"
    yield ""
    if len(report.rows) > 1:
        for place, row in enumerate(report.rows, 1):
            yield f"{place}. {_safe(row.name)}: {_verdict(row.verdict)}"
        yield ""
    if report.cases:
        yield "| checkpoint | task | metric | baseline | new | change | images | verdict |"
        yield "| :--- | :--- | :--- | ---: | ---: | ---: | ---: | :--- |"
        yield from map(_row, report.cases)
        yield ""
    for case in report.worst_first():
        if case.reason:
            yield f"- {_safe(case.sentence)}"
    for note in report.notes:
        yield f"- {_safe(note)}"
    if report.facts:
        yield "\n<details><summary>What the numbers rest on</summary>\n"
        for label, text in (("Baseline", report.baseline), *report.facts):
            yield f"- **{_safe(label)}**: {_safe(text)}"
        if report.cases:
            yield "\nChanges carry their paired 95 % interval over the images."
        yield "\n</details>"


def _row(case: Case) -> str:
    metric = f"{case.metric_title} ({case.unit})" if case.unit else case.metric_title
    images = "" if case.images is None else str(case.images)
    cells = [case.row, case.title, metric, *case.numbers, images]
    return f"| {' | '.join(map(_safe, cells))} | {_verdict(case.verdict)} |"


def _verdict(verdict: Verdict) -> str:
    return f"{SIGNS.get(verdict, BAD)} {verdict}"


def _safe(text: str) -> str:
    return escape(printable(text))
