"""A gate on GitHub: annotations on the run, and the report as the step's summary.

Both only where GitHub Actions says by its environment variables that it listens.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from restorebench.board.table import printable
from restorebench.errors import OutputFolderError
from restorebench.gate.report import EXIT_CODES, GateReport
from restorebench_reports.gate_markdown import markdown

# GitHub shows this many of a kind for each step, and drops the others without a word.
MAX_ANNOTATIONS = 10


def render(report: GateReport, folder: Path) -> list[Path]:
    """Print annotations and add to the step's summary; nothing is written to the folder."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        sys.stdout.write("".join(f"{line}\n" for line in workflow_commands(report)))
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(markdown(report))
        except OSError as error:
            raise OutputFolderError(
                f"GITHUB_STEP_SUMMARY={summary} cannot be written ({error.strerror})"
            ) from error
    return []


def workflow_commands(report: GateReport) -> list[str]:
    """Return annotations for the worst checks, at most ten; the last may count the rest."""
    found = list(_commands(report))
    if len(found) > MAX_ANNOTATIONS:
        left = len(found) - MAX_ANNOTATIONS + 1
        found[MAX_ANNOTATIONS - 1 :] = [f"::notice title=gate::and {left} more; see the summary"]
    return found


def _commands(report: GateReport) -> Iterator[str]:
    if report.message:
        level = "notice" if report.exit_code == 0 else "error"
        yield f"::{level} title=gate {_property(report.verdict)}::{_data(report.message)}"
    for case in report.worst_first():
        failed = EXIT_CODES[case.verdict] != 0
        level = "error" if failed else "warning" if case.verdict == "inconclusive" else "notice"
        title = f"{case.verdict}: {case.row}"
        yield f"::{level} title={_property(title)}::{_data(case.sentence)}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
