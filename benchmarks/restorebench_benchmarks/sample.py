"""The embedded sample: photographs that ship inside scikit-image.

They stand in where a real set is absent, so that every command works on a fresh machine. Numbers
on them are no benchmark, and every output says so.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from restorebench.data.dataset import Dataset, Item, Photograph
from restorebench.errors import ImageError
from restorebench_benchmarks.depth import depth_from_disparity

PHOTOGRAPHS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
DISPARITIES = {"motorcycle_left.png": "motorcycle_disp.npz"}
# Distance is proportional to 1 / (disparity + offset): the cameras' principal points lie this far
# apart, as the documentation of skimage.data.stereo_motorcycle gives it, in pixels.
DISPARITY_OFFSET = 31.086


class Sample(Dataset):
    """Five colour photographs; the left view of the stereo pair comes with its true depth."""

    name = "sample"
    title = "photographs of scikit-image"
    count = len(PHOTOGRAPHS)
    embedded = True

    def find(self, data_root: Path | None) -> tuple[Item, ...]:
        """Return the photographs that the installed scikit-image holds."""
        folder = Path(str(files("skimage.data")))
        items = []
        for photograph in PHOTOGRAPHS:
            path, disparity = folder / photograph, DISPARITIES.get(photograph)
            if path.is_file():
                depth = folder / disparity if disparity else None
                items.append(Item(image=path.stem, target=path, depth=depth))
        return tuple(items)

    def load(self, item: Item) -> Photograph:
        """Read one photograph, and its depth where the disparity is known."""
        photograph = super().load(item)
        if item.depth is None:
            return photograph
        try:
            with np.load(item.depth, allow_pickle=False) as arrays:
                disparity = arrays["arr_0"].astype(np.float64)
        except (OSError, KeyError, ValueError) as error:
            raise ImageError(f"{item.depth}: not a disparity map: {error}") from error
        return replace(photograph, depth=depth_from_disparity(disparity, offset=DISPARITY_OFFSET))


SAMPLE = Sample()
