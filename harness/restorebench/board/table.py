"""`Table`: a leaderboard as text, the same for every renderer.

Marks, footnotes and the words that a sample, a partial set or untrained weights carry are put in
here once; a renderer only knows how its format prints them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from restorebench.board.info import BoardInfo, ColumnInfo, MetricInfo, RowInfo, images_of
from restorebench.board.leaderboard import Leaderboard
from restorebench.column import draws_of
from restorebench.costs.columns import CostCell, CostColumns, cost_columns
from restorebench.inert import printable as printable
from restorebench.published import AVERAGE

Style = Literal["plain", "paper"]
Mark = Literal["best", "second"]
Better = Literal["higher", "lower"]
Fact = tuple[str, str]
"""A label, and what is known under it."""

DASH = "—"
HEADINGS = {
    "dehaze": "Dehazing",
    "deblur": "Deblurring",
    "denoise": "Denoising",
    "derain": "Deraining",
    "desnow": "Desnowing",
    "lowlight": "Low light",
    "mixed": "Mixed degradations",
    "super_resolution": "Super-resolution",
}
"""What tables print above the columns of a kind of task; any other kind stands for itself."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """One number as it is printed."""

    text: str
    mark: Mark | None = None
    notes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TableGroup:
    """The columns of one task, or of the average."""

    title: str
    tags: tuple[str, ...]
    """What stands below the title, line by line: ``5 of 500 images`` and ``partial``."""
    metrics: tuple[str, ...]
    whole: bool
    """Whether the numbers rest on whole, real sets."""
    notes: tuple[int, ...] = ()
    better: tuple[Better, ...] = ()
    """Which way each metric is better, where the table can be sorted."""
    heading: str = ""
    """What it has in common with its neighbours: ``Denoising``; empty for nothing."""

    @property
    def tag(self) -> str:
        """The tags in one line."""
        return ", ".join(self.tags)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One method."""

    name: str
    title: str
    tag: str
    """What a reader must know of the whole row: ``untrained, reduced precision``."""
    groups: tuple[tuple[TableCell, ...], ...]
    """One cell for each metric of each of the table's groups."""
    notes: tuple[int, ...] = ()
    section: str = ""
    """Heading of the section that begins with this row, below a rule; empty for no new one."""

    @property
    def cells(self) -> tuple[TableCell, ...]:
        """All cells from left to right."""
        return tuple(cell for group in self.groups for cell in group)


@dataclass(frozen=True, slots=True)
class Table:
    """A leaderboard ready to be printed; footnotes are numbered from 1."""

    title: str
    groups: tuple[TableGroup, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]
    provenance: tuple[Fact, ...]
    stub: str = "Method"
    """What the rows are."""
    cite: str = ""
    """BibTeX key of the paper that the table is from."""

    def legend(self, best: str, second: str) -> str:
        """Return what the marks mean, given how a format shows them; empty if there are none."""
        if not any(cell.mark for row in self.rows for cell in row.cells):
            return ""
        return (
            f"{best}: best; {second}: second. Methods whose 95 % paired bootstrap interval of the "
            "difference includes zero share a mark."
        )


class Notes:
    """Footnotes in the order of their first mention."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, *texts: str) -> tuple[int, ...]:
        """Return the numbers of texts, which are given one each where they are new."""
        lines = [printable(text) for text in texts]
        self.texts = list(dict.fromkeys([*self.texts, *lines]))
        return tuple(self.texts.index(line) + 1 for line in lines)


def table_of(board: Leaderboard, style: Style = "plain") -> Table:
    """Return the board as text.

    Args:
        board: the leaderboard.
        style: ``plain`` prints SSIM as 0.9123, ``paper`` as .912.
    """
    info, notes = board.info, Notes()
    groups, costs = groups_of(board, notes), list(cost_columns(board.costs))
    marks, titles = _marks(board), titles_of(info)
    groups += tuple(_cost_group(setting, notes) for setting in costs)
    rows = [_row(board, row, titles[row.name], marks, notes, style) for row in info.rows]
    rows = [
        replace(
            row, groups=row.groups + tuple(_costs(setting, row.name, notes) for setting in costs)
        )
        for row in rows
    ]
    facts = (*provenance_of(info), *_draws(board))
    return Table(printable(info.title), groups, tuple(rows), tuple(notes.texts), facts)


def groups_of(board: Leaderboard, notes: Notes) -> tuple[TableGroup, ...]:
    """Return the headings of a board's tasks and of any average, adding their footnotes."""
    info = board.info
    metrics = tuple(f"{m.title} ({m.unit})" if m.unit else m.title for m in info.metrics)
    better: tuple[Better, ...] = tuple(
        "higher" if m.higher_is_better else "lower" for m in info.metrics
    )
    groups = [
        TableGroup(
            printable(c.title),
            tags_of(c),
            metrics,
            not c.extent,
            notes.add(*c.words),
            better,
            printable(HEADINGS.get(c.kind, c.kind)),
        )
        for c in info.columns
    ]
    if AVERAGE not in info.tasks:
        return tuple(groups)
    reason = board.average_reason
    tags = tuple(map(printable, info.average_tags))
    missing = notes.add(f"No average: {reason}") if reason else ()
    whole = all(group.whole for group in groups)
    return (*groups, TableGroup("Average", tags, metrics, whole, missing, better))


def _cost_group(setting: CostColumns, notes: Notes) -> TableGroup:
    lower: tuple[Better, ...] = tuple("lower" for _ in setting.headings)
    words = notes.add(setting.words)
    return TableGroup("Cost", (setting.size,), setting.headings, True, words, lower)


def _costs(setting: CostColumns, row: str, notes: Notes) -> tuple[TableCell, ...]:
    blank = (CostCell(""),) * len(setting.headings)
    return tuple(
        TableCell(cell.text or DASH, None, notes.add(*filter(None, [cell.remark])))
        for cell in setting.cells.get(row, blank)
    )


def titles_of(info: BoardInfo) -> dict[str, str]:
    """Return each row's title by its name; rows that share a title carry their name too."""
    shared = Counter(row.title for row in info.rows)
    return {
        row.name: printable(f"{row.title} ({row.name})" if shared[row.title] > 1 else row.title)
        for row in info.rows
    }


def format_value(value: float, metric: MetricInfo, style: Style) -> str:
    """Return a score as tables print it; infinity for images that equal their targets.

    Images have no number by a metric that is unavailable, and get a dash.
    """
    if math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if style == "paper" and not metric.unit:
        return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{min(metric.digits, 3)}f}")
    return f"{value:.{metric.digits}f}"


_Marks = dict[tuple[str, str, str], Mark]


def _marks(board: Leaderboard) -> _Marks:
    found: _Marks = {}
    for task in board.info.tasks:
        for metric in board.info.metrics:
            best, second = board.marks(metric.name, task)
            found.update({(task, metric.name, row): "second" for row in second})
            found.update({(task, metric.name, row): "best" for row in best})
    return found


def tags_of(column: ColumnInfo) -> tuple[str, ...]:
    """Return what stands below a column's title: its count of images, its extent."""
    rest = [word for word in column.extent.split(", ") if word not in column.tag]
    draws = draws_of(column.repeats) if column.repeats > 1 else ""
    return tuple(filter(None, [f"{column.tag} images", ", ".join(rest), draws]))


def _row(
    board: Leaderboard, row: RowInfo, title: str, marks: _Marks, notes: Notes, style: Style
) -> TableRow:
    groups = []
    for column in board.info.columns:
        cells = []
        for metric in board.info.metrics:
            cell = board.cell(row.name, column.name, metric.name)
            if cell.value is not None:
                mark = marks.get((column.name, metric.name, row.name))
                text = format_value(cell.value, metric, style)
                odd = notes.add(*board.oddities(row.name, column.name))
                cells.append(TableCell(text, mark, odd))
            elif row.absent or metric.unavailable:
                cells.append(TableCell(DASH, None, notes.add(*_lacking(metric))))
            else:
                cells.append(TableCell("failed", None, notes.add(str(cell.reason))))
        groups.append(tuple(cells))
    if AVERAGE in board.info.tasks:
        groups.append(tuple(_averages(board, row, marks, style)))
    return TableRow(row.name, title, printable(row.tag), tuple(groups), notes.add(*row.words))


def _averages(board: Leaderboard, row: RowInfo, marks: _Marks, style: Style) -> Iterator[TableCell]:
    for metric in board.info.metrics:
        value = board.average(row.name, metric.name)
        text = DASH if value is None else format_value(value, metric, style)
        yield TableCell(text, marks.get((AVERAGE, metric.name, row.name)))


def _lacking(metric: MetricInfo) -> list[str]:
    return [f"{metric.title} unavailable: {metric.unavailable}"] if metric.unavailable else []


def _draws(board: Leaderboard) -> Iterator[Fact]:
    """Yield how much of each column's numbers is the draw of the noise."""
    for column in board.info.columns:
        for metric in board.info.metrics:
            means = board.draws.get((column.name, metric.name))
            if means is not None:
                spread = means.std(axis=1, ddof=1).max()
                said = f"{spread:.{metric.digits + 1}f} {metric.unit}".strip()
                yield (
                    column.title,
                    f"over {draws_of(column.repeats)} the mean {metric.title} of a method varies "
                    f"by up to {said} (standard deviation)",
                )


def provenance_of(info: BoardInfo) -> tuple[Fact, ...]:
    """Return what the numbers of a board rest on."""
    titles = titles_of(info)
    average = f"; average: {info.average}" if AVERAGE in info.tasks else ""
    facts = [
        ("Suite", f"{info.suite}, version {info.suite_version}{average}"),
        ("Protocol", f"{info.protocol_title}; {info.protocol} ({info.protocol_hash})"),
        ("Noise", info.noise),
        ("Device", info.device),
    ]
    for metric in info.metrics:
        if metric.computed_by and not metric.unavailable:
            facts.append((metric.title, f"computed by {metric.computed_by}"))
    for column in info.columns:
        mix = f", degraded with {column.mix}" if column.mix else ""
        images = f"{images_of(column.count)} of {column.dataset}"
        facts.append((column.title, f"{images}, data {column.fingerprint[:12]}{mix}"))
    for row in info.rows:
        if not row.absent:
            file = "; ".join(filter(None, [row.weights_file, row.weights_read]))
            weights = f"{row.weights[:12]} ({file})" if row.weights_file else row.weights
            used = [f"weights {weights}", f"code {row.code}", row.precision, row.config]
            facts.append((titles[row.name], ", ".join(filter(None, used))))
    return tuple((printable(label), printable(text)) for label, text in facts)
