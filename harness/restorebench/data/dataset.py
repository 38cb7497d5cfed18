"""`Dataset`: which images a task is scored on, and which belong together.

Sets that lie on disk as files of clean or paired images are `FolderDataset`, in `folder.py`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from restorebench.errors import ImageError, PairError
from restorebench.image import Pixels, file_hash, image_size, read_image

if TYPE_CHECKING:
    from restorebench.data.manifest import Manifest

# What stands for the content of a file that cannot be read.
MISSING, UNREADABLE = "missing", "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """One image of a set as read from disk."""

    clean: Pixels | None
    """``None`` in sets of real photographs that have no reference."""
    degraded: Pixels | None = None
    """``None`` where the task's mix degrades the clean image."""
    depth: NDArray[np.float64] | None = None
    """H x W, relative distance in [0, 1], where the set knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Where one image of a set lies."""

    image: str
    """Its id, unique in the set: the file name of the degraded image (or the clean one) without
    its suffix, and with the bytes escaped that are no UTF-8."""
    target: Path | None
    """``None`` if the set has no references."""
    degraded: Path | None = None
    depth: Path | None = None
    part: str = ""
    """Which image of its files it is, where one file holds many."""
    fault: str = ""
    """Why the files must not be read; empty for all others."""
    draw: int = 0
    """Which draw of the noise it is scored with, where the noise is drawn several times."""

    @property
    def files(self) -> dict[str, Path]:
        """The image files by role, ``degraded`` before ``target``."""
        both = {"degraded": self.degraded, "target": self.target}
        return {role: path for role, path in both.items() if path is not None}

    def size(self) -> tuple[int, int]:
        """Return (height, width) from the header of the degraded image, or of the clean one.

        Raises:
            ImageError: if it cannot or must not be read.
        """
        if self.fault:
            raise ImageError(self.fault)
        return image_size(next(iter(self.files.values())))

    def content_hash(self) -> str:
        """Return the SHA-256 over names and bytes of the item's files; one may be missing."""
        if self.fault:
            return hashlib.sha256(self.fault.encode()).hexdigest()
        whole = hashlib.sha256()
        for path in (self.degraded, self.target, self.depth):
            if path is not None:
                whole.update(f"{readable(path.name)}{self.part} {_file_hash(path)}\n".encode())
        return whole.hexdigest()

    def source_hash(self) -> str:
        """Return a hash of the photograph that the image was made from: the clean one, if there is.

        Images that share it were made from one and the same photograph.
        """
        content = (
            MISSING if self.fault else _file_hash(self.target or next(iter(self.files.values())))
        )
        unknown = content in (MISSING, UNREADABLE)
        return hashlib.sha256(
            f"{self.image if unknown else content}{self.part}".encode()
        ).hexdigest()[:12]


class Dataset(ABC):
    """A set of images."""

    name: str
    title: str
    count: int
    """How many images the whole set has."""
    cite: str = ""
    """Key of its BibTeX entry, if there is one."""
    embedded: bool = False
    """True for images that come with an installed package and need no data root."""

    @abstractmethod
    def find(self, data_root: Path | None) -> tuple[Item, ...]:
        """Return the items that are there, sorted by file name; empty if the set is absent."""

    def read(self, item: Item, role: str) -> Pixels:
        """Read one of the images that belong to an item.

        Args:
            item: one of the set.
            role: ``degraded`` or ``target``.

        Raises:
            ImageError: if the file cannot be scored, or must not be read.
            PairError: if the target is missing.
        """
        path = item.files[role]
        if item.fault:
            raise ImageError(item.fault)
        if role == "target" and not path.is_file():
            raise PairError(f"{item.image} has no target: put it at {path}")
        return read_image(path)

    def load(self, item: Item) -> Photograph:
        """Read one image with its target.

        Raises:
            ImageError: if a file cannot be scored.
            PairError: if the target is missing or differs in size.
        """
        clean = None if item.target is None else self.read(item, "target")
        if item.degraded is None:
            return Photograph(clean=clean)
        degraded = self.read(item, "degraded")
        if clean is not None and degraded.shape != clean.shape:
            assert item.target is not None
            raise PairError(
                f"{item.degraded} is {degraded.shape[1]}x{degraded.shape[0]}, its target "
                f"{item.target.name} {clean.shape[1]}x{clean.shape[0]}; they must agree"
            )
        return Photograph(clean=clean, degraded=degraded)

    def where(self) -> str:
        """Say how a person gets the set and where it belongs."""
        return ""

    def places(self) -> tuple[str, ...]:
        """Return every place below the data root where the files may lie, in words."""
        return ()

    def manifest(self) -> Manifest | None:
        """Return what the files of the known copy are, if this is on record."""
        return None


def readable(name: str) -> str:
    r"""Return a file's name as text that can be printed and stored: what is no UTF-8 is escaped.

    >>> readable("caf\udce9") == r"caf\udce9"
    True
    """
    return name.encode("utf-8", errors="backslashreplace").decode()


def contents(items: Iterable[Item]) -> Iterator[tuple[str, str]]:
    """Yield each image's name, and the hash of its files."""
    return ((item.image, item.content_hash()) for item in items)


def fingerprint(contents: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 over the names and `contents` of all files of a set, in order."""
    whole = hashlib.sha256()
    for image, content in contents:
        whole.update(f"{image} {content}\n".encode())
    return whole.hexdigest()


def duplicates(items: tuple[Item, ...]) -> int:
    """Return how many items have the very bytes of an earlier one as their input."""
    files = [item.degraded or item.target for item in items]
    contents = [_file_hash(path) for path in files if path is not None]
    there = [content for content in contents if content not in (MISSING, UNREADABLE)]
    return len(there) - len(set(there))


def _file_hash(path: Path) -> str:
    # A missing or unreadable file fails later, as this image's own error.
    if not path.is_file():
        return MISSING
    try:
        return file_hash(path)
    except ImageError:
        return UNREADABLE
