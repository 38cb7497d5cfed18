r"""Every number of a board as a macro, so that the text of a paper cannot drift from its tables.

A paper says ``\input{numbers}`` in its preamble and ``\rb{promptir}{rain100l}{psnr}`` in its text:
a number is named by what a person types elsewhere, too. A command for each, such as
``\promptirRainPSNR``, can hold neither digits nor underscores, which most names of tasks have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style, Table, table_of
from restorebench.costs.columns import COLUMNS, cost_columns
from restorebench.store import write_atomically
from restorebench_reports.tex import environment

IMAGES = "images"
"""What stands in place of a metric for the count of images."""
COST = "cost"
"""What stands in place of a task for costs, with the size of the image: ``cost_224x224``."""


@dataclass(frozen=True, slots=True)
class Number:
    """One macro: the keys that name it, what it prints, and what must not be left out beside it."""

    method: str
    task: str
    metric: str
    text: str
    words: str = ""


def render(board: Leaderboard, folder: Path, style: Style) -> Path:
    """Write ``numbers.tex``."""
    table, (suite,) = table_of(board, style), keys([board.info.suite])
    numbers = list(numbers_of(board, table))
    template = environment().get_template("numbers.tex.jinja")
    text = template.render(table=table, suite=suite, numbers=numbers)
    return write_atomically(folder / "numbers.tex", text)


def numbers_of(board: Leaderboard, table: Table) -> Iterator[Number]:
    """Yield a number for each mean that the board has, for the count of its images, and for costs.

    Args:
        board: the leaderboard.
        table: the same as text, as `table_of` gives it.
    """
    info = board.info
    methods = dict(
        zip([row.name for row in info.rows], keys([r.name for r in info.rows]), strict=True)
    )
    tasks = keys([COST, *info.tasks])[1:]
    metrics = keys([IMAGES, *(metric.name for metric in info.metrics)])[1:]
    for row in table.rows:
        for place, task in enumerate(tasks):
            column = info.columns[place] if place < len(info.columns) else None
            group, method = table.groups[place], methods[row.name]
            extent = group.tag if column else board.average_extent
            words = "; ".join(filter(None, [row.tag, "" if group.whole else extent]))
            found = []
            for key, metric, cell in zip(metrics, info.metrics, row.groups[place], strict=True):
                if board.mean(row.name, metric.name, info.tasks[place]) is not None:
                    found.append(Number(method, task, key, cell.text, words))
            yield from found
            if found and column is not None:
                yield Number(method, task, IMAGES, str(column.count))
    yield from _costs(board, methods)


def _costs(board: Leaderboard, methods: Mapping[str, str]) -> Iterator[Number]:
    names = {column.heading: column.name for column in COLUMNS}
    settings = list(cost_columns(board.costs))
    for task, setting in zip(keys([f"{COST}_{s.size}" for s in settings]), settings, strict=True):
        where = setting.words.partition(";")[0].removeprefix("costs ")
        for row, cells in setting.cells.items():
            for heading, cell in zip(setting.headings, cells, strict=True):
                if cell.text:
                    words = "; ".join(filter(None, [f"{heading} {where}", cell.remark]))
                    yield Number(methods[row], task, names[heading], cell.text, words)


def keys(names: Sequence[str]) -> list[str]:
    """Return a key for each name, all different, of letters that LaTeX never takes for commands.

    >>> keys(["bsd68_s25", "hair@epoch_9", "a%b", "a#b"])
    ['bsd68_s25', 'hair@epoch_9', 'a-b', 'a-b-2']
    """
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_@.+-]", "-", name)
        alike = (plain if n == 1 else f"{plain}-{n}" for n in range(1, len(names) + 1))
        found.append(next(key for key in alike if key not in found))
    return found
