"""`DatasetSpec`: what a YAML file says of a set of image files, and where they may lie."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from restorebench.spec import Name, Spec

SUBSET = "{subset}"
IMAGES = r"(?i).+\.(png|jpe?g|bmp)"


def _a_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _below_the_root(text: str) -> str:
    parts = Path(text).parts
    if not parts or Path(text).is_absolute() or ".." in parts or "\0" in text:
        raise ValueError("a path below the data root is needed, without '..'")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError("'**' stands for folders and must be a part of the path on its own")
    return text


def _a_size(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,5}x[1-9]\d{0,5}", text):
        raise ValueError("a size is width x height, such as 480x320")
    return text


RelativePath = Annotated[str, AfterValidator(_below_the_root)]
ImageSize = Annotated[str, AfterValidator(_a_size)]


class Layout(Spec):
    """One way in which a set is laid out on disk, below the data root."""

    input: RelativePath
    """Glob of the degraded images, or of the clean ones if there is no target."""
    match: Annotated[str, AfterValidator(_a_pattern)] = IMAGES
    """Regular expression for an input's path from the first wildcard of ``input`` on, which is its
    file name where all lie in one folder; files that do not match are not of the set."""
    target: RelativePath | None = None
    """Path of the target, with the groups of ``match`` in braces, such as ``gt/{stem}.png``;
    ``{stem}`` and ``{name}`` of the input's file are always there."""
    image: str = "{stem}"
    """An image's id, with groups in braces; one id for the same image under all layouts."""

    @model_validator(mode="after")
    def _templates_use_known_groups(self) -> Self:
        known = {"stem", "name", "subset", *re.compile(self.match).groupindex}
        for key, template in (("target", self.target), ("image", self.image)):
            for _, group, form, conversion in Formatter().parse(template or ""):
                if group is not None and group not in known:
                    raise ValueError(f"{key} names {{{group}}}, but match has {sorted(known)}")
                if form or conversion:
                    raise ValueError(f"{key} may name groups only, without ':' or '!'")
        return self

    @property
    def folder(self) -> Path:
        """The part of ``input`` before its first wildcard."""
        parts = Path(self.input).parts
        plain = [bool(set(part).isdisjoint("*?[")) for part in parts[:-1]]
        return Path(*parts[: plain.index(False) if False in plain else len(plain)])

    def of(self, subset: str) -> Layout:
        """Return the layout of one subset."""
        paths = {"input": self.input, "target": self.target}
        return self.model_copy(
            update={key: path and path.replace(SUBSET, subset) for key, path in paths.items()}
        )


class Variant(Spec):
    """Another version of a set that goes by its name and must not be taken for it."""

    title: str
    """What it is, and why its numbers are others."""
    input: RelativePath | None = None
    """Glob of files that only this version has."""
    sizes: tuple[ImageSize, ...] = ()
    """Sizes that only this version's images have."""


class Brightness(Spec):
    """The mean of degraded minus target over a whole set, in grey levels of 0 to 255."""

    low: float = Field(ge=-255, le=255)
    high: float = Field(ge=-255, le=255)
    otherwise: str
    """What a copy is whose mean lies outside of [low, high]."""


class DatasetSpec(Spec):
    """A set of image files as its YAML file states it."""

    name: Name
    title: str
    count: int = Field(ge=1)
    """Images, which are degraded ones where there are pairs; of each subset, if it has subsets."""
    targets: int | None = None
    """Distinct targets, where they are fewer than the degraded images."""
    sizes: tuple[ImageSize, ...] = ()
    """Sizes that the images have, standing or lying; empty if they are of many sizes."""
    uneven: bool = False
    """Whether the sides of its images have no common divisor, unlike those of copies that were cut
    to multiples of 2 or 4 for super-resolution."""
    source: str
    """Where it is distributed."""
    cite: str = ""
    """Key of its BibTeX entry, which a package provides; see `references`."""
    terms: str = ""
    """Under which terms."""
    references: bool = True
    """False for real degraded photographs, of which nobody has a clean version."""
    centre_target: bool = False
    """Whether the middle of a larger target belongs to the degraded image."""
    subsets: tuple[Name, ...] = ()
    """Sets of the same kind and count beside one another; they stand for ``{subset}``."""
    also: tuple[str, ...] = ()
    """Other names that its folders and archives go by."""
    layouts: tuple[Layout, ...] = Field(min_length=1)
    """Tried in order; the first that finds a file is taken."""
    variants: tuple[Variant, ...] = ()
    brightness: Brightness | None = None
    manifest: str | None = None
    """The known copy's manifest, a JSON file below this file's folder."""

    @model_validator(mode="after")
    def _subsets_are_used(self) -> Self:
        for layout in self.layouts:
            if (SUBSET in layout.input) != bool(self.subsets):
                raise ValueError(f"{SUBSET} in an input and the key subsets need each other")
            if not self.references and layout.target is not None:
                raise ValueError("a set without references has no target")
        if self.manifest is not None:
            _below_the_root(self.manifest)
        return self
