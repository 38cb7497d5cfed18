"""Measured beside published: which printed values a run may be held against, and how it compares.

A number of a paper and one of a run are compared only where both mean the same: whole real sets,
the protocol that the authors' code follows, a network and weights without a remark, and a printed
value that nobody doubts. Anywhere else the reason is said in place of a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

from restorebench.board.info import RowInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.catalog import Catalog
from restorebench.errors import UsageError
from restorebench.published import AVERAGE, Comparison, PrintedRow, Published

Key = tuple[str, str]
"""Task and metric."""


def beside_published(board: Leaderboard, catalog: Catalog) -> Leaderboard:
    """Return the board with everything set beside it that is printed for its suite.

    Raises:
        SpecError: if a package's record is wrong.
    """
    judge = _Judge(board, catalog)
    values = [
        value
        for record in catalog.groups["published"].values()
        for value in record.load()()
        if value.setting == board.info.suite and (value.task, value.metric) in judge.keys
        if value.value is not None or "lost" in value.flags
    ]
    printed = [row for group in _alike(values) for row in judge.rows(group)]
    names = [row.name for row in board.info.rows]
    printed.sort(key=lambda p: len(names) if p.row is None else names.index(p.row))
    return replace(board, printed=tuple(printed))


def protocol_of(board: Leaderboard, catalog: Catalog) -> tuple[str, str]:
    """Return the name of a board's protocol, and why it is not what goes by that name here."""
    name, _, _ = board.info.protocol.partition("@")
    scheme = re.search(r"/noise=([^:/]+)", board.info.protocol)
    try:
        usual = catalog.protocol(name)
        used = catalog.protocol(name, scheme[1] if scheme else None)
    except UsageError:
        return name, f"measured under the protocol {name}, which is not installed here"
    if board.info.protocol.startswith(f"{used.id}/"):
        marks = board.info.protocol.removeprefix(f"{used.id}/").replace("/", ", ")
        return name, f"measured with {marks}, which no paper does"
    if used.id != board.info.protocol:
        return name, f"measured under another {name} protocol than the installed one"
    # The draw may differ: it moves a mean less than the tolerance. What the noise is may not.
    drawn = {"name", "title", "draw", "seed"}
    if used.noise.model_dump(exclude=drawn) != usual.noise.model_dump(exclude=drawn):
        return name, f"measured with the noise {used.noise.name}, unlike the papers' own"
    return name, ""


def _alike(values: Iterable[Published]) -> list[list[Published]]:
    """Return values by method, those of several tables together where all agree as printed."""
    tables: dict[tuple[str, str, str], list[Published]] = {}
    for value in values:
        tables.setdefault((value.method, value.source, value.row), []).append(value)
    groups: list[list[Published]] = []
    for found in tables.values():
        group = next((g for g in groups if _repeats(g, found)), None)
        if group is None:
            groups.append(found)
        else:
            group += found
    return groups


def _repeats(group: Sequence[Published], found: Sequence[Published]) -> bool:
    first, other = group[0], found[0]
    if (first.method, first.protocol) != (other.method, other.protocol):
        return False
    printed = {(v.task, v.metric): (v.value, v.half_unit) for v in group if v.value is not None}
    shared = [v for v in found if v.value is not None and (v.task, v.metric) in printed]
    return bool(shared) and all((v.value, v.half_unit) == printed[v.task, v.metric] for v in shared)


class _Judge:
    """Decides what may be said of a board's numbers beside printed ones."""

    def __init__(self, board: Leaderboard, catalog: Catalog) -> None:
        self.board, self.catalog = board, catalog
        self.protocol, self.fault = protocol_of(board, catalog)
        info = board.info
        self.keys: list[Key] = [(task, m.name) for task in info.tasks for m in info.metrics]

    def rows(self, values: Sequence[Published]) -> Iterator[PrintedRow]:
        """Yield what is printed of one method, beside each of the board's rows of that title."""
        first, best = values[0], dict[Key, Published]()
        for value in values:  # a table that lost a cell gives way to one that has it
            key = (value.task or "", value.metric)
            if key not in best or best[key].value is None:
                best[key] = value
        sources = tuple(dict.fromkeys(value.source for value in values))
        found: list[RowInfo | None] = [
            row for row in self.board.info.rows if row.title == first.method
        ]
        for row in found or [None]:
            yield PrintedRow(
                method=first.method,
                row=None if row is None else row.name,
                protocol=first.protocol,
                sources=sources,
                comparable=not self._unlike(first),
                cells=tuple(
                    self._compared(row, best[key], _allowed(best, key))
                    for key in self.keys
                    if key in best
                ),
            )

    def _compared(self, row: RowInfo | None, value: Published, allowed: float) -> Comparison:
        measured, missing = self._measured(row, value)
        said = partial(Comparison, published=value, measured=measured, tolerance=allowed)
        if value.value is None:
            return said(verdict="not comparable", reason=value.note)
        if row is None or measured is None:
            return said(verdict="published only", reason=missing)
        reasons = [*self._reasons(value), *row.words]
        if reasons:
            return said(verdict="not comparable", reason="; ".join(reasons))
        # Half a unit and the binary value of a decimal fraction meet only up to rounding.
        apart = abs(measured - value.value) / (1 + 1e-6)
        if apart <= value.half_unit:
            return said(verdict="match")
        return said(verdict="within tolerance" if apart <= allowed else "off")

    def _measured(self, row: RowInfo | None, value: Published) -> tuple[float | None, str]:
        if row is None:
            return None, "not measured in this run"
        if row.absent:
            return None, row.absent
        if value.task == AVERAGE:
            missing = self.board.average_reason or "a task has no value"
            return self.board.average(row.name, value.metric), missing
        cell = self.board.cell(row.name, str(value.task), value.metric)
        return cell.value, cell.reason or ""

    def _reasons(self, value: Published) -> list[str]:
        """Return what forbids comparing a printed value with this board's, whatever the row."""
        columns = [c for c in self.board.info.columns if value.task in (c.name, AVERAGE)]
        flagged = f"flagged in the record: {value.note}" if value.broken else ""
        unclear = f"{value.metric} of unknown kind: {value.unclear}" if value.unclear else ""
        words = dict.fromkeys(word for column in columns for word in column.words)
        return list(filter(None, [self._unlike(value), *words, flagged, unclear]))

    def _unlike(self, value: Published) -> str:
        """Return why a printed value stands for another protocol than the board's."""
        if self.fault or value.protocol == self.protocol:
            return self.fault
        if value.protocol is None:
            return "the paper's protocol is not known"
        said = f"printed under the protocol {value.protocol}, measured under {self.protocol}"
        theirs, ours = self._variant(value.protocol, value), self._variant(self.protocol, value)
        return said if theirs == ours else f"{said}: {theirs}, not {ours}"

    def _variant(self, protocol: str, value: Published) -> str:
        """Return what a protocol means by a metric's name, such as ``ssim_uniform7``."""
        try:
            meant = self.catalog.protocol(protocol).spec.metrics
        except UsageError:
            meant = {}
        return meant.get(value.metric, f"an unknown {value.metric}")


def _allowed(values: Mapping[Key, Published], key: Key) -> float:
    """Return how far off is within tolerance: rounding, and one printed unit or more beside it.

    One unit, since the order in which a machine adds can tip the last printed digit. A mean is
    allowed what its columns are on average.
    """
    task, metric = key
    value = values[key]
    parts = [v for (name, other), v in values.items() if other == metric and name != AVERAGE]
    given = value.tolerance
    if task == AVERAGE and parts:
        given = fmean(part.tolerance for part in parts)
    return value.half_unit + max(value.half_unit, given)
