"""`Column`: one task on the images that are there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from restorebench.data.dataset import Dataset, Item, contents, duplicates, fingerprint
from restorebench.errors import DataError, ImageError, SpecError
from restorebench.image import MIN_SIDE
from restorebench.noise import NoiseSource, Size, draws_noise, values_of
from restorebench.protocol import Protocol
from restorebench.provenance import code_hash
from restorebench.suite import Source, Suite, Task

DataMode = Literal["auto", "real", "sample"]
Origin = Literal["real", "sample"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One task on the images that are there."""

    task: Task
    protocol: Protocol
    origin: Origin
    source: Source
    items: tuple[Item, ...]
    """All images of the set that were found, in order."""
    first: int = 0
    """Which image scoring begins with, where a worker scores a part of the column."""
    limit: int | None = None
    repeats: int = 1
    """How often the noise of each image is drawn; 1 where the task draws none."""
    start: int | None = 0
    """Normal values drawn by earlier tasks from a continued noise stream; ``None`` if nobody can
    tell, because an image of an earlier task cannot be read."""

    @property
    def chosen(self) -> tuple[Item, ...]:
        """The images that are scored."""
        return self.items[self.first : self.limit]

    @property
    def drawn(self) -> tuple[Item, ...]:
        """The same, each as often as its noise is drawn."""
        return tuple(drawn for item in self.chosen for drawn in self.draws(item))

    def draws(self, item: Item) -> tuple[Item, ...]:
        """Return an image as often as its noise is drawn."""
        return tuple(replace(item, draw=draw) for draw in range(self.repeats))

    @cached_property
    def contents(self) -> dict[str, str]:
        """Hash of each image's files when the run was planned, by the image's name."""
        return dict(contents(self.items))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all images of the set that were found."""
        return fingerprint(self.contents.items())

    @cached_property
    def sizes(self) -> tuple[Size | None, ...]:
        """Sizes after the crop; ``None`` for a file that cannot be read."""
        return tuple(_cropped_size(item, self.protocol.spec.centre_crop) for item in self.items)

    @cached_property
    def noise(self) -> NoiseSource:
        """Where the random numbers of each image come from."""
        streamed = self.protocol.noise.streams and draws_noise(self.source.mix)
        return NoiseSource(
            self.protocol.noise,
            self.source.dataset.name,
            [item.image for item in self.items],
            self.sizes if streamed else [None] * len(self.items),
            start=self.start,
        )

    @property
    def input(self) -> tuple[int, str]:
        """What the protocol does to the images before a method is given them.

        Protocols that agree in this can score one and the same restored image.
        """
        noisy = draws_noise(self.source.mix)
        return self.protocol.spec.centre_crop, self.protocol.noise.id if noisy else ""

    @property
    def mix(self) -> str:
        """The mix in words, with the hash of the code behind it; empty for pairs."""
        return "; ".join(f"{d!r} of {code_hash(type(d))}" for d in self.source.mix)

    def words(self) -> list[str]:
        """Say whatever keeps this column from being the real and whole benchmark."""
        said = []
        found, expected = len(self.items), self.source.dataset.count
        if self.origin == "sample":
            real = self.task.real.dataset.title
            said.append(f"sample: {found} photographs in place of {real}, no benchmark")
        elif found < expected:
            said.append(f"partial: {found} of {expected} images")
        elif found > expected:
            said.append(f"not the known set: {found} images instead of {expected}")
        if same := duplicates(self.chosen):
            said.append(f"duplicates: {same} of {len(self.chosen)} images equal another one")
        if len(self.chosen) < found:
            said.append(f"limited to {len(self.chosen)} of {found} images")
        if self.repeats > 1:
            said.append(f"{draws_of(self.repeats)}: an image's score is the mean over them")
        return said

    @property
    def extent(self) -> str:
        """The same in a word or two; only columns of the same extent are averaged."""
        found, expected = len(self.items), self.source.dataset.count
        words = ["sample"] if self.origin == "sample" else []
        words += ["partial"] if found < expected else ["unknown set"] if found > expected else []
        words += ["limited"] if len(self.chosen) < found else []
        return ", ".join(words)

    @property
    def tag(self) -> str:
        """What stands below the column's title wherever it is printed."""
        chosen, found, expected = len(self.chosen), len(self.items), self.source.dataset.count
        if self.origin == "sample":
            return f"sample, {chosen} of {found}" if chosen < found else f"sample, {found}"
        return f"{chosen} of {expected}" if chosen != expected else f"{expected}"


def draws_of(repeats: int) -> str:
    """Return in words how often noise was drawn."""
    return f"{repeats} noise draws"


def find_columns(
    suite: Suite,
    protocol: Protocol,
    data_root: Path | None,
    mode: DataMode,
    limit: int | None,
    repeats: int = 1,
) -> tuple[Column, ...]:
    """Find each task's images: the real set, or the embedded sample where that is absent.

    Raises:
        DataError: if the data root does not exist or holds no set of the suite, real data are
            demanded and missing, or two images of a set have one name.
    """
    if data_root is not None and not data_root.is_dir():
        raise DataError(
            f"data root {data_root} is not a folder; give the folder that holds test/, "
            "or leave it out to use the embedded sample"
        )
    columns: list[Column] = []
    start: int | None = 0
    for task in suite.tasks:
        origin, source, items = _images(task, data_root, mode)
        column = Column(
            task=task,
            protocol=protocol,
            origin=origin,
            source=source,
            items=items,
            limit=limit,
            repeats=repeats if draws_noise(source.mix) else 1,
            start=start if draws_noise(source.mix) else 0,
        )
        if protocol.noise.draw == "stream-continued" and draws_noise(source.mix):
            drawn = [None if size is None else values_of(size) for size in column.sizes]
            known = [values for values in drawn if values is not None]
            start = None if start is None or len(known) < len(drawn) else start + sum(known)
        columns.append(column)
    real = [task.real.dataset for task in suite.tasks if not task.real.dataset.embedded]
    if data_root is not None and mode == "auto" and all(c.origin == "sample" for c in columns):
        above = data_root.resolve().parent
        if any(dataset.find(above) for dataset in real):
            raise DataError(f"no set lies below {data_root}, but some below {above}: give that")
        if real:  # a disk that is not mounted must not end in a table of the sample
            raise DataError(
                f"no set of suite {suite.name} lies below {data_root} (restorebench doctor "
                f"--data-root {data_root} lists them); --data sample scores the embedded sample"
            )
    return tuple(columns)


def _images(
    task: Task, data_root: Path | None, mode: DataMode
) -> tuple[Origin, Source, tuple[Item, ...]]:
    if mode != "sample":
        items = _found(task.real.dataset, data_root)
        if items and not task.real.mix and items[0].degraded is None:
            raise SpecError(
                f"{task.real.stated}: {task.real.dataset.title} holds clean images only; "
                f"give task {task.name} a mix to degrade them with"
            )
        if items:
            return ("sample" if task.real.dataset.embedded else "real"), task.real, items
    if mode == "real":
        where = f"below {data_root}" if data_root else "because no data root is given"
        raise DataError(
            f"{task.real.dataset.title} was not found {where}: {task.real.dataset.where()}"
        )
    if task.sample is None:
        raise DataError(
            f"{task.real.dataset.title} was not found and task {task.name} has no sample: "
            f"{task.real.dataset.where()}"
        )
    items = _found(task.sample.dataset, data_root)
    if not items:
        raise DataError(f"the sample of task {task.name} was not found: reinstall scikit-image")
    return "sample", task.sample, items


def _found(dataset: Dataset, data_root: Path | None) -> tuple[Item, ...]:
    items = dataset.find(data_root)
    # A record is told from others by the image's name, so two of one name would share a score.
    twice = [name for name, times in Counter(item.image for item in items).items() if times > 1]
    if twice:
        raise DataError(f"{dataset.title} has two images called {twice[0]}; rename one of them")
    return items


def _cropped_size(item: Item, multiple: int) -> Size | None:
    try:
        height, width = item.size()
    except ImageError:
        return None
    if min(height, width) < max(multiple, MIN_SIDE):
        return None
    return height - height % multiple, width - width % multiple
