"""The audit's findings as tables for every table renderer, one for each rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from restorebench.board.table import Table, TableCell, TableGroup, TableRow, printable
from restorebench_benchmarks.finding import Finding

HEADINGS = ("Column", "Printed", "Expected", "Because")
VERDICT = ("Findings", "each is a reason to look at the source, not a verdict")


def audit_tables(findings: Sequence[Finding], rules: Mapping[str, str]) -> Iterator[Table]:
    """Yield a table for each rule that has findings.

    Args:
        findings: of `audit`.
        rules: what each rule means, in the order of the tables.
    """
    for rule, meaning in rules.items():
        found = [finding for finding in findings if finding.rule == rule]
        if found:
            groups = tuple(TableGroup(heading, (), ("",), whole=True) for heading in HEADINGS)
            rows = tuple(map(_row, found))
            title = f"Audit of published tables, {rule}: {meaning}"
            yield Table(printable(title), groups, rows, (), (VERDICT,), stub="Source and row")


def _row(finding: Finding) -> TableRow:
    texts = (
        ", ".join(finding.columns),
        ", ".join(finding.values),
        finding.expected,
        finding.explanation,
    )
    groups = tuple((TableCell(printable(text)),) for text in texts)
    return TableRow("", printable(finding.row), printable(finding.source), groups)
