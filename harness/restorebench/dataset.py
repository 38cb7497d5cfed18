"""`Dataset`: which images a task is scored on, where they lie, and which belong together."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from restorebench.errors import PairError
from restorebench.image import Pixels, image_size, read_image
from restorebench.spec import Name, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """One image of a set as read from disk."""

    clean: Pixels | None
    """``None`` where there is no reference."""
    degraded: Pixels | None = None
    """``None`` where the task's mix degrades the clean image."""
    depth: NDArray[np.float64] | None = None
    """H x W, relative distance in [0, 1], where the set knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Where one image of a set lies."""

    image: str
    """Its id: the file name of the degraded image (or the clean one) without its suffix, and with
    the bytes escaped that are no UTF-8."""
    target: Path | None
    """``None`` in a set of real degraded images, which nobody has a clean version of."""
    degraded: Path | None = None
    depth: Path | None = None

    def size(self) -> tuple[int, int]:
        """Return (height, width) of the target, or of an image that has none, from its header.

        Raises:
            ImageError: if it cannot be read.
        """
        file = self.target or self.degraded
        assert file is not None
        return image_size(file)

    def content_hash(self) -> str:
        """Return the SHA-256 over names and bytes of the item's files; one may be missing."""
        whole = hashlib.sha256()
        for path in (self.degraded, self.target, self.depth):
            if path is not None:
                whole.update(f"{readable(path.name)} {_file_hash(path)}\n".encode())
        return whole.hexdigest()


class Dataset(ABC):
    """A set of images. Sets laid out as files of clean or paired images are `FolderDataset`."""

    name: str
    title: str
    count: int
    """How many images the whole set has."""
    embedded: bool = False
    """True for images that come with an installed package and need no data root."""

    @abstractmethod
    def find(self, data_root: Path | None) -> tuple[Item, ...]:
        """Return the items that are there, sorted by file name; empty if the set is absent."""

    def load(self, item: Item) -> Photograph:
        """Read one image.

        Raises:
            ImageError: if a file cannot be scored.
            PairError: if the target is missing or differs in size.
        """
        if item.target is None:
            assert item.degraded is not None
            return Photograph(clean=None, degraded=read_image(item.degraded))
        if not item.target.is_file():
            raise PairError(f"{item.image} has no target: put it at {item.target}")
        clean = read_image(item.target)
        if item.degraded is None:
            return Photograph(clean=clean)
        degraded = read_image(item.degraded)
        if degraded.shape != clean.shape:
            raise PairError(
                f"{item.degraded} is {degraded.shape[1]}x{degraded.shape[0]}, its target "
                f"{item.target.name} {clean.shape[1]}x{clean.shape[0]}; they must agree"
            )
        return Photograph(clean=clean, degraded=degraded)

    def where(self) -> str:
        """Say how a person gets the set and where it belongs."""
        return ""


def _a_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _below_the_root(text: str) -> str:
    parts = Path(text).parts
    if not parts or Path(text).is_absolute() or ".." in parts:
        raise ValueError("a path below the data root is needed, without '..'")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError("'**' stands for folders and must be a part of the path on its own")
    return text


RelativePath = Annotated[str, AfterValidator(_below_the_root)]


class Layout(Spec):
    """One way in which a set is laid out on disk, below the data root."""

    input: RelativePath
    """Glob of the degraded images, or of the clean ones if there is no target."""
    match: Annotated[str, AfterValidator(_a_pattern)] = r".+"
    """Regular expression for an input's file name; files that do not match are not of the set."""
    target: RelativePath | None = None
    """Path of the target, with the groups of ``match`` in braces, such as ``gt/{stem}.png``;
    ``{stem}`` and ``{name}`` of the input's file are always there."""

    @model_validator(mode="after")
    def _target_uses_known_groups(self) -> Self:
        known = {"stem", "name", *re.compile(self.match).groupindex}
        for _, group, _, _ in Formatter().parse(self.target or ""):
            if group is not None and group not in known:
                raise ValueError(f"target names {{{group}}}, but match has {sorted(known)}")
        (self.target or "").format_map(dict.fromkeys(known, ""))  # fails for {stem:d} and the like
        return self


class DatasetSpec(Spec):
    """A set of image files as its YAML file states it."""

    name: Name
    title: str
    count: int = Field(ge=1)
    source: str
    """Where it is distributed, and under which terms."""
    layouts: tuple[Layout, ...] = Field(min_length=1)
    """Tried in order; the first that finds a file is taken."""


@dataclass(frozen=True)
class FolderDataset(Dataset):
    """A set of clean images or of pairs, found by its layouts below the data root."""

    spec: DatasetSpec
    name: str = field(init=False)
    title: str = field(init=False)
    count: int = field(init=False)

    def __post_init__(self) -> None:
        for key in ("name", "title", "count"):
            object.__setattr__(self, key, getattr(self.spec, key))

    def find(self, data_root: Path | None) -> tuple[Item, ...]:
        """Return the items of the first layout that is there."""
        for layout in self.spec.layouts if data_root is not None else ():
            assert data_root is not None
            items = _found(data_root, layout)
            if items:
                return items
        return ()

    def where(self) -> str:
        """Say where the set is distributed and which files are looked for."""
        globs = " or ".join(layout.input for layout in self.spec.layouts)
        return f"{self.spec.source}; expected below the data root as {globs}"


def _found(root: Path, layout: Layout) -> tuple[Item, ...]:
    # A hidden file is no image: macOS leaves one called ._1.png beside 1.png on foreign disks.
    shown = (p for p in root.glob(layout.input) if p.is_file() and not p.name.startswith("."))
    files = sorted(shown, key=lambda p: p.name)
    matches = [(path, match) for path in files if (match := re.fullmatch(layout.match, path.name))]
    stems = {path.stem for path, _ in matches}
    items = []
    for path, match in matches:
        image = readable(path.stem if len(stems) == len(matches) else path.name)
        if layout.target is None:
            items.append(Item(image=image, target=path))
        else:
            target = _as_spelt(root / layout.target.format_map(_groups(match)))
            items.append(Item(image=image, target=target, degraded=path))
    return tuple(items)


def _as_spelt(path: Path) -> Path:
    """Return the file that is there under the same name but for capitals, if there is just one."""
    if path.is_file() or not path.parent.is_dir():
        return path
    near = [p for p in path.parent.iterdir() if p.name.lower() == path.name.lower()]
    return near[0] if len(near) == 1 else path


def readable(name: str) -> str:
    r"""Return a file's name as text that can be printed and stored: what is no UTF-8 is escaped.

    >>> readable("caf\udce9") == r"caf\udce9"
    True
    """
    return name.encode("utf-8", errors="backslashreplace").decode()


def _groups(match: re.Match[str]) -> Mapping[str, str]:
    return {"stem": Path(match.string).stem, "name": match.string, **match.groupdict()}


def fingerprint(items: tuple[Item, ...]) -> str:
    """Return the SHA-256 over the names and contents of all files of a set, in order."""
    whole = hashlib.sha256()
    for item in items:
        whole.update(f"{item.image} {item.content_hash()}\n".encode())
    return whole.hexdigest()


def _file_hash(path: Path) -> str:
    # A missing or unreadable file fails later, as this image's own error.
    if not path.is_file():
        return "missing"
    try:
        facts = path.stat()
        return _content_hash(path, facts.st_size, facts.st_mtime_ns)
    except OSError:
        return "unreadable"


@lru_cache(maxsize=100_000)
def _content_hash(path: Path, size: int, modified: int) -> str:
    # Several tasks and protocols share a set; its files are read once, unless they change.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
