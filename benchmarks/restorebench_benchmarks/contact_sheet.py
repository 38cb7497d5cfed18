"""A contact sheet: one photograph under many mixes, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from restorebench.degradation import Degradation
from restorebench.image import Pixels
from restorebench_benchmarks.mixing import mixed

LONGEST = 400
"""Longest side of a picture; parameters are in pixels, so the photograph shrinks beforehand."""
COLUMNS = 4
GAP, CAPTION, LETTERS = 8, 26, 16


def contact_sheet(pixels: Pixels, mixes: Mapping[str, Sequence[Degradation]], seed: int) -> Pixels:
    """Return the photograph, and what each mix makes of it, with the mixes' names.

    Args:
        pixels: H x W x 3; reduced if a side is longer than 400 pixels.
        mixes: degradations in order, by the name that is written below.
        seed: of all mixes.
    """
    photograph = PIL.Image.fromarray(pixels)
    photograph.thumbnail((LONGEST, LONGEST), PIL.Image.Resampling.LANCZOS)
    small = np.array(photograph)
    pictures = {"photograph": small}
    pictures |= {name: mixed(small, mix, seed) for name, mix in mixes.items()}

    cell = photograph.width + GAP, photograph.height + CAPTION
    size = COLUMNS * cell[0] + GAP, math.ceil(len(pictures) / COLUMNS) * cell[1] + GAP
    sheet = PIL.Image.new("RGB", size, "white")
    canvas, font = PIL.ImageDraw.Draw(sheet), PIL.ImageFont.load_default(LETTERS)
    for index, (name, picture) in enumerate(pictures.items()):
        left, top = GAP + index % COLUMNS * cell[0], GAP + index // COLUMNS * cell[1]
        sheet.paste(PIL.Image.fromarray(picture), (left, top))
        canvas.text((left, top + photograph.height + 3), name, "black", font)
    return np.array(sheet)
