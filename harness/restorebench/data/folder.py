"""`FolderDataset`: a set of image files, found by the layouts that its YAML file states."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from restorebench.data.dataset import Dataset, Item, readable
from restorebench.data.layout import IMAGES, DatasetSpec, Layout
from restorebench.data.manifest import Manifest
from restorebench.errors import PairError, SpecError, UnknownNameError
from restorebench.image import Pixels

SYSTEM_FILES = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class FolderDataset(Dataset):
    """A set of clean images or of pairs, found by its layouts below the data root."""

    spec: DatasetSpec
    file: Path | None = None
    """Where the spec stands, for the manifest beside it."""
    subset: str = ""
    """Which of the spec's subsets, if it has any."""
    name: str = field(init=False)
    title: str = field(init=False)
    count: int = field(init=False)
    layouts: tuple[Layout, ...] = field(init=False)

    def __post_init__(self) -> None:
        spec, subset = self.spec, self.subset
        if spec.subsets and not subset:
            known = ", ".join(f"{spec.name}/{each}" for each in spec.subsets)
            raise SpecError(f"{spec.name} has subsets; name one of them: {known}")
        if subset and subset not in spec.subsets:
            raise UnknownNameError(f"subset of {spec.name}", subset, spec.subsets)
        object.__setattr__(self, "name", f"{spec.name}/{subset}" if subset else spec.name)
        object.__setattr__(self, "title", f"{spec.title} {subset}" if subset else spec.title)
        object.__setattr__(self, "count", spec.count)
        object.__setattr__(self, "cite", spec.cite)
        object.__setattr__(self, "layouts", tuple(each.of(subset) for each in spec.layouts))

    def find(self, data_root: Path | None) -> tuple[Item, ...]:
        """Return the items of the first layout that is there."""
        present = self.layouts_at(data_root)
        return present[0][1] if present else ()

    def layouts_at(self, data_root: Path | None) -> list[tuple[Layout, tuple[Item, ...]]]:
        """Return each layout that is there, with its items."""
        if data_root is None:
            return []
        found = ((layout, self._items(data_root, layout)) for layout in self.layouts)
        return [(layout, items) for layout, items in found if items]

    def read(self, item: Item, role: str) -> Pixels:
        """Read one image; a larger target is cut where the set is distributed like that."""
        pixels = super().read(item, role)
        if role != "target" or not self.spec.centre_target or item.degraded is None:
            return pixels
        height, width = item.size()
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        if min(top, left) < 0:
            raise PairError(f"{item.target} is smaller than its degraded image {item.degraded}")
        return pixels[top : top + height, left : left + width]

    def where(self) -> str:
        """Say where the set is distributed and which files are looked for."""
        terms = f" ({self.spec.terms})" if self.spec.terms else ""
        first, *others = self.places()
        more = f", or in {len(others)} more ways that restorebench info lists" if others else ""
        return f"{self.spec.source}{terms}; expected below the data root as {first}{more}"

    def places(self) -> tuple[str, ...]:
        """Return each layout in words."""
        return tuple(
            f"{layout.input} with {layout.target}" if layout.target else layout.input
            for layout in self.spec.layouts
        )

    def manifest(self) -> Manifest | None:
        """Return the manifest that the spec names.

        Raises:
            SpecError: if it cannot be read.
        """
        if self.spec.manifest is None or self.file is None:
            return None
        return Manifest.read_json(self.file.parent / self.spec.manifest)

    def _items(self, root: Path, layout: Layout) -> tuple[Item, ...]:
        matches = [match for path, match in inputs(root, layout) if match is not None]
        ids = _unique_ids(layout, matches)
        base = root / layout.folder
        return tuple(
            self._item(root, layout, base / match.string, image, match)
            for image, match in zip(ids, matches, strict=True)
        )

    def _item(
        self, root: Path, layout: Layout, path: Path, image: str, match: re.Match[str]
    ) -> Item:
        fault = _leads_out(root, layout.folder, path)
        if layout.target is None:
            clean, degraded = (path, None) if self.spec.references else (None, path)
            return Item(image=image, target=clean, degraded=degraded, fault=fault)
        relative = Path(layout.target.format_map(_groups(match)))
        if ".." in relative.parts or relative.is_absolute():
            return Item(
                image=image,
                target=path,  # a pair whose target has no place; nothing is read of it
                degraded=path,
                fault=f"{path}: its name makes a target outside of the data root; rename it",
            )
        target = _as_spelt(root / relative)
        fault = fault or _leads_out(root, relative.parent, target)
        return Item(image=image, target=target, degraded=path, fault=fault)


class LooseImages(Dataset):
    """All images below a folder, of which nobody said what they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = self.title = readable(folder.resolve().name) or "images"
        self.count = len(self.find(None))

    def find(self, data_root: Path | None) -> tuple[Item, ...]:
        """Return them, sorted by their paths, which are their ids."""
        return tuple(self._item(path) for path in self._files() if re.fullmatch(IMAGES, path.name))

    def others(self) -> list[Path]:
        """Return the files that are no images by their names."""
        return [path for path in self._files() if not re.fullmatch(IMAGES, path.name)]

    def _files(self) -> list[Path]:
        return sorted(p for p in self.folder.rglob("*") if p.is_file() and not is_hidden(p))

    def _item(self, path: Path) -> Item:
        image = readable(path.relative_to(self.folder).as_posix())
        return Item(image=image, target=path, fault=_leads_out(self.folder, Path(), path))


def inputs(root: Path, layout: Layout) -> Iterator[tuple[Path, re.Match[str] | None]]:
    """Yield the files that a layout's glob finds, sorted, each with what its name matches.

    What systems leave in folders is passed over: a hidden file is no image, such as the ._1.png
    that macOS puts beside 1.png on foreign disks.
    """
    base = root / layout.folder
    shown = (p for p in root.glob(layout.input) if p.is_file() and not is_hidden(p))
    for path in sorted(shown, key=lambda p: p.relative_to(base).as_posix()):
        yield path, re.fullmatch(layout.match, path.relative_to(base).as_posix())


def is_hidden(path: Path) -> bool:
    """Tell whether a file is one that systems leave behind."""
    return path.name.startswith(".") or path.name.lower() in SYSTEM_FILES


def _unique_ids(layout: Layout, matches: list[re.Match[str]]) -> list[str]:
    """Return the ids by the template, or by file names, or by whole paths: the first unique."""
    ids = [layout.image.format_map(_groups(match)) for match in matches]
    if len(set(ids)) < len(ids):
        ids = [Path(match.string).name for match in matches]
    if len(set(ids)) < len(ids):
        ids = [match.string.replace("%", "%25").replace("/", "%2F") for match in matches]
    return [readable(image) for image in ids]


def _leads_out(root: Path, folder: Path, path: Path) -> str:
    """Say so if links lead from the set's folder to a file elsewhere; empty if not.

    A person may link a set's whole folder to another disk; a file in it that is itself a link, or
    lies behind one, must not lead anywhere else.
    """
    real = Path(os.path.realpath(path))  # which, unlike Path.resolve, takes links in a circle
    if any(real.is_relative_to(os.path.realpath(place)) for place in (root, root / folder)):
        return ""
    return f"{path} is a link out of the data root, to {real}; put the file itself there"


def _as_spelt(path: Path) -> Path:
    """Return the file that is there under the same name but for capitals, if there is just one."""
    if path.is_file() or not path.parent.is_dir():
        return path
    near = [p for p in path.parent.iterdir() if p.name.lower() == path.name.lower()]
    return near[0] if len(near) == 1 else path


def _groups(match: re.Match[str]) -> Mapping[str, str]:
    name = Path(match.string).name
    groups = {key: value or "" for key, value in match.groupdict().items()}
    return {"stem": Path(name).stem, "name": name, **groups}
