"""`Finding`: something in a published table that a careful reader would ask the authors about."""

from __future__ import annotations

from dataclasses import dataclass

from restorebench.published import AVERAGE, Published
from restorebench_benchmarks.paper_spec import Rule
from restorebench_benchmarks.trend import Trend

Row = tuple[Published, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a careful reader would ask the authors about."""

    rule: Rule
    cells: tuple[Published, ...]
    """What it is about, with provenance; the first is where a reader should look."""
    expected: str
    """What would have been no fault, such as ``29.5225``."""
    explanation: str
    """One line, with the numbers."""

    @property
    def paper(self) -> str:
        """Name of the paper."""
        return self.cells[0].paper

    @property
    def table(self) -> str:
        """Number and part of the table."""
        return self.cells[0].table

    @property
    def row(self) -> str:
        """Label of the row, as printed."""
        return self.cells[0].row

    @property
    def columns(self) -> tuple[str, ...]:
        """Heading and metric of each cell in that table."""
        here = (cell for cell in self.cells if cell.source == self.cells[0].source)
        return tuple(dict.fromkeys(f"{cell.heading} {cell.metric}" for cell in here))

    @property
    def values(self) -> tuple[str, ...]:
        """The cells as printed."""
        return tuple(cell.printed for cell in self.cells)

    @property
    def source(self) -> str:
        """Paper and table, with the arXiv number where it is known."""
        first = self.cells[0]
        return f"{first.source} (arXiv {first.arxiv})" if first.arxiv else first.source

    def __str__(self) -> str:
        place = ", ".join([self.source, self.row, *self.columns])
        return f"{place}: {self.explanation} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Pair:
    """PSNR and SSIM of one method on one task; both are numbers."""

    psnr: Published
    ssim: Published
    point: tuple[float, float]

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.psnr.task or ""

    def deviation(self, trend: Trend) -> float:
        """Return how many sigma the SSIM lies off a trend, rounding allowed for."""
        return trend.deviation(*self.point, rounding=self.ssim.half_unit)

    def __str__(self) -> str:
        return f"{self.psnr.printed}/{self.ssim.printed}"


def scores(row: Row, metric: str) -> list[Published]:
    """Return a row's cells of a metric in its task columns, the means left out."""
    return [c for c in row if c.metric == metric and c.task not in (None, AVERAGE)]


def pairs(row: Row) -> list[Pair]:
    """Return PSNR and SSIM of each task column of a row that has both."""
    ssim = {cell.task: cell for cell in scores(row, "ssim")}
    return [
        Pair(cell, other, (cell.value, other.value))
        for cell in scores(row, "psnr")
        if (other := ssim.get(cell.task)) and cell.value is not None and other.value is not None
    ]
