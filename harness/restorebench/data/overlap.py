"""Overlap: which test images a network may have seen in training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from restorebench.data.evidence import Evidence, Seen
from restorebench.data.looks import ALIKE, distances

AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A training image and a test image that show the same."""

    train: str
    dataset: str
    image: str
    role: str
    apart: int
    """Bits of 255 by which their looks differ; -1 if their pixels are equal."""

    def __str__(self) -> str:
        how = "equal pixels" if self.apart < 0 else f"looks alike, {self.apart} of 255 bits apart"
        return f"{self.train} = {self.dataset} {self.image} ({self.role}): {how}"


def overlaps(train: Evidence, test: Evidence) -> Iterator[Overlap]:
    """Yield every pair of a training and a test image that show the same.

    Copies are known by equal pixels, or by a hash of what they show, which re-encoding, resizing,
    flips, turns by 90 degrees, and mild degradations leave alone. A crop of a part is not found.
    """
    equal = defaultdict(list)
    for seen in test.seen:
        equal[seen.facts.pixels].append(seen)
    for start in range(0, len(train.seen), AT_ONCE):
        some = train.seen[start : start + AT_ONCE]
        for ours, row in zip(some, _apart(some, test.seen), strict=True):
            copies = equal.get(ours.facts.pixels, [])
            yield from (_overlap(ours, theirs, test, -1) for theirs in copies)
            for index in np.flatnonzero(row <= ALIKE):
                theirs = test.seen[index]
                if theirs not in copies:
                    yield _overlap(ours, theirs, test, int(row[index]))


def _apart(ours: Sequence[Seen], theirs: Sequence[Seen]) -> np.ndarray:
    return distances([s.facts.look for s in ours], [s.facts.look for s in theirs])


def _overlap(ours: Seen, theirs: Seen, test: Evidence, apart: int) -> Overlap:
    return Overlap(
        train=ours.facts.image,
        dataset=test.dataset.name,
        image=theirs.facts.image,
        role=theirs.facts.role,
        apart=apart,
    )
