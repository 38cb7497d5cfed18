"""`RestoredFolder`: restored images that someone else made, in place of a method.

A file belongs to an image of the set if its name is the image's id, with or without a suffix (the
id is the name of the degraded file without its suffix), or else the name of the target without
its suffix, where no other image has that target. Capitals do not matter. Two files for one image,
or one for two, are an error of these images.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from restorebench.data.dataset import Dataset, Item, readable
from restorebench.errors import CellError, DataError, PairError
from restorebench.image import Pixels, read_image
from restorebench.method import Card
from restorebench.suspicion import Triple, remarks_on

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
Finding = Path | str
"""The file of an image, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredFolder:
    """One restored file for each image of a set."""

    name: str
    folder: Path
    files: Mapping[str, Finding]
    """By the images' ids."""
    extra: tuple[Path, ...]
    """Files that belong to no image of the set."""
    remarks: tuple[str, ...] = ()
    """What a reader of the scores has to know of the files."""

    @classmethod
    def find(
        cls, folder: Path, dataset: Dataset, items: Sequence[Item], name: str = ""
    ) -> RestoredFolder:
        """Look for the restored version of each image, and at what is odd about them.

        Args:
            folder: where they lie, without subfolders.
            dataset: the set that they were restored from.
            items: all its images.
            name: how tables call the row; the folder's own name by default.

        Raises:
            DataError: if it is no folder, or not one of its files belongs to the set.
        """
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; give the one that holds restored images")
        shown = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
        paths = sorted(shown, key=lambda path: path.name)
        images = [path for path in paths if path.suffix.lower() in SUFFIXES]
        files, left = _assigned(items, images)
        if not any(isinstance(found, Path) for found in files.values()):
            raise DataError(f"{folder}: {_nothing_fits(folder, items, paths)}")
        named = name or readable(folder.resolve().name)
        extra = tuple(path for path in paths if path in left or path not in images)
        bare = cls(name=named, folder=folder, files=files, extra=extra)
        return replace(bare, remarks=remarks_on(bare.triples(dataset, items)))

    @property
    def info(self) -> Card:
        """What is known about the method behind the images: nothing."""
        return Card(
            title=self.name,
            paper="unknown: images made elsewhere",
            status="external",
            needs_weights=False,
        )

    @property
    def found(self) -> int:
        """How many images have a file."""
        return sum(isinstance(file, Path) for file in self.files.values())

    def fingerprint(self) -> str:
        """Return the SHA-256 over the contents of all files, by image."""
        whole = hashlib.sha256()
        for image, found in sorted(self.files.items()):
            content = _content(found) if isinstance(found, Path) else "none"
            whole.update(f"{image} {content}\n".encode())
        return whole.hexdigest()

    def triples(self, dataset: Dataset, items: Iterable[Item]) -> Iterator[Triple]:
        """Yield each image that can be read, with its target and its input, cut alike.

        What cannot be read, or is of another size, fails later, as this image's own error.
        """
        for item in items:
            found = self.files[item.image]
            if isinstance(found, Path):
                with suppress(CellError):
                    restored, pair = read_image(found), dataset.load(item)
                    size = restored.shape[0], restored.shape[1]
                    clean = None if pair.clean is None else _cut(pair.clean, size)
                    degraded = None if pair.degraded is None else _cut(pair.degraded, size)
                    yield restored, clean, degraded

    def read(self, item: Item, size: tuple[int, int]) -> Pixels:
        """Return the restored version of an image.

        Args:
            item: an image of the set.
            size: its height and width after the protocol's crop.

        Returns:
            H x W x 3 of that size. A file of the whole image's size is cut around the centre, as
            the target is; a file that was cut already is taken as it is.

        Raises:
            PairError: if there is no file, or one of another size.
            ImageError: if it is no 8-bit RGB image.
        """
        found = self.files[item.image]
        if isinstance(found, str):
            raise PairError(found)
        pixels = read_image(found)
        height, width = pixels.shape[:2]
        whole = item.size()
        if (height, width) not in (size, whole):
            cut = "" if size == whole else f", or {size[1]}x{size[0]} as the protocol cuts it"
            raise PairError(
                f"{found} is {width}x{height}, image {item.image} {whole[1]}x{whole[0]}{cut}; "
                "they must agree"
            )
        return _cut(pixels, size)


def _cut(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Cut the middle out as protocols do, whatever multiple it is cut to."""
    (height, width), (rows, columns) = pixels.shape[:2], size
    if rows > height or columns > width:
        raise PairError(f"{columns}x{rows} cannot be cut out of {width}x{height}")
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def _assigned(
    items: Sequence[Item], paths: Sequence[Path]
) -> tuple[dict[str, Finding], tuple[Path, ...]]:
    """Return each image's file, or why it has none, and the files of no image."""
    files: dict[str, Finding] = {}
    left = list(paths)
    for name_of in (_id, _target):
        owners: dict[str, list[Item]] = {}
        for item in items:
            if item.image not in files:
                owners.setdefault(_folded(name_of(item)), []).append(item)
        candidates: dict[str, list[Path]] = {}
        for path in left:
            for name in {_folded(path.stem), _folded(path.name)} & owners.keys():
                candidates.setdefault(name, []).append(path)
        for name, found in candidates.items():
            left = [path for path in left if path not in found]
            for item in owners[name]:
                alone = len(found) == len(owners[name]) == 1
                files[item.image] = found[0] if alone else _unclear(item, owners[name], found)
    for item in items:
        files.setdefault(
            item.image, f"image {item.image} has no restored image; expected {item.image}.png"
        )
    return files, tuple(left)


def _id(item: Item) -> str:
    return item.image


def _target(item: Item) -> str:
    return item.image if item.target is None else item.target.stem


def _unclear(item: Item, owners: Sequence[Item], found: Sequence[Path]) -> str:
    listed = ", ".join(readable(path.name) for path in found)
    several = ", ".join(owner.image for owner in owners)
    meant = f"{listed} may be meant" + (f", for {several}" if len(owners) > 1 else "")
    return f"image {item.image}: {meant}; keep one file for each image, called by its name"


def _folded(name: str) -> str:
    # Without capitals, and with accents as one sign: macOS writes them as two.
    return unicodedata.normalize("NFC", readable(name)).casefold()


def _nothing_fits(folder: Path, items: Sequence[Item], paths: Sequence[Path]) -> str:
    wanted = f"expected files such as {items[0].image}.png"
    if paths:
        return (
            f"no file belongs to an image of the set, such as {readable(paths[0].name)}; {wanted}"
        )
    inner = sorted(path.name for path in folder.iterdir() if path.is_dir())
    below = f"; give one of its folders instead: {', '.join(map(readable, inner[:5]))}"
    return f"no files lie in it; {wanted}{below if inner else ''}"


def _content(path: Path) -> str:
    # An unreadable file fails later, as this image's own error.
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"
