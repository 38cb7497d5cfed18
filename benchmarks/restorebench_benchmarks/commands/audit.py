"""`restorebench audit`: what a careful reader would ask the authors of published tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restorebench.commands.options import say_written
from restorebench.console import console

if TYPE_CHECKING:
    from restorebench_benchmarks.finding import Finding
    from restorebench_benchmarks.papers import Table

RULES = {
    "range": "a value that no such metric can have",
    "average": "a mean that the row's own cells do not give",
    "repeated-pair": "one PSNR and SSIM in two columns of a table",
    "psnr-column": "a PSNR that neither its row nor its column explains",
    "ssim-trend": "an SSIM that does not go with its PSNR",
    "swapped": "two pairs of a row that fit each other's column",
    "neighbour": "a value that stands in two neighbouring columns",
    "sources-differ": "one method in one setting, printed with different values",
}


def audit(
    survey: Annotated[
        list[Path] | None,
        typer.Option(help="CSV file of a survey's leaderboard, audited with the record."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write LaTeX and HTML to this folder.")
    ] = None,
) -> None:
    """Look for faults in the published record: a finding is a reason to look, not a verdict."""
    from restorebench_benchmarks.audit import audit as findings_in
    from restorebench_benchmarks.papers import load_published

    tables = [*load_published(), *(_leaderboard(path) for path in survey or ())]
    findings = findings_in(tables)
    if as_json:
        typer.echo(json.dumps([_plain(finding) for finding in findings], indent=1))
        return
    cells = sum(cell.value is not None for table in tables for row in table.rows for cell in row)
    sources = len({cell.paper for table in tables for row in table.rows for cell in row})
    _print(findings, f"{len(findings)} findings in {cells} values of {sources} sources")
    if out is not None:
        _write(findings, out)


def _write(findings: Sequence[Finding], out: Path) -> None:
    from restorebench.catalog import Catalog
    from restorebench_benchmarks.audit_table import audit_tables

    tables, catalog = list(audit_tables(findings, RULES)), Catalog.installed()
    for name in catalog.names("table_renderers"):
        render = catalog.renderer(name, "table_renderers")
        say_written([render(tables, out / "audit", title="Audit of published tables", bibtex="")])


def _leaderboard(path: Path) -> Table:
    """Read a survey as a leaderboard of the suite that has the same tasks."""
    from restorebench.catalog import Catalog
    from restorebench.errors import DataError
    from restorebench_benchmarks.survey import read_survey, tasks_of

    catalog, tasks = Catalog.installed(), tasks_of(path)
    for name in catalog.names("suites"):
        if {task.name for task in catalog.suite(name).tasks} == tasks:
            return read_survey(path, setting=name)
    columns = ", ".join(sorted(tasks)) or "no column of a known task"
    raise DataError(f"{path}: no suite has exactly its columns ({columns})")


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "paper": finding.paper,
        "arxiv": finding.cells[0].arxiv,
        "table": finding.table,
        "row": finding.row,
        "columns": finding.columns,
        "printed": finding.values,
        "expected": finding.expected,
        "explanation": finding.explanation,
        "flagged": any(finding.rule in cell.flags for cell in finding.cells),
    }


def _print(findings: Sequence[Finding], summary: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from restorebench.board.table import printable

    screen = console()
    for rule, meaning in RULES.items():
        found = [finding for finding in findings if finding.rule == rule]
        if found:
            screen.print(Text.assemble((f"{rule}: {len(found)}", "bold"), f" — {meaning}"))
        for finding in found:
            place = f"{finding.source}, row {finding.row}"
            screen.print(Padding(Text(printable(place)), (0, 0, 0, 2), expand=False))
            for label, text in _facts(finding):
                line = Text.assemble((f"{label:<9}", "dim"), printable(text))
                screen.print(Padding(line, (0, 0, 0, 4), expand=False))
        if found:
            screen.print()
    screen.print(Text(f"{summary}; each is a reason to look at the source, not a verdict"))


def _facts(finding: Finding) -> list[tuple[str, str]]:
    facts = [("column", ", ".join(finding.columns))]
    if finding.rule == "sources-differ":  # its values stand with their sources in the explanation
        return [*facts, ("printed", finding.explanation), ("expected", finding.expected)]
    return [
        *facts,
        ("printed", ", ".join(finding.values)),
        ("expected", finding.expected),
        ("because", finding.explanation),
    ]
