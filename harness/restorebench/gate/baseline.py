"""`Baseline`: the per-image scores that checkpoints are gated against, as a JSON file for git.

The order is fixed and each image is one line, so that a diff shows what a new baseline changes.
There is no date in it: the same measurement always gives the same bytes, and git knows the date.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from restorebench.board.info import Info
from restorebench.board.leaderboard import Leaderboard
from restorebench.column import Column
from restorebench.errors import CellError, StoreError, UsageError
from restorebench.plan import Plan, Row
from restorebench.store import write_atomically
from restorebench.work import load_pair


class TaskBaseline(Info):
    """One method's scores on the images of one task."""

    title: str
    data: Literal["real", "sample"]
    fingerprint: str
    """SHA-256 over the files of the whole set that was found."""
    inputs: str
    """SHA-256 over the images that this project degraded, as methods saw them; empty for pairs."""
    words: tuple[str, ...]
    """What keeps the column from being the real and whole benchmark."""
    count: int
    images: dict[str, tuple[float, ...]]
    """Scores by image, in the order of `Entry.metrics`."""


class Latency(Info):
    """Times of one image, and the only machine they can be compared on."""

    machine: str
    milliseconds: tuple[float, ...] = Field(min_length=2)
    """One for each round."""


class Cost(Info):
    """What a network costs, as far as it was measured."""

    parameters: int | None = None
    macs: int | None = None
    latency: Latency | None = None
    memory: int | None = None
    """Peak on the entry's device, in bytes."""


class Entry(Info):
    """What one method scored, with everything that a number must not travel without."""

    protocol: str
    protocol_hash: str
    device: str
    environment: str
    precision: str
    weights: str
    weights_file: str | None
    config: str
    code: str
    words: tuple[str, ...]
    metrics: tuple[str, ...] = Field(min_length=1)
    cost: Cost
    tasks: dict[str, TaskBaseline] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, task in self.tasks.items():
            if task.count != len(task.images) or not task.images:
                raise ValueError(f"{name} says {task.count} images and has {len(task.images)}")
            for image, scores in task.images.items():
                if len(scores) != len(self.metrics) or any(map(math.isnan, scores)):
                    raise ValueError(f"{name}, {image}: {len(self.metrics)} numbers are needed")
        return self


class Baseline(Info):
    """The entries of one suite, by method."""

    schema_version: Literal[1] = 1
    suite: str
    """Name and version, such as ``three_deg@1``."""
    methods: dict[str, Entry]

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a baseline file.

        Raises:
            StoreError: if it is not there or damaged.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreError(f"{path}: no such baseline; make it with --update") from error
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror})") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise StoreError(
                f"{path} is no baseline: {where + ': ' if where else ''}{first['msg']}; "
                "take it from git again, or make it anew with --update"
            ) from error

    def save(self, path: Path) -> Path:
        """Write the file: sorted methods, one line an image.

        Raises:
            OutputFolderError: if it cannot be written.
        """
        ordered = self.model_copy(update={"methods": dict(sorted(self.methods.items()))})
        known = json.loads(ordered.model_dump_json())  # model_dump would leave infinity a number
        text = json.dumps(known, indent=1, ensure_ascii=False)
        return write_atomically(path, _short_lists(text) + "\n")

    def updated(self, entries: Mapping[str, Entry]) -> Baseline:
        """Return the baseline with these entries in place of those of the same methods."""
        return self.model_copy(update={"methods": {**self.methods, **entries}})


def baseline_for(path: Path, suite: str) -> Baseline:
    """Return the baseline to update: the file's, or an empty one if there is none yet.

    Raises:
        StoreError: if the file is damaged.
        UsageError: if it belongs to another suite.
    """
    if not path.exists():
        return Baseline(suite=suite, methods={})
    found = Baseline.load(path)
    if found.suite != suite:
        raise UsageError(f"{path} is the baseline of {found.suite}, not of {suite}; name another")
    return found


def entry_of(
    plan: Plan, row: Row, board: Leaderboard, inputs: Mapping[str, str], cost: Cost
) -> Entry:
    """Return what becomes the baseline of a row whose images were all scored.

    Args:
        plan: what was measured.
        row: one of its rows.
        board: the plan's board.
        inputs: hash of the degraded images, by task.
        cost: what the network costs.
    """
    metrics = [metric.name for metric in board.info.metrics]
    info = next(info for info in board.info.rows if info.name == row.label)
    tasks = {}
    for column in plan.columns:
        scores = board.image_scores(row.label, column.task.name)
        tasks[column.task.name] = TaskBaseline(
            title=column.source.title,
            data=column.origin,
            fingerprint=column.fingerprint,
            inputs=inputs[column.task.name],
            words=tuple(column.words()),
            count=len(scores),
            images={
                str(image): tuple(map(float, values))
                for image, *values in scores[metrics].itertuples()
            },
        )
    return Entry(
        protocol=plan.protocol.id,
        protocol_hash=plan.protocol.hash,
        device=row.device,
        environment=plan.environment,
        precision=info.precision,
        weights=info.weights,
        weights_file=info.weights_file,
        config=info.config,
        code=info.code,
        words=info.words,
        metrics=tuple(metrics),
        cost=cost,
        tasks=tasks,
    )


def inputs_hash(column: Column) -> str:
    """Return a hash of the images that this project degraded, as methods see them.

    Names and parameters alone would not show that the code of a degradation was changed. Rounded
    to 8 bit, so that the last bit of one processor's arithmetic is no other image.

    Returns:
        SHA-256, or nothing for pairs, whose files have a fingerprint of their own.
    """
    if not column.source.mix:
        return ""
    whole = hashlib.sha256()
    for item in column.chosen:
        try:
            degraded, _ = load_pair(column, item)
        except CellError:
            continue  # this image will be a failed one
        whole.update(np.round(255 * degraded).astype(np.int16).tobytes())
    return whole.hexdigest()


def _short_lists(text: str) -> str:
    """Put each innermost list of indented JSON on one line.

    Within a string JSON has no line breaks, so a bracket before one is never part of a text.
    """

    def joined(match: re.Match[str]) -> str:
        lines = match[1].split("\n")  # splitlines would split within texts, which hold others
        return f"[{' '.join(line.strip() for line in lines)}]"

    return re.sub(r"\[\n\s+([^\[\]]*?)\n\s*\]", joined, text)
