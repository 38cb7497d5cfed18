"""Costs as columns of text: one group for each setting that they were measured under."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from restorebench.costs.complexity import DISAGREEMENT, spread
from restorebench.costs.record import COUNTERS, HEADLINE, in_threads

SETTING = ["size", "batch", "device", "threads"]


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    heading: str
    unit: float
    digits: int
    words: str


COLUMNS = (
    _Column("parameters", "Params (M)", 1e6, 2, ""),
    _Column("macs", "MACs (G)", 1e9, 2, f"MACs as {HEADLINE} counts them, 1 MAC = 2 FLOPs"),
    _Column(
        "latency_ms", "Latency (ms)", 1, 1, "latency is a median, from memory of the CPU and back"
    ),
    _Column("peak_memory", "Memory (MiB)", 2**20, 0, "memory is the peak, with the weights"),
)


@dataclass(frozen=True, slots=True)
class CostCell:
    """One cost as it is printed; empty where it was not measured."""

    text: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class CostColumns:
    """What methods cost under one setting. Lower is better, and nothing is marked."""

    size: str
    """Such as ``224x224``, with the batch if that is not one image."""
    headings: tuple[str, ...]
    words: str
    """What the numbers rest on."""
    cells: Mapping[str, tuple[CostCell, ...]]
    """One for each heading, by the row's name."""


def cost_columns(costs: pd.DataFrame) -> Iterator[CostColumns]:
    """Yield the columns of each setting of `Leaderboard.costs`; none if there are no costs."""
    for _, those in costs.groupby(SETTING, sort=False, dropna=False):
        columns = [column for column in COLUMNS if those[column.name].notna().any()]
        size, where = setting_of(those.iloc[0])
        words = [f"costs at {size} on {where}", *(column.words for column in columns)]
        yield CostColumns(
            size=size,
            headings=tuple(column.heading for column in columns),
            words="; ".join(filter(None, words)),
            cells={
                str(line["method"]): tuple(_cell(line, column) for column in columns)
                for line in those.to_dict("records")
            },
        )


def setting_of(line: pd.Series[Any]) -> tuple[str, str]:
    """Return the size and the machine that a line of `Leaderboard.costs` was measured with."""
    size, batch, device, threads = (line[name] for name in SETTING)
    where = str(device) if pd.isna(threads) else f"{device}, {in_threads(threads)}"
    return f"{size}x{size}" if batch == 1 else f"{batch} images of {size}x{size}", where


def _cell(line: Mapping[Any, Any], column: _Column) -> CostCell:
    value = float(line[column.name])
    if math.isnan(value):
        return CostCell("")
    text = f"{value / column.unit:.{column.digits}f}"
    return CostCell(text, disagreement(line) if column.name == "macs" else "")


def disagreement(line: Mapping[Any, Any]) -> str:
    """Say how far the counters lie apart, where that is too far to be left unsaid."""
    counts = {counter: float(line[f"macs_{counter}"]) for counter in COUNTERS}
    apart = spread(counts.values())
    if not apart > DISAGREEMENT:
        return ""
    said = ", ".join(f"{counter} {count / 1e9:.2f} G" for counter, count in counts.items())
    return f"counters disagree by {apart:.0%}: {said}"
