"""Crops to train on: sample k of a training is a function of its seed and k alone.

So neither the number of workers nor an interruption changes what a network is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from restorebench.catalog import Catalog
from restorebench.data.dataset import Dataset, Item, contents, fingerprint
from restorebench.degradation import Degradation, Image, Scene
from restorebench.errors import DataError, ImageError
from restorebench.image import Pixels
from restorebench.noise import degrade, keyed
from restorebench_methods.training.overlap import KnownImages, find_tested
from restorebench_methods.training.recipe import DATASETS, Course, Recipe, SourceSpec

IMAGES_KEPT = 512
"""Decoded images that each worker keeps, so that BSD400 is decoded once."""

Sample = tuple[Tensor, Tensor, int]
"""Degraded crops (views, 3, H, W), the clean crop of the first view (3, H, W), kind."""


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """One data set that is there, cut into what is trained on, held out and left out."""

    dataset: Dataset
    found: tuple[Item, ...]
    training: tuple[Item, ...]
    held_out: tuple[Item, ...]
    left_out: dict[str, str]
    """Images that are test images, and which."""

    def described(self) -> dict[str, Any]:
        """Return what the card says of it."""
        return {
            "title": self.dataset.title,
            "images": len(self.found),
            "of": self.dataset.count,
            "trained_on": len(self.training),
            "held_out": len(self.held_out),
            "left_out_as_test_images": self.left_out,
            "fingerprint": fingerprint(contents(self.found)),
        }


@dataclass(frozen=True, kw_only=True)
class Source:
    """One degradation with the images that it is shown on."""

    spec: SourceSpec
    kind: int
    mix: tuple[Degradation, ...]
    training: tuple[tuple[Dataset, Item], ...]
    held_out: tuple[tuple[Dataset, Item], ...]


def find_sets(
    course: Course, root: Path, catalog: Catalog, tests: KnownImages
) -> dict[str, TrainingSet]:
    """Return the sets of a course that are below the data root, by name.

    Raises:
        DataError: which names all that must be there and are not, or have too few images.
        ImageError: if an image cannot be read.
        UnknownNameError: if no set has the name.
    """
    found: dict[str, TrainingSet] = {}
    missing: dict[str, str] = {}
    held = course.recipe.validation.images
    names = {name: False for source in course.mixture.sources for name in source.optional}
    names |= {name: True for source in course.mixture.sources for name in source.datasets}
    for name, is_needed in names.items():
        one = _cut(find_dataset(name, catalog), root, held, tests)
        if one.training:
            found[name] = one
        elif one.found or is_needed:
            missing[name] = f"{one.dataset.title}, found {len(one.found)} ({one.dataset.where()})"
    if missing:
        raise DataError(
            f"mixture {course.mixture.name} needs more than {held} images of each of its sets "
            f"below {root}, test images apart, but of {'; of '.join(missing.values())}"
        )
    return found


def find_dataset(name: str, catalog: Catalog) -> Dataset:
    """Return a training set of this package, or any other data set by name or YAML path."""
    own = DATASETS / f"{name}.yaml"
    return catalog.dataset(str(own) if own.is_file() else name)


def _cut(dataset: Dataset, root: Path, held: int, tests: KnownImages) -> TrainingSet:
    items = dataset.find(root)
    left_out = find_tested(dataset, items, tests)
    usable = tuple(item for item in items if item.image not in left_out)
    return TrainingSet(
        dataset=dataset,
        found=items,
        training=usable[:-held],
        held_out=usable[-held:],
        left_out=left_out,
    )


def find_sources(
    course: Course, sets: dict[str, TrainingSet], catalog: Catalog
) -> tuple[Source, ...]:
    """Return the sources of a course over the sets that are there.

    Raises:
        UsageError: if a degradation is unknown or takes no such parameter.
        DataError: if a source without a mix has clean images only.
    """
    sources = []
    for spec in course.mixture.sources:
        used = [sets[name] for name in (*spec.datasets, *spec.optional) if name in sets]
        for one in used:
            if not spec.mix and one.training[0].degraded is None:
                raise DataError(f"source {spec.name}: {one.dataset.title} has no degraded images")
        source = Source(
            spec=spec,
            kind=course.mixture.kinds.index(spec.kind),
            mix=tuple(catalog.degradation(step) for step in spec.steps()),
            training=tuple((one.dataset, item) for one in used for item in one.training),
            held_out=tuple((one.dataset, item) for one in used for item in one.held_out),
        )
        sources.append(source)
    return tuple(sources)


def check_sizes(sources: Sequence[Source], crop: int) -> None:
    """Refuse images that no crop can be cut from, by their headers.

    Raises:
        ImageError: which names the first.
    """
    for item in {item for source in sources for _, item in (*source.training, *source.held_out)}:
        height, width = item.size()
        if min(height, width) < crop:
            raise ImageError(f"{item.target}: {width}x{height} pixels, a crop has {crop}x{crop}")


class Crops(TorchDataset[Sample]):
    """What a network is shown, sample by sample.

    Args:
        sources: degradations with their images.
        recipe: how crops are cut.
        views: crops of each degraded image.
        seed: of the training.
    """

    def __init__(self, sources: Sequence[Source], recipe: Recipe, *, views: int, seed: int) -> None:
        self._sources = tuple(sources)
        self._recipe = recipe
        self._views = views
        self._seed = seed
        self._ends = list(accumulate(len(s.training) * s.spec.repeat for s in sources))
        begins = sorted({source.spec.begin for source in sources}, reverse=True)
        self._cycles = {begin: _cycle(sources, begin) for begin in begins}

    @property
    def epoch(self) -> int:
        """Samples of one epoch."""
        return self._ends[-1]

    def __getitem__(self, index: int) -> Sample:
        """Return sample ``index`` of the training."""
        source, image = self._choose(index)
        rng = keyed(self._seed, "sample", index)
        return _sample(source, source.training[image], self._recipe, self._views, rng)

    def validation(self) -> Iterator[tuple[Source, Sample]]:
        """Yield the held-out images, cut in the middle, with their degradation."""
        for source in self._sources:
            for dataset, item in source.held_out:
                rng = keyed(self._seed, "validation", source.spec.name, dataset.name, item.image)
                yield source, _sample(source, (dataset, item), self._recipe, 0, rng)

    def _choose(self, index: int) -> tuple[Source, int]:
        if self._recipe.order == "cycle":
            began, cycle = next(item for item in self._cycles.items() if index >= item[0])
            cycles, which = divmod(index - began, len(cycle))
            source, turn = cycle[which]
            epoch, position = divmod(cycles * source.spec.repeat + turn, len(source.training))
            return source, int(_order(len(source.training), self._seed, epoch)[position])
        epoch, position = divmod(index, self.epoch)
        entry = int(_order(self.epoch, self._seed, epoch)[position])
        which = next(n for n, end in enumerate(self._ends) if entry < end)
        source = self._sources[which]
        return source, (self._ends[which] - 1 - entry) % len(source.training)


def _cycle(sources: Sequence[Source], at: int) -> list[tuple[Source, int]]:
    """Return one cycle of the sources that are shown from sample ``at`` on, each with its turn."""
    shown = [source for source in sources if source.spec.begin <= at]
    turns = range(max(source.spec.repeat for source in shown))
    return [(source, turn) for turn in turns for source in shown if turn < source.spec.repeat]


@lru_cache(maxsize=8)
def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return keyed(seed, "order", epoch).permutation(count)


@lru_cache(maxsize=IMAGES_KEPT)
def _photograph(dataset: Dataset, item: Item) -> tuple[Pixels | None, Pixels]:
    """Return the degraded image, if the set has one, and the clean one."""
    photograph = dataset.load(item)
    if photograph.clean is None:
        raise ImageError(f"{item.degraded}: a set without clean images cannot be trained on")
    return photograph.degraded, photograph.clean


def _sample(
    source: Source,
    image: tuple[Dataset, Item],
    recipe: Recipe,
    views: int,
    rng: np.random.Generator,
) -> Sample:
    """Cut, turn and degrade one sample; no view at all stands for one in the middle, as it is."""
    stored, clean = _photograph(*image)
    degraded: Image | None = None if stored is None else stored / 255
    # Views of one image share its degradation, so that one is degraded as a whole.
    if source.mix and (source.spec.degrade == "whole" or views > 1):
        degraded = _degraded(clean / 255, source, recipe, rng)
    crops, targets = [], []
    for _ in range(max(views, 1)):
        window = _window(clean.shape[:2], recipe.crop, None if views == 0 else rng)
        turn = (0, False, False) if views == 0 else _turn(recipe, rng)
        target = _turned(clean[window] / 255, *turn)
        whole = None if degraded is None else _turned(degraded[window], *turn)
        crops.append(_degraded(target, source, recipe, rng) if whole is None else whole)
        targets.append(target)
    return torch.stack([_tensor(crop) for crop in crops]), _tensor(targets[0]), source.kind


def _degraded(clean: Image, source: Source, recipe: Recipe, rng: np.random.Generator) -> Image:
    return degrade(Scene(clean), source.mix, [rng] * len(source.mix), recipe.noise)


def _window(
    size: tuple[int, ...], crop: int, rng: np.random.Generator | None
) -> tuple[slice, slice]:
    """Return where a crop lies, in the middle if there is no generator."""
    ends = [side - crop for side in size]
    top, left = (end // 2 if rng is None else int(rng.integers(end + 1)) for end in ends)
    return slice(top, top + crop), slice(left, left + crop)


def _turn(recipe: Recipe, rng: np.random.Generator) -> tuple[int, bool, bool]:
    quarters, vertical, horizontal = rng.integers(2, size=3)
    return int(quarters) * (recipe.augment == "dihedral"), bool(vertical), bool(horizontal)


def _turned(image: Image, quarters: int, vertical: bool, horizontal: bool) -> Image:
    """Flip and turn H x W x 3; a quarter turn and two flips reach all eight positions."""
    image = np.rot90(image, quarters)
    return image[:: -1 if vertical else 1, :: -1 if horizontal else 1]


def _tensor(image: Image) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32))
