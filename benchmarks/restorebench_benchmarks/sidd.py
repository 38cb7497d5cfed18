"""SIDD validation: blocks of photographs, kept in two MATLAB files."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from restorebench.data.dataset import Dataset, Item
from restorebench.errors import ImageError, PairError
from restorebench.image import Pixels

NOISY = "ValidationNoisyBlocksSrgb.mat"
CLEAN = "ValidationGtBlocksSrgb.mat"
FOLDERS = ("test/denoise/sidd", "test/real/sidd", "SIDD", ".")
PHOTOGRAPHS, BLOCKS, SIDE = 40, 32, 256
# What scipy raises for files that are damaged, of version 7.3, or no MATLAB files at all.
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    NotImplementedError,
    MatReadError,
    zlib.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Item):
    """One block of a photograph; both files hold it at the same place."""

    place: tuple[int, int]
    """Photograph, and block of it."""

    def size(self) -> tuple[int, int]:
        """Return (height, width), the same for all blocks."""
        return SIDE, SIDE


class SIDDValidation(Dataset):
    """1,280 blocks of 256x256 pixels, 32 of each of 40 photographs (Abdelhamed et al., CVPR 2018).

    Distributed as two MATLAB files of uint8 arrays, 40 x 32 x 256 x 256 x 3.
    """

    name = "sidd_val"
    title = "SIDD validation"
    count = PHOTOGRAPHS * BLOCKS
    cite = "abdelhamed2018high"

    def find(self, data_root: Path | None) -> tuple[Item, ...]:
        """Return the blocks that the noisy file says it holds; of a damaged one, all."""
        for folder in FOLDERS if data_root is not None else ():
            assert data_root is not None
            noisy, clean = data_root / folder / NOISY, data_root / folder / CLEAN
            if noisy.is_file():
                photographs, blocks = _shape(noisy)
                places = [(p, b) for p in range(photographs) for b in range(blocks)]
                return tuple(_block(noisy, clean, place) for place in places)
        return ()

    def read(self, item: Item, role: str) -> Pixels:
        """Read one block.

        Raises:
            ImageError: if the file is damaged or lacks the block.
            PairError: if the file of targets is missing.
        """
        assert isinstance(item, Block)
        path = item.files[role]
        if not path.is_file():
            raise PairError(f"{item.image}: there is no {path}; fetch it too")
        blocks = _blocks(path, path.stat().st_mtime_ns)
        try:
            block = blocks[item.place]
        except IndexError as error:
            raise ImageError(f"{path}: holds no block {item.image}; fetch it again") from error
        if block.shape != (SIDE, SIDE, 3) or block.dtype != np.uint8:
            raise ImageError(
                f"{path}: holds {block.dtype} blocks of {block.shape}, not uint8 of 256 x 256 x 3"
            )
        return np.ascontiguousarray(block)

    def where(self) -> str:
        """Say where the set is distributed and which files are looked for."""
        return (
            "SIDD validation data, sRGB (Abdelhamed et al., CVPR 2018; MIT licence); expected "
            f"below the data root as {NOISY} and {CLEAN} in {' or '.join(FOLDERS)}"
        )


def _block(noisy: Path, clean: Path, place: tuple[int, int]) -> Block:
    image = f"{place[0]:02d}-{place[1]:02d}"
    return Block(image=image, part=image, target=clean, degraded=noisy, place=place)


def _shape(path: Path) -> tuple[int, int]:
    try:
        shapes = {name: shape for name, shape, _ in whosmat(path)}
        photographs, blocks = shapes[path.stem][:2]
    except UNREADABLE:  # each block says so when it is read
        return PHOTOGRAPHS, BLOCKS
    return int(photographs), int(blocks)


@lru_cache(maxsize=2)
def _blocks(path: Path, changed: int) -> Pixels:
    try:
        blocks: Pixels = loadmat(path, variable_names=[path.stem])[path.stem]
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"{path}: no MATLAB file with {path.stem} ({reason})") from error
    return blocks


SIDD_VAL = SIDDValidation()
