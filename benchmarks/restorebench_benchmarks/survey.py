"""Read the leaderboards of a survey from CSV files with one method a line.

The layout is that of the survey Harbinzzy/All-in-One-Image-Restoration-Survey as exported with the
columns ``method, venue, params, <task columns>, average``, where a cell is ``PSNR/SSIM``. The files
are the survey's and do not ship; a user gives their path.
"""

from __future__ import annotations

import csv
from pathlib import Path

from restorebench.errors import DataError
from restorebench.published import AVERAGE, Published
from restorebench_benchmarks.paper_spec import Metric
from restorebench_benchmarks.papers import Table, number

TASKS = {
    "dehaze_SOTS": "sots_outdoor",
    "derain_Rain100L": "rain100l",
    "dn15": "bsd68_s15",
    "dn25": "bsd68_s25",
    "dn50": "bsd68_s50",
    "dn25_BSD68": "bsd68_s25",
    "deblur_GoPro": "gopro",
    "lowlight_LOL": "lol_v1",
    "average": AVERAGE,
}
"""Task of each column that is read; other columns describe the method."""
NAMES = {"Hair": "HAIR", "NDR": "NDR-Restore", "LPN": "LPNet"}
"""The survey's spelling to the papers' own."""


def read_survey(path: Path, *, setting: str) -> Table:
    """Return a leaderboard as a table of the record.

    A method that is listed again is another version of it and goes by its name and venue; the
    first line keeps the name.

    Args:
        path: the CSV file.
        setting: the suite it is a leaderboard of, such as ``three_deg``.

    Raises:
        DataError: if the file cannot be read or a line lacks a column.
    """
    lines = _lines(path)
    rows: list[tuple[Published, ...]] = []
    names: set[str] = set()
    for line in lines:
        needed = ("method", "venue", "params", *(key for key in TASKS if key in line))
        missing = [key for key in needed if line.get(key) is None]
        if missing or AVERAGE not in line:
            raise DataError(f"{path}, line {len(rows) + 2}: no {', '.join(missing) or AVERAGE}")
        name = NAMES.get(line["method"], line["method"])
        method = f"{name} ({line['venue']})" if name in names else name
        names.add(name)
        rows.append(_row(line, method, table=path.stem, setting=setting))
    return Table(f"survey {path.stem}", tuple(rows))


def tasks_of(path: Path) -> frozenset[str]:
    """Return the tasks that a leaderboard has columns of, the mean left out.

    Raises:
        DataError: if the file cannot be read, or holds no line.
    """
    return frozenset(TASKS[key] for key in _lines(path)[0] if key in TASKS) - {AVERAGE}


def _lines(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); give the CSV file of a survey's leaderboard"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a survey's CSV file: {error}") from error
    if not lines:
        raise DataError(f"{path}: holds no line below its heading")
    return lines


def _row(line: dict[str, str], method: str, *, table: str, setting: str) -> tuple[Published, ...]:
    cells: list[tuple[str, str | None, Metric, str]]
    cells = [("params", None, "params", line["params"])]
    for heading, task in TASKS.items():
        if heading in line:
            psnr, _, ssim = line[heading].partition("/")
            cells += [(heading, task, "psnr", psnr.strip()), (heading, task, "ssim", ssim.strip())]
    row = []
    for heading, column, metric, printed in cells:
        value, half_unit = number(printed)
        row.append(
            Published(
                paper="survey",
                table=table,
                row=f"{line['method']}, {line['venue']}",
                method=method,
                setting=setting,
                heading=heading,
                task=column,
                metric=metric,
                printed=printed,
                value=value,
                half_unit=half_unit,
                version=line["venue"],
            )
        )
    return tuple(row)
