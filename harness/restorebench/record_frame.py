"""Records as a frame: one row for each image of each method."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from restorebench.record import Record

BETWEEN_FLAGS = "; "


def frame_of(records: Iterable[Record], metrics: list[str]) -> pd.DataFrame:
    """Return what records hold, in their order, in full precision."""
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
            "key": record.key,
        }
        for record in records
    ]
    first = ["method", "task", "image", *metrics, "error", "flags"]
    names = [*first, "height", "width", "seconds", "batch", "weights", "precision", "device"]
    names += ["data", "data_fingerprint", "mix", "protocol", "stream_start", "config", "code"]
    names += ["environment", "session", "key"]
    frame = pd.DataFrame(rows, columns=names)
    types = {
        "height": "Int64",
        "width": "Int64",
        "error": "string",
        "flags": "string",
        "stream_start": "int64",
    }
    return frame.astype({**types, **dict.fromkeys([*metrics, "seconds"], "float64")})
