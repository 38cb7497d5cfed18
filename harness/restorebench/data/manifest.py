"""`Manifest`: what each file of a copy of a set is, in bytes and in pixels."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from restorebench.data.looks import look
from restorebench.errors import SpecError
from restorebench.image import Pixels, file_hash

MAX_BYTES = 50_000_000
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)

Role = Literal["degraded", "target"]
Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class FileFacts(BaseModel):
    """One file."""

    model_config = _STRICT

    role: Role
    """``target`` of images that belong to no pair, too."""
    image: str
    """Id of the image; of the first, if several share this target."""
    file: str
    """Its name."""
    bytes: int
    sha256: Hex
    """Of the bytes."""
    pixels: Hex
    """SHA-256 of height, width and the decoded 8-bit RGB values, row by row."""
    size: str
    """Width x height."""
    look: Hex
    """What it shows, however encoded: `restorebench.data.looks.look`."""


class Manifest(BaseModel):
    """All files of a copy of a set, and what decoded them."""

    model_config = _STRICT

    name: str
    decoder: dict[str, str]
    files: tuple[FileFacts, ...] = Field(min_length=1)

    @classmethod
    def read_json(cls, file: Path) -> Self:
        """Read a manifest.

        Raises:
            SpecError: if it is missing or no manifest.
        """
        try:
            text = file.read_bytes()
            if len(text) > MAX_BYTES:
                raise SpecError(f"{file}: {len(text)} bytes are too many for a manifest")
            return cls.model_validate_json(text)
        except OSError as error:
            raise SpecError(f"{file}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise SpecError(f"{file}: no manifest: {where}: {first['msg']}") from error

    def text(self) -> str:
        """Return the manifest as JSON with one line for each file."""
        head = self.model_dump(exclude={"files"})
        files = ",\n".join(json.dumps(file.model_dump()) for file in self.files)
        return f'{json.dumps(head, indent=0)[:-2]},\n"files": [\n{files}\n]\n}}\n'


def file_facts(role: Role, image: str, path: Path, pixels: Pixels) -> FileFacts:
    """Return what a manifest says of one file.

    Args:
        role: what it is in its set.
        image: id of the image.
        path: where it lies.
        pixels: H x W x 3, what it decodes to.
    """
    height, width = pixels.shape[:2]
    return FileFacts(
        role=role,
        image=image,
        file=path.name.encode("utf-8", errors="backslashreplace").decode(),
        bytes=path.stat().st_size,
        sha256=file_hash(path),
        pixels=pixels_hash(pixels),
        size=f"{width}x{height}",
        look=look(pixels),
    )


def pixels_hash(pixels: Pixels) -> str:
    """Return the SHA-256 of an image's size and values.

    >>> pixels_hash(np.zeros((1, 2, 3), np.uint8))[:8]
    '0f85e9cc'
    """
    head = f"{pixels.shape[0]} {pixels.shape[1]} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()
