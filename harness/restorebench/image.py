"""Images: reading them from disk without surprises, and cutting them to size."""

from __future__ import annotations

import hashlib
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL.features
import PIL.Image
from numpy.typing import NDArray

from restorebench.errors import GreyscaleError, ImageError

Pixels = NDArray[np.uint8]
"""H x W x 3, RGB, 8 bit, as stored in a file."""

Element = TypeVar("Element", bound=np.generic)

FORMATS = ("PNG", "JPEG", "BMP")
MIN_SIDE = 16
MAX_PIXELS = 100_000_000
# Whatever holds that many pixels of 8-bit RGB is smaller, unless it is padded with something else.
MAX_BYTES = 4 * MAX_PIXELS

_MODES = {
    "L": "a greyscale image; the benchmarks are defined on the colour version of the set",
    "LA": "a greyscale image; the benchmarks are defined on the colour version of the set",
    "1": "a black-and-white image; the benchmarks are defined on colour images",
    "P": "a palette image; save it as 8-bit RGB",
    "RGBA": "an image with transparency (RGBA); save it as 8-bit RGB without an alpha channel",
    "CMYK": "a CMYK image; save it as 8-bit RGB",
}


def read_image(path: Path) -> Pixels:
    """Read an 8-bit RGB image; nothing is converted silently.

    Raises:
        ImageError: if the file is missing, damaged, no PNG, JPEG or BMP, larger than 100
            megapixels or 400 MB, or holds anything but one image of three channels of 8 bits.
    """
    with _opened(path) as image:
        image.load()
        return np.array(image)


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) from the header alone.

    Raises:
        ImageError: as `read_image`, for what the header shows.
    """
    with _opened(path) as image:
        return image.height, image.width


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        ImageError: if it is missing or cannot be read.
    """
    try:
        status = path.stat()
        return _file_hash(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error


@lru_cache(maxsize=100_000)  # tasks and protocols share sets, and images may share a file
def _file_hash(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def decoder_versions() -> dict[str, str]:
    """Return what decodes images: a JPEG's pixels are not the same under all of them."""
    found = {"pillow": PIL.features.version("pil")}
    for feature in ("libjpeg_turbo", "jpg", "zlib_ng", "zlib"):
        found[feature] = PIL.features.version(feature)
    return {name: version for name, version in found.items() if version is not None}


@contextmanager
def _opened(path: Path) -> Iterator[PIL.Image.Image]:
    """Open an image of an accepted kind; whatever goes wrong becomes one `ImageError`."""
    try:
        # Opened here, since Pillow leaves a file open that fails at its first byte.
        _check_file(path)
        with path.open("rb") as file, warnings.catch_warnings():
            # Pillow warns of large images and refuses very large ones; our own limit is lower.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(file, formats=FORMATS) as image:
                _check_kind(path, image)
                yield image
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except PIL.UnidentifiedImageError as error:
        raise ImageError(
            f"{path}: not a PNG, JPEG or BMP image, or a damaged one; fetch the file again"
        ) from error
    except PIL.Image.DecompressionBombError as error:
        raise ImageError(f"{path}: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        # Pillow raises OSError for damaged images too, but only the system gives it a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
        raise ImageError(f"{path}: damaged image ({error}); fetch the file again") from error


def _check_file(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ImageError(f"{path}: not a regular file")
    if status.st_size > MAX_BYTES:
        raise ImageError(
            f"{path}: {status.st_size} bytes are over the limit of {MAX_BYTES // 1_000_000} MB"
        )


def _check_kind(path: Path, image: PIL.Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{path}: {image.width}x{image.height} pixels are over the limit of "
            f"{MAX_PIXELS // 1_000_000} megapixels; cut it into smaller images"
        )
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise ImageError(f"{path}: {frames} images in one file; save the one that is meant")
    if image.mode.startswith(("I", "F")) or (image.format == "PNG" and _png_depth(path) > 8):
        raise ImageError(f"{path}: a 16-bit image; save it as 8-bit RGB")
    if image.mode in ("L", "LA", "1"):
        raise GreyscaleError(f"{path}: {_MODES[image.mode]}")
    if image.mode != "RGB":
        what = _MODES.get(image.mode, f"a {image.mode} image; save it as 8-bit RGB")
        raise ImageError(f"{path}: {what}")


def _png_depth(path: Path) -> int:
    # Pillow reads 16-bit RGB as 8-bit RGB without a word; only the header tells.
    with path.open("rb") as file:
        return file.read(25)[24]


def centre_crop(image: NDArray[Element], multiple: int) -> NDArray[Element]:
    """Cut H x W x ... to the largest multiples around the centre, as the AirNet family does.

    An odd remainder drops its extra row at the bottom and its extra column at the right.

    Raises:
        ImageError: if nothing would be left.

    >>> centre_crop(np.zeros((481, 321, 3)), 16).shape
    (480, 320, 3)
    """
    height, width = image.shape[:2]
    if min(height, width) < max(multiple, MIN_SIDE):
        raise ImageError(
            f"{width}x{height} pixels are too few: both sides must be at least "
            f"{max(multiple, MIN_SIDE)}"
        )
    top, left = height % multiple // 2, width % multiple // 2
    rows, columns = height - height % multiple, width - width % multiple
    return image[top : top + rows, left : left + columns]
