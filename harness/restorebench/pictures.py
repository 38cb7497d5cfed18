"""Pictures: a crop of every scored image, kept beside the records for whoever wants to look.

    RUN/pictures/<input>/crop.json       which image of which task it is, and where the crop lies
    RUN/pictures/<input>/degraded.webp   what all methods were given
    RUN/pictures/<input>/target.webp     the clean image, where there is one
    RUN/pictures/<input>/<key>.webp      what the method of the record with this key returned

Lossless, 8 bit a channel, values outside [0, 1] clipped. No score is ever taken from them, so a run
does not wait until the disk holds them: after a failure of the power some may be empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from json import dumps, loads
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from restorebench.record import Record
from restorebench.spec import digest
from restorebench.store import UNFINISHED, write_atomically

Float = NDArray[np.float32]
Keep = Callable[[Record, Float, Float, Float | None], None]
"""Is given a record, and the degraded, the restored and the clean image it is of (H x W x 3)."""

FOLDER = "pictures"
SIDE = 160
STEP = 8
# What an identity says of the method; all else is alike for all methods of one image.
OF_METHOD = {"method", "config", "weights", "code", "precision", "device"}


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: Float) -> Float:
        """Cut it out of an image H x W x 3."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def telling_crop(degraded: Float, clean: Float | None, side: int = SIDE) -> Crop:
    """Return the crop that shows most of what is to be restored; the same for all methods.

    Of all crops at multiples of 8 pixels it is the one with the largest product of squared error
    and squared gradient of the clean image: damage in an empty sky tells little. Without a clean
    image it is the one with the largest gradient.

    Args:
        degraded: H x W x 3.
        clean: H x W x 3, or ``None`` if there is none.
        side: how high and wide the crop is where the image allows it.
    """
    height, width = (min(side, length) for length in degraded.shape[:2])
    shown = (degraded if clean is None else clean) @ np.full(3, 1 / 3, np.float32)
    slope = np.zeros_like(shown)
    slope[1:] += np.square(np.diff(shown, axis=0))
    slope[:, 1:] += np.square(np.diff(shown, axis=1))
    found = _sums(slope, height, width)
    if clean is not None:
        error = degraded - clean
        found = found * _sums(np.einsum("ijk,ijk->ij", error, error), height, width)
    top, left = np.unravel_index(np.argmax(found), found.shape)
    return Crop(int(top) * STEP, int(left) * STEP, height, width)


def _sums(values: Float, height: int, width: int) -> NDArray[np.float64]:
    """Return the sums of an H x W array over all crops of one size, a step apart."""
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(values, axis=0, dtype=np.float64, out=total[1:, 1:])
    rows = np.arange(0, values.shape[0] - height + 1, STEP)
    columns = np.arange(0, values.shape[1] - width + 1, STEP)
    strips = np.cumsum(total[rows + height] - total[rows], axis=1)
    sums: NDArray[np.float64] = strips[:, columns + width] - strips[:, columns]
    return sums


def keep_nothing(record: Record, degraded: Float, restored: Float, clean: Float | None) -> None:
    """Keep no picture."""


class Pictures:
    """The pictures of a run folder, as a run writes them.

    Writing one again changes nothing, so a killed run or another process may have written it.
    """

    def __init__(self, run: Path) -> None:
        self.folder = run / FOLDER
        self._crops: dict[Path, Crop] = {}

    def keep(self, record: Record, degraded: Float, restored: Float, clean: Float | None) -> None:
        """Write what a record's image looks like.

        Raises:
            OutputFolderError: if the disk refuses it.
        """
        if record.identity.draw:  # one draw of the noise is enough to look at
            return
        alike = record.identity.model_dump(exclude=OF_METHOD)
        folder = self.folder / digest(alike)[:16]
        crop = self._crops.get(folder)
        if crop is None:
            crop = telling_crop(degraded, clean)
            _write(folder / "degraded.webp", crop.of(degraded))
            if clean is not None:
                _write(folder / "target.webp", crop.of(clean))
            about = {"task": record.identity.task, "image": record.identity.image, **asdict(crop)}
            write_atomically(folder / "crop.json", dumps(about, indent=1) + "\n", durable=False)
            self._crops[folder] = crop
        _write(folder / f"{record.key}.webp", crop.of(restored))


def _write(path: Path, image: Float) -> None:
    pixels = np.rint(image.clip(0, 1) * np.float32(255)).astype(np.uint8)
    content = BytesIO()
    PIL.Image.fromarray(pixels).save(content, "WEBP", lossless=True, method=0, quality=50)
    write_atomically(path, content.getvalue(), durable=False)


def tidy(run: Path) -> None:
    """Remove pictures that a kill left half-written; for when no worker writes any more."""
    for torn in (run / FOLDER).glob(f"*/.*{UNFINISHED}"):
        torn.unlink(missing_ok=True)


def folders_of(run: Path) -> tuple[Path, ...]:
    """Return where the pictures of a board lie: in its folder, or in the run's around it."""
    return tuple(p for p in (run / FOLDER, run.parent / FOLDER) if p.is_dir())


def find_pictures(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the pictures of restored images by the key of their record; no empty ones."""
    paths = (path for folder in folders for path in folder.glob("*/*.webp"))
    return {path.stem: path for path in paths if path.stat().st_size}


def crop_of(picture: Path) -> Crop | None:
    """Return which part of its image a picture shows; ``None`` if its folder is damaged."""
    about, degraded = picture.with_name("crop.json"), picture.with_name("degraded.webp")
    try:
        found = loads(about.read_text(encoding="utf-8"))
        crop = Crop(**{field.name: int(found[field.name]) for field in fields(Crop)})
        return crop if degraded.stat().st_size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
