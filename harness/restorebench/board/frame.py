"""Records as a frame: one row for each image of each method."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from restorebench.errors import StoreError
from restorebench.inert import plain
from restorebench.record import Record
from restorebench.store import write_atomically

RECORDS = "records.parquet"

WORDS = ("extent", "remarks")
"""Columns of the files that say what must be said of a record; the board knows it by itself."""

BETWEEN_FLAGS = "; "
AGAIN = "run the same command again to write it anew"


def frame_of(records: Iterable[Record], metrics: list[str]) -> pd.DataFrame:
    """Return what records hold, in their order, in full precision.

    There is a column ``draw`` only if noise was drawn several times.
    """
    rows = [
        {
            **record.identity.model_dump(),
            **{name: record.scores.get(name, math.nan) for name in metrics},
            "error": record.error,
            "flags": BETWEEN_FLAGS.join(record.flags),
            "height": record.height,
            "width": record.width,
            "seconds": record.seconds,
            "batch": record.batch,
            "session": record.session,
            "draw": record.identity.draw,
            "key": record.key,
        }
        for record in records
    ]
    first = ["method", "task", "image", *metrics, "error", "flags"]
    names = [*first, "height", "width", "seconds", "batch", "weights", "precision", "device"]
    names += ["data", "data_fingerprint", "mix", "protocol", "stream_start", "config", "code"]
    names += ["environment", "session", "key"]
    names += ["draw"] if any(row["draw"] for row in rows) else []
    frame = pd.DataFrame(rows, columns=names)
    types = {
        "height": "Int64",
        "width": "Int64",
        "error": "string",
        "flags": "string",
        "stream_start": "int64",
    }
    return frame.astype({**types, **dict.fromkeys([*metrics, "seconds"], "float64")})


def with_words(
    records: pd.DataFrame, extents: Mapping[str, str], remarks: Mapping[str, str]
) -> pd.DataFrame:
    """Return records with what must be said of them, beside their scores and errors.

    Args:
        records: as `frame_of` returns them.
        extents: what keeps a task from being whole and real, such as ``sample, limited``.
        remarks: what must be said of a method, such as ``untrained``.
    """
    told = records.copy()
    place = list(told.columns).index("error") + 1
    told.insert(place, "extent", told["task"].map(extents).astype("string"))
    told.insert(place + 1, "remarks", told["method"].map(remarks).astype("string"))
    return told


def write_frame(records: pd.DataFrame, folder: Path) -> list[Path]:
    """Write records as Parquet, and as CSV that no spreadsheet takes for formulas."""
    safe = records.copy()
    for name in safe.select_dtypes(["object", "string"]):
        safe[name] = safe[name].map(_plain)
    return [
        write_atomically(folder / RECORDS, records.to_parquet(index=False)),
        write_atomically(folder / "records.csv", safe.to_csv(index=False)),
    ]


def read_frame(folder: Path, metrics: list[str]) -> pd.DataFrame:
    """Read the records that `write_frame` wrote, without the words that the board has, too.

    Raises:
        StoreError: if they cannot be read, or lack a column.
    """
    path = folder / RECORDS
    try:
        records = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {str(error).splitlines()[0]}; {AGAIN}") from error
    missing = [n for n in ("method", "task", "image", "error", *metrics) if n not in records]
    if missing:
        raise StoreError(f"{path} has no column {', '.join(missing)}; {AGAIN}")
    return records.drop(columns=list(WORDS), errors="ignore")  # files of old have none


def over_draws(
    records: pd.DataFrame, metrics: list[str], repeats: Mapping[str, int]
) -> pd.DataFrame:
    """Return one row for each image out of the records of several draws of its noise.

    Scores are means over the draws; everything else is the first draw's, but for errors, of which
    the first is kept, and flags, of which each is kept once. An image that lacks a draw has no
    score.

    Args:
        records: as `frame_of` returns them.
        metrics: names of the columns that are scores.
        repeats: how many draws there are to be, by task.
    """
    which = ["method", "task", "image"]
    grouped = records.groupby(which, sort=False)
    images = records.drop_duplicates(which).set_index(which)
    images[metrics] = grouped[metrics].mean()
    images["error"] = grouped["error"].first()
    lacking = grouped.size() < images.index.get_level_values("task").map(repeats)
    unknown = lacking & images["error"].isna()
    images.loc[unknown, "error"] = "not all draws of its noise are measured yet"
    images.loc[images["error"].notna(), metrics] = math.nan
    if "flags" in images:
        images["flags"] = grouped["flags"].agg(_each_once)
    return images.reset_index()[records.columns].drop(columns="draw")


def _plain(value: Any) -> Any:
    return plain(value) if isinstance(value, str) else value


def _each_once(flags: pd.Series) -> str:
    found = [flag for text in flags for flag in text.split(BETWEEN_FLAGS)]
    return BETWEEN_FLAGS.join(filter(None, dict.fromkeys(found)))
