"""`Published`: a number that a paper prints; and `Comparison`: one set beside what was measured.

Packages provide the record by the entry-point group ``restorebench.published``; the harness knows
no paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AVERAGE = "average"
"""The task of a column that holds the mean of the row's other columns."""

Verdict = Literal["match", "within tolerance", "off", "published only", "not comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One printed value with everything that is known about it."""

    paper: str
    table: str
    row: str
    """Label as printed."""
    method: str
    """Name of the method; where one is installed, the title of its card."""
    setting: str
    """Name of the suite that asks the same of a method."""
    heading: str
    """Of the column, as printed."""
    task: str | None
    """Name of a task, ``average``, or nothing where no images are scored."""
    metric: str
    printed: str
    value: float | None
    """In the metric's unit (dB, parameters, bytes, operations, seconds); ``None`` for no number."""
    half_unit: float
    """Half of the last printed digit: how far the unrounded value may lie from ``value``."""
    arxiv: str | None = None
    version: str | None = None
    protocol: str | None = None
    """Name of the protocol that the authors' released code follows, where that is known."""
    copied_from: str | None = None
    flags: tuple[str, ...] = ()
    """What is wrong with the cell, in a word each."""
    note: str = ""
    """The same in words."""
    reference: str = ""
    """The paper's title and version, for a line below a table."""
    unclear: str = ""
    """Why nobody can tell how this metric was computed; empty where it is known or not stated."""
    tolerance: float = 0.0
    """How far a fair second run of the same weights may lie off, beside rounding."""
    why_tolerance: str = ""
    """Where that figure is from."""

    @property
    def source(self) -> str:
        """Paper and table: ``hair 1``."""
        return f"{self.paper} {self.table}"

    @property
    def broken(self) -> bool:
        """Whether the value itself is in doubt; a wrong name leaves it alone."""
        return any(flag != "label" for flag in self.flags)

    def agrees_with(self, other: Published) -> bool:
        """Tell whether both can be the same number, rounded as printed."""
        if self.value is None or other.value is None:
            return False
        # Half a unit and the binary value of a decimal fraction meet only up to rounding.
        slack = (self.half_unit + other.half_unit) * (1 + 1e-6)
        return abs(self.value - other.value) <= slack


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A printed value beside the measured one, and what may be said of the two."""

    published: Published
    verdict: Verdict
    measured: float | None
    """What the board holds, also where it must not be compared."""
    reason: str = ""
    """Why they cannot be compared, or why nothing is measured."""
    tolerance: float = 0.0
    """How far apart the two may lie to be within tolerance, rounding included."""

    @property
    def delta(self) -> float | None:
        """Measured minus printed, only where the two may be compared."""
        if self.reason or self.measured is None or self.published.value is None:
            return None
        return self.measured - self.published.value


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedRow:
    """What one paper, or several alike, print of one method."""

    method: str
    row: str | None
    """Name of the board's row; ``None`` if the method was not measured."""
    protocol: str | None
    sources: tuple[str, ...]
    """Every table that prints it, such as ``hair 1``."""
    comparable: bool
    """Whether the board is scored as the papers' code scores."""
    cells: tuple[Comparison, ...]
    """In the board's order; columns that no paper prints are left out."""
