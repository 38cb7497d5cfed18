"""`Task` and `Suite`: the columns of a table, and how they average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from restorebench.data.dataset import Dataset
from restorebench.degradation import Degradation
from restorebench.mix import Mix
from restorebench.spec import Name, Spec

Kind = Literal[
    "denoise", "derain", "dehaze", "deblur", "lowlight", "desnow", "super_resolution", "mixed"
]


class SourceSpec(Spec):
    """Images by data set, and what is done to the clean ones; no mix means degraded pairs."""

    dataset: str
    mix: Mix = ()


class SampleSpec(SourceSpec):
    """What stands in for a real set where that is absent; it never goes by the real set's name."""

    title: str


class Fingerprint(Spec):
    """What the degraded images themselves score when the copy of the set is the expected one."""

    protocol: str
    noise: str | None = None
    images: int
    psnr: float
    ssim: float


class TaskSpec(SourceSpec):
    """One column as its YAML file states it."""

    name: Name
    title: str
    kind: Kind
    sample: SampleSpec | None = None
    fingerprints: tuple[Fingerprint, ...] = ()


class SuiteSpec(Spec):
    """A table's columns and their average, as its YAML file states them."""

    name: Name
    version: int
    title: str
    tasks: tuple[
        Annotated[
            Annotated[str, Tag("name")] | Annotated[TaskSpec, Tag("task")],
            Discriminator(lambda task: "name" if isinstance(task, str) else "task"),
        ],
        ...,
    ] = Field(min_length=1)
    """Names of known tasks, or tasks written out."""
    average: str
    """What the mean over the tasks is called, such as ``mean of the five columns``."""
    costs: tuple[Annotated[int, Field(ge=16)], ...] = ()
    """Heights and widths of images that the suite measures costs at, in pixels."""


@dataclass(frozen=True, slots=True)
class Source:
    """Images under a title of their own, and the mix that the clean ones are degraded with."""

    title: str
    dataset: Dataset
    mix: tuple[Degradation, ...] = ()
    stated: str = ""
    """File, line and column of the spec that names the data set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One column: real images, and the sample that stands in where they are absent."""

    name: str
    title: str
    kind: Kind
    real: Source
    sample: Source | None = None
    fingerprints: tuple[Fingerprint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A table: its columns in order, and what their average is called."""

    name: str
    version: int
    title: str
    average: str
    tasks: tuple[Task, ...]
    costs: tuple[int, ...] = ()
    """Heights and widths of images that costs are measured at, whenever the suite is run."""
