"""Find faults in published tables by arithmetic and by comparison, without running anything.

A finding is a reason to look at the source, not a verdict. Each rule is silent where rounding alone
can explain what is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from statistics import fmean

from restorebench.published import AVERAGE, Published
from restorebench_benchmarks.finding import Finding, Pair, Row, pairs, scores
from restorebench_benchmarks.outliers import (
    fit_expectations,
    fit_trends,
    psnr_outliers,
    ssim_outliers,
    swaps,
)
from restorebench_benchmarks.paper_spec import QUALITY
from restorebench_benchmarks.papers import Table


def audit(tables: Iterable[Table]) -> list[Finding]:
    """Return every finding in the tables, compared with one another, rule by rule.

    >>> from restorebench_benchmarks.papers import load_published
    >>> [finding.row for finding in audit(load_published()) if finding.rule == "range"]
    ['LPNet', 'LPNet']
    """
    rows = [row for table in tables for row in table.rows]
    findings = list(_out_of_range(rows))
    impossible = {id(cell) for finding in findings for cell in finding.cells}
    # What cannot be a score says nothing about others, and would mislead every other rule.
    rows = [tuple(replace(c, value=None) if id(c) in impossible else c for c in r) for r in rows]
    trends, expectations = fit_trends(rows), fit_expectations(rows)
    doubted = list(ssim_outliers(rows, trends))
    findings += _averages(rows)
    findings += _repeated_pairs(rows)
    findings += psnr_outliers(rows, expectations)
    findings += doubted
    findings += swaps(rows, trends, expectations)
    findings += _neighbours(rows, {id(finding.cells[0]) for finding in doubted})
    findings += _sources_differ(rows)
    return findings


def _out_of_range(rows: Sequence[Row]) -> Iterator[Finding]:
    for cell in (cell for row in rows for cell in row):
        if cell.metric == "ssim" and cell.value is not None and cell.value >= 1:
            text = f"an SSIM below 1 is expected, printed is {cell.printed}"
            yield Finding(rule="range", cells=(cell,), expected="below 1", explanation=text)


def _averages(rows: Sequence[Row]) -> Iterator[Finding]:
    """Find means that the row's own cells do not give."""
    for row in rows:
        for mean in (cell for cell in row if cell.task == AVERAGE and cell.value is not None):
            cells = [c for c in scores(row, mean.metric) if c.printed not in ("-", "~")]
            values = [cell.value for cell in cells if cell.value is not None]
            if len(values) < max(2, len(cells)) or mean.value is None:
                continue
            actual = fmean(values)
            # Rounding moves the mean of the cells and the printed mean by half a digit each.
            slack = mean.half_unit + fmean(cell.half_unit for cell in cells)
            if abs(actual - mean.value) > slack * (1 + 1e-6):
                text = (
                    f"the {len(values)} {mean.metric} cells average {actual:.4f}, "
                    f"printed is {mean.printed}"
                )
                expected = f"{actual:.4f}"
                yield Finding(rule="average", cells=(mean,), expected=expected, explanation=text)


def _repeated_pairs(rows: Sequence[Row]) -> Iterator[Finding]:
    """Find one PSNR and SSIM in two columns of a printed table, its parts taken together."""
    printed: dict[tuple[str, ...], list[Pair]] = {}
    for pair in (pair for row in rows for pair in pairs(row)):
        number = pair.psnr.table.split(" ")[0]
        printed.setdefault((pair.psnr.paper, number, str(pair)), []).append(pair)
    for same in printed.values():
        for one, other in combinations(same, 2):
            if one.psnr.heading == other.psnr.heading and one.task == other.task:
                continue  # in one column two methods may well tie
            text = (
                f"{one} stands for {one.psnr.row} under {one.psnr.heading} and for "
                f"{other.psnr.row} under {other.psnr.heading} of {other.psnr.source}"
            )
            cells = (one.psnr, one.ssim, other.psnr, other.ssim)
            expected = "two different pairs"
            yield Finding(rule="repeated-pair", cells=cells, expected=expected, explanation=text)


def _neighbours(rows: Sequence[Row], doubted: set[int]) -> Iterator[Finding]:
    """Find a value that repeats the one beside it.

    Equal scores are rare enough to report, but for SSIM: three digits of it often agree by chance,
    so that a tie counts only where the trend already doubts one of the cells.
    """
    for row in rows:
        for metric in QUALITY:
            for one, other in pairwise(scores(row, metric)):
                if one.value is None or one.printed != other.printed:
                    continue
                if metric != "ssim" or {id(one), id(other)} & doubted:
                    text = f"{one.printed} stands under {one.heading} and under {other.heading}"
                    expected = "two different values"
                    cells = (one, other)
                    yield Finding(
                        rule="neighbour", cells=cells, expected=expected, explanation=text
                    )


def _sources_differ(rows: Sequence[Row]) -> Iterator[Finding]:
    """Find one method in one setting that sources, or tables of one paper, print differently."""
    groups: dict[tuple[str, str], dict[str, list[Published]]] = {}
    for cell in (cell for row in rows for cell in row if cell.value is not None):
        if cell.metric in QUALITY and cell.task is not None:
            columns = groups.setdefault((cell.method, f" in {cell.setting}"), {})
            columns.setdefault(f"{cell.task} {cell.metric}", []).append(cell)
        elif cell.metric == "params":  # the size of a network does not depend on the setting
            groups.setdefault((cell.method, ""), {}).setdefault("params", []).append(cell)
    for (method, setting), columns in groups.items():
        shared = {name: cells for name, cells in columns.items() if len(cells) > 1}
        differ = {name: cells for name, cells in shared.items() if not _agree(cells)}
        if differ:
            text = (
                f"{method}{setting}: {len(differ)} of {len(shared)} shared columns differ: "
                + "; ".join(f"{name} {_spread(cells)}" for name, cells in differ.items())
            )
            cells = tuple(cell for found in differ.values() for cell in found)
            expected = "one value from every source"
            yield Finding(rule="sources-differ", cells=cells, expected=expected, explanation=text)


def _agree(cells: Sequence[Published]) -> bool:
    return all(one.agrees_with(other) for one, other in combinations(cells, 2))


def _spread(cells: Sequence[Published]) -> str:
    sources: dict[str, dict[str, None]] = {}
    for cell in cells:
        sources.setdefault(cell.printed, {})[cell.source] = None
    return " / ".join(f"{value} ({', '.join(names)})" for value, names in sources.items())
