"""`Evidence`: what the files of a set were found to be; read once, judged by many rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from restorebench.data.dataset import Dataset, Item, readable
from restorebench.data.manifest import FileFacts, Manifest, Role, file_facts
from restorebench.errors import CellError, GreyscaleError, NothingSelectedError
from restorebench.image import Pixels, decoder_versions

ROLES: tuple[Role, ...] = ("degraded", "target")
COARSE = (16, 16)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """One image file as it was found."""

    facts: FileFacts
    grey: bool
    """Whether it has three equal channels."""
    mean: float
    """Of all values, in grey levels of 0 to 255."""
    coarse: NDArray[np.float32]
    """256 brightnesses, of mean 0 and norm 1: two images of one scene correlate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """One image file that cannot be scored."""

    image: str
    role: Role
    path: Path
    reason: str
    grey: bool
    """Whether it is merely a greyscale image."""


@dataclass(frozen=True)
class Evidence:
    """All that was found of one set."""

    dataset: Dataset
    items: tuple[Item, ...]
    seen: tuple[Seen, ...]
    unseen: tuple[Unseen, ...]

    @cached_property
    def pairs(self) -> list[tuple[Seen, Seen]]:
        """Degraded images with their targets, as far as both can be read."""
        by_name = {(s.facts.role, s.facts.image): s for s in self.seen}
        users = _first_users(self.items)
        names = [(item.image, users[_target_of(item)]) for item in self.items]
        both = ((by_name.get(("degraded", a)), by_name.get(("target", b))) for a, b in names)
        return [(a, b) for a, b in both if a is not None and b is not None]


def gather(dataset: Dataset, items: tuple[Item, ...]) -> Evidence:
    """Read every file of a set; a target that several images share is read once."""
    found = list(_look_at(dataset, items))
    seen = tuple(f for f in found if isinstance(f, Seen))
    return Evidence(dataset, items, seen, tuple(f for f in found if isinstance(f, Unseen)))


def manifest_of(evidence: Evidence) -> Manifest:
    """Return what was found as a manifest.

    Raises:
        NothingSelectedError: if there is no image that can be read.
    """
    if not evidence.seen:
        raise NothingSelectedError(f"{evidence.dataset.name}: no image was found")
    files = tuple(seen.facts for seen in evidence.seen)
    return Manifest(name=evidence.dataset.name, decoder=decoder_versions(), files=files)


def _look_at(dataset: Dataset, items: tuple[Item, ...]) -> Iterator[Seen | Unseen]:
    users = _first_users(items)
    for role in ROLES:
        for item in items:
            path = item.files.get(role)
            if path is None or (role == "target" and users[_target_of(item)] != item.image):
                continue
            try:
                yield _seen(item, role, path, dataset.read(item, role))
            except CellError as error:
                grey = isinstance(error, GreyscaleError)
                yield Unseen(
                    image=item.image, role=role, path=path, reason=readable(str(error)), grey=grey
                )


def _seen(item: Item, role: Role, path: Path, pixels: Pixels) -> Seen:
    small = PIL.Image.fromarray(pixels).convert("L").resize(COARSE, PIL.Image.Resampling.BOX)
    coarse = np.asarray(small, np.float32).ravel()
    coarse = coarse - coarse.mean()
    return Seen(
        facts=file_facts(role, item.image, path, pixels),
        grey=bool((pixels == pixels[:, :, :1]).all()),
        mean=float(pixels.mean()),
        coarse=coarse / max(float(np.linalg.norm(coarse)), 1e-6),
    )


def _target_of(item: Item) -> tuple[Path | None, str]:
    return item.target, item.part


def _first_users(items: tuple[Item, ...]) -> dict[tuple[Path | None, str], str]:
    """Return, for each target, the first image that it belongs to."""
    return {_target_of(item): item.image for item in reversed(items)}
