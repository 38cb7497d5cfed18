"""Nothing is trained on that is tested on: images are compared by pixels and by what they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restorebench.catalog import Catalog
from restorebench.data.dataset import Dataset, Item
from restorebench.data.evidence import gather
from restorebench.data.looks import ALIKE, distances
from restorebench.data.manifest import FileFacts
from restorebench.errors import ImageError

AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class KnownImages:
    """What the installed data sets test on."""

    names: tuple[str, ...]
    """Such as ``bsd68 101085``."""
    facts: tuple[FileFacts, ...]


def find_test_images(catalog: Catalog, root: Path) -> KnownImages:
    """Return the images of all installed data sets: on record, or below the data root."""
    names, facts = [], []
    for name in catalog.names("datasets"):
        for one in _facts(catalog.dataset(name), root):
            names.append(f"{name} {one.image}")
            facts.append(one)
    return KnownImages(tuple(names), tuple(facts))


def find_tested(dataset: Dataset, items: tuple[Item, ...], tests: KnownImages) -> dict[str, str]:
    """Return which images of a training set are test images, and which.

    Copies are known by equal pixels, or by what they show however they are encoded, resized or
    turned; a crop of a part is not.

    Raises:
        ImageError: if a training image cannot be read.
    """
    evidence = gather(dataset, items)
    if evidence.unseen:
        raise ImageError(evidence.unseen[0].reason)
    ours = [seen.facts for seen in evidence.seen]
    return {image: tests.names[which] for image, which in _alike(ours, tests.facts)}


def _alike(ours: Sequence[FileFacts], theirs: Sequence[FileFacts]) -> Iterator[tuple[str, int]]:
    looks = [facts.look for facts in theirs]
    for start in range(0, len(ours) if theirs else 0, AT_ONCE):
        some = ours[start : start + AT_ONCE]
        for facts, row in zip(some, distances([f.look for f in some], looks), strict=True):
            which = int(np.argmin(row))
            if row[which] <= ALIKE:
                yield facts.image, which


def _facts(dataset: Dataset, root: Path) -> Sequence[FileFacts]:
    manifest = dataset.manifest()
    if manifest is not None:
        return manifest.files
    return [seen.facts for seen in gather(dataset, dataset.find(root)).seen]
