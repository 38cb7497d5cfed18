"""Robust statistics of a column of published values: what it would lead one to expect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to the standard deviation of a normal distribution."""
NEIGHBOURS = 5
"""A bound is the median of so many methods, so that two faults among them do not move it."""
SMALLEST_SIGMA = 0.15
"""Rounding and choice of the methods scatter by this much (dB), whatever a spread says."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How SSIM goes with PSNR in one column: a better PSNR does not come with a much worse SSIM.

    No curve is fitted: old methods lie far below the bulk of a column, where an extrapolated one
    would call them faults. SSIM is compared as -10 log10(1 - SSIM), on which one step means the
    same for saturated and for poor images.
    """

    points: tuple[tuple[float, float], ...]
    """(PSNR in dB, SSIM) by rising PSNR, each method once."""
    sigma: float
    """Robust standard deviation of the points about their neighbours, in dB of 1 - SSIM."""

    @classmethod
    def fit(cls, points: Iterable[tuple[float, float]]) -> Trend | None:
        """Return the trend of (PSNR, SSIM) points; none where too few have neighbours."""
        trend = cls(tuple(sorted(points)), SMALLEST_SIGMA)
        apart = []
        for psnr, ssim in trend.points:
            lower, upper = trend.bounds(psnr)
            if lower is not None and upper is not None:
                apart.append(abs(decibel(ssim) - (decibel(lower) + decibel(upper)) / 2))
        if not apart:
            return None
        return cls(trend.points, max(SMALLEST_SIGMA, MAD_TO_SIGMA * median(apart)))

    def bounds(self, psnr: float) -> tuple[float | None, float | None]:
        """Return the median SSIM of the five nearest worse and of the five nearest better methods.

        Where there are fewer, nothing bounds that side.
        """
        worse = [ssim for other, ssim in self.points if other < psnr][-NEIGHBOURS:]
        better = [ssim for other, ssim in self.points if other > psnr][:NEIGHBOURS]
        return (
            median(worse) if len(worse) == NEIGHBOURS else None,
            median(better) if len(better) == NEIGHBOURS else None,
        )

    def deviation(self, psnr: float, ssim: float, rounding: float = 0.0) -> float:
        """Return how many ``sigma`` an SSIM lies outside its bounds; 0 inside them.

        Args:
            psnr: in dB.
            ssim: below 1.
            rounding: how far the unrounded SSIM may lie from ``ssim``.
        """
        lower, upper = self.bounds(psnr)
        outside = 0.0
        if lower is not None and ssim + rounding < lower:
            outside = decibel(lower) - decibel(ssim + rounding)
        if upper is not None and ssim - rounding > upper:
            outside = decibel(ssim - rounding) - decibel(upper)
        return outside / self.sigma


@dataclass(frozen=True, slots=True)
class Expectation:
    """The PSNR that a table leads one to expect of a cell.

    A weak method is low in all its columns and a hard column is low in all its rows; what is left
    without the medians of both belongs to the cell.
    """

    usual: Mapping[str, float]
    """Median of each column, in dB."""
    sigma: Mapping[str, float]
    """Robust standard deviation of each column's residuals, in dB."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, float]]) -> Expectation:
        """Return what rows of PSNR by column lead one to expect; rows may lack columns.

        >>> rows = [{"a": 30, "b": 20, "c": 25}, {"a": 31, "b": 21, "c": 26}]
        >>> Expectation.of(rows).residuals({"a": 29.5, "b": 28.5, "c": 24.5})
        {'a': 0.0, 'b': 9.0, 'c': 0.0}
        """
        first = cls({name: median(values) for name, values in _columns(rows).items()}, {})
        residuals = _columns(first.residuals(row) for row in rows)
        sigma = {name: _robust_sigma(values) for name, values in residuals.items()}
        return cls(first.usual, sigma)

    def level(self, row: Mapping[str, float]) -> float:
        """Return how far a row as a whole lies above the columns' medians, in dB."""
        return median(value - self.usual[column] for column, value in row.items())

    def residuals(self, row: Mapping[str, float]) -> dict[str, float]:
        """Return what neither row nor column explains, in dB."""
        level = self.level(row)
        return {column: value - self.usual[column] - level for column, value in row.items()}


def _robust_sigma(values: Sequence[float]) -> float:
    centre = median(values)
    return max(SMALLEST_SIGMA, MAD_TO_SIGMA * median(abs(value - centre) for value in values))


def decibel(ssim: float) -> float:
    """Return -10 log10(1 - SSIM).

    >>> round(decibel(0.9))
    10
    """
    return -10 * math.log10(1 - ssim)


def _columns(rows: Iterable[Mapping[str, float]]) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = {}
    for row in rows:
        for column, value in row.items():
            columns.setdefault(column, []).append(value)
    return columns
