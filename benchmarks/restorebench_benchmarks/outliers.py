"""Rules of the audit that compare a cell with all others of its column, over all sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from restorebench_benchmarks.finding import Finding, Pair, Row, pairs, scores
from restorebench_benchmarks.trend import Expectation, Trend

# Robust standard deviations off the trend that make a fault. In the record the faults lie at 8.8
# and above, everything else below 3.5; in a survey of 94 rows confirmed ones begin at 5.6.
OFF_TREND = 5.0
# PSNR this far (dB, and robust standard deviations) from what row and column lead one to expect.
SURPRISING_DB, SURPRISING_SIGMAS = 5.0, 8.0
# Exchanging two pairs must take them from this far off trend (sigma) to at most half of that, and
# this much (dB) nearer to what is expected. Of the rows that are no swap none meets both.
MISPLACED_SIGMAS, MISPLACED_DB = 4.0, 4.0
# Fewer columns do not tell a weak method from a wrong cell, fewer rows give no usual value.
FEWEST_COLUMNS, FEWEST_ROWS = 3, 8

Trends = Mapping[str, Trend]
Expectations = Mapping[str, Expectation]


def fit_trends(rows: Sequence[Row]) -> Trends:
    """Return how SSIM goes with PSNR in each task; a copy of a row counts once."""
    points: dict[str, set[tuple[float, float, str]]] = {}
    for pair in (pair for row in rows for pair in pairs(row)):
        points.setdefault(pair.task, set()).add((*pair.point, pair.psnr.method))
    fitted = {
        task: Trend.fit([(psnr, ssim) for psnr, ssim, _ in found]) for task, found in points.items()
    }
    return {task: trend for task, trend in fitted.items() if trend is not None}


def fit_expectations(rows: Sequence[Row]) -> Expectations:
    """Return what PSNR each setting leads one to expect; a copy of a row counts once."""
    settings: dict[str, dict[tuple[object, ...], dict[str, float]]] = {}
    for row in rows:
        values = _psnr(row)
        if len(values) >= FEWEST_COLUMNS:
            unique = settings.setdefault(row[0].setting, {})
            unique[row[0].method, *values.items()] = values
    return {
        setting: Expectation.of(list(unique.values()))
        for setting, unique in settings.items()
        if len(unique) >= FEWEST_ROWS
    }


def psnr_outliers(rows: Sequence[Row], expectations: Expectations) -> Iterator[Finding]:
    """Find PSNR that neither its row nor its column explains, and every copy of it."""
    found: dict[tuple[object, ...], tuple[str, str]] = {}
    for row in rows:
        values, expectation = _psnr(row), expectations.get(row[0].setting)
        if expectation is None or len(values) < FEWEST_COLUMNS:
            continue
        # A method that is weak on the whole may well be weaker still in one column.
        allowed = SURPRISING_DB + abs(expectation.level(values))
        for task, residual in expectation.residuals(values).items():
            if abs(residual) > max(allowed, SURPRISING_SIGMAS * expectation.sigma[task]):
                side = "above" if residual > 0 else "below"
                text = f"{abs(residual):.1f} dB {side} what its row and column lead one to expect"
                expected = f"about {values[task] - residual:.1f}"
                found[row[0].method, row[0].setting, task, values[task]] = expected, text
    for cell in (cell for row in rows for cell in scores(row, "psnr")):
        copied = found.get((cell.method, cell.setting, cell.task, cell.value))
        if copied is not None:
            expected, text = copied
            yield Finding(rule="psnr-column", cells=(cell,), expected=expected, explanation=text)


def ssim_outliers(rows: Sequence[Row], trends: Trends) -> Iterator[Finding]:
    """Find SSIM that does not go with its PSNR."""
    for pair in (pair for row in rows for pair in pairs(row) if pair.task in trends):
        trend = trends[pair.task]
        deviation = pair.deviation(trend)
        if deviation > OFF_TREND:
            bounds = zip(("lower", "higher"), trend.bounds(pair.point[0]), strict=True)
            reach = [
                f"{word} PSNR reach {bound:.3f}" for word, bound in bounds if bound is not None
            ]
            text = (
                f"SSIM {pair.ssim.printed} at {pair.psnr.printed} dB, where methods of "
                f"{' and of '.join(reach)} ({deviation:.0f} sigma)"
            )
            yield Finding(
                rule="ssim-trend",
                cells=(pair.ssim, pair.psnr),
                expected=_expected_ssim(pair, trend),
                explanation=text,
            )


def _expected_ssim(pair: Pair, trend: Trend) -> str:
    lower, upper = trend.bounds(pair.point[0])
    if lower is not None and pair.point[1] < lower:
        return f"at least {lower:.3f}"
    return f"at most {upper:.3f}"


def swaps(rows: Sequence[Row], trends: Trends, expectations: Expectations) -> Iterator[Finding]:
    """Find two pairs of a row that fit each other's column and not their own."""
    for row in rows:
        expectation = expectations.get(row[0].setting)
        known = [pair for pair in pairs(row) if pair.task in trends]
        for one, other in combinations(known, 2) if expectation else ():
            if expectation and _fit_swapped(one, other, trends, expectation, _psnr(row)):
                text = (
                    f"{one} under {one.psnr.heading} and {other} under {other.psnr.heading} fit "
                    "each other's column over all sources, not their own"
                )
                cells = (one.psnr, one.ssim, other.psnr, other.ssim)
                expected = f"{other} and {one}, the other way round"
                yield Finding(rule="swapped", cells=cells, expected=expected, explanation=text)


def _fit_swapped(
    one: Pair, other: Pair, trends: Trends, expectation: Expectation, psnr: dict[str, float]
) -> bool:
    """Tell whether exchanging two pairs of a row mends both their SSIM and their PSNR."""
    here, there = trends[one.task], trends[other.task]
    placed = max(one.deviation(here), other.deviation(there))
    swapped = max(one.deviation(there), other.deviation(here))
    if placed < MISPLACED_SIGMAS or swapped > placed / 2:
        return False
    exchanged = psnr | {one.task: psnr[other.task], other.task: psnr[one.task]}
    before, after = (sum(map(abs, expectation.residuals(r).values())) for r in (psnr, exchanged))
    return before - after > MISPLACED_DB


def _psnr(row: Row) -> dict[str, float]:
    return {cell.task or "": cell.value for cell in scores(row, "psnr") if cell.value is not None}
