"""`Training`: one network from its first step to its last, through any number of interruptions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from restorebench.allocator import keep_freed_memory
from restorebench.catalog import Catalog
from restorebench.errors import BenchError, StoreError, UsageError
from restorebench.loading import load_method
from restorebench.method import Method
from restorebench_methods.training.data import Crops, check_sizes, find_sets, find_sources
from restorebench_methods.training.interrupt import uninterrupted
from restorebench_methods.training.objective import Batch
from restorebench_methods.training.overlap import find_test_images
from restorebench_methods.training.recipe import Course
from restorebench_methods.training.state import Folder, State, describe_session
from restorebench_methods.training.step import Step
from restorebench_methods.training.validation import validate


class DivergedError(BenchError):
    """A training whose weights are not finite any more."""

    exit_code = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a training is asked to do, apart from its course."""

    data_root: Path
    out: Path
    device: str = "cpu"
    seed: int = 0
    steps: int | None = None
    """In place of the recipe's length; the schedule is stretched or squeezed to fit."""
    init: str | None = None
    """Weights to begin from, as `load_method` takes them; drawn at random without."""
    workers: int = 0
    """Processes that make crops; 0 makes them in this one."""
    graph: bool = False
    """Whether to launch each step as one CUDA graph."""
    save_every: int = 200
    """Steps between two writings of the state, which a kill throws back to, but no interrupt."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step that was taken."""

    step: int
    """From 1 on."""
    total: int
    loss: Tensor
    """A scalar on the training's device."""
    lr: float
    psnr: float | None
    """Mean over the held-out images in dB, where they were restored after this step."""


class Training:
    """A context manager that holds the training's folder.

    Args:
        course: method, recipe and mixture.
        options: everything else.
        catalog: where data sets and degradations are looked up.

    Raises:
        BenchError: for anything that makes the training impossible.
    """

    def __init__(self, course: Course, options: Options, catalog: Catalog) -> None:
        self.course, self.options, self.catalog = course, options, catalog
        recipe, objective = course.recipe, course.own.objective
        if options.steps is not None and options.steps < 1:
            raise UsageError(f"steps must be at least 1, got {options.steps}")
        if options.graph and not options.device.startswith("cuda"):
            raise UsageError(f"--graph needs a CUDA device, got {options.device}")
        self.method = _method(course, options, catalog)
        self.network = self.method.network
        objective.check(self.network, len(course.mixture.kinds))
        self.tests = find_test_images(catalog, options.data_root)
        self.sets = find_sets(course, options.data_root, catalog, self.tests)
        self.sources = find_sources(course, self.sets, catalog)
        check_sizes(self.sources, recipe.crop)
        self.crops = Crops(self.sources, recipe, views=objective.views, seed=options.seed)
        self.planned = _steps(course, self.crops.epoch)
        """Steps of the recipe."""
        self.total = options.steps or self.planned
        last = max(course.mixture.sources, key=lambda source: source.begin)
        if last.begin >= self.total * recipe.batch:
            raise UsageError(
                f"source {last.name} begins at sample {last.begin}, but {self.total} steps show "
                f"only {self.total * recipe.batch}; train longer, or by another mixture"
            )
        self.step = Step(course, self.network, graph=options.graph)
        self.state = State()
        self.whole = True
        """Whether the state is that of a step's end."""
        self.folder = Folder(options.out)

    def __enter__(self) -> Self:
        """Take hold of the folder and go to where the last state in it was written."""
        self.folder.hold()
        try:
            stored = self.folder.read(self._identity())
            if stored is not None:
                self._restore(stored)
            if self.state.step > self.total:
                raise UsageError(
                    f"{self.folder.path} holds {self.state.step} steps already, "
                    f"more than the {self.total} asked for; choose another --out"
                )
        except BaseException:
            self.folder.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let go of the folder; what was interrupted goes on from the step that it was at.

        Unless it was interrupted amid a step: then from the state that was stored last.
        """
        try:
            if kind is not None and issubclass(kind, KeyboardInterrupt) and self.whole:
                self._save()
        finally:
            self.folder.release()

    @property
    def restorer(self) -> Method:
        """The method with the weights that are kept: the averaged ones, if there are such."""
        restorer = copy(self.method)
        restorer.network = self.step.averaged()
        return restorer

    def run(self) -> Iterator[Progress]:
        """Train from where the state is to the end, and yield each step.

        Raises:
            DivergedError: if weights are not finite when the state is to be written.
            ImageError: if an image cannot be read.
            OutputFolderError: if the state cannot be written.
        """
        keep_freed_memory()
        recipe = self.course.recipe
        every = max(1, round(recipe.validation.every / recipe.length * self.total))
        session = self._session()
        began = time.monotonic() - self.state.seconds
        for data in self._batches():
            with uninterrupted():
                self.whole = False
                if self.state.step == session["from_step"]:
                    self.state.sessions.append(session)  # one that took a step
                lr = recipe.schedule.at(self._time(self.state.step + 1))
                loss = self._step(data, lr)
                self.state.step += 1
                step, last = self.state.step, self.state.step == self.total
                psnr = None
                if step % every == 0 or last:
                    scores = validate(self.restorer, self.crops)
                    psnr = sum(scores.values()) / len(scores)
                    self.state.history.append({"step": step, **scores})
                self.state.seconds = time.monotonic() - began
                if step % self.options.save_every == 0 or last:
                    self._save()
                self.whole = True
            yield Progress(step, self.total, loss, lr, psnr)

    def _step(self, data: list[Tensor], lr: float) -> Tensor:
        number = self.state.step
        # What a step draws depends on its number alone, so that no generator needs storing.
        torch.manual_seed(_seed(self.options.seed, number))
        return self.step.take(self._batch(*data), number, lr, self._time(number))

    def _batches(self) -> Iterator[list[Tensor]]:
        size = self.course.recipe.batch
        loader = DataLoader(
            self.crops,
            sampler=range(self.state.step * size, self.total * size),
            batch_size=size,
            num_workers=self.options.workers,
            # Its own generator, for it would draw from the global one.
            generator=torch.Generator(),
        )
        try:
            yield from loader
        except BenchError as error:  # a worker's error carries its traceback along
            raise type(error)(str(error).strip().splitlines()[-1]) from error

    def _batch(self, *data: Tensor) -> Batch:
        # A copy to a GPU need not wait for the step before.
        degraded, clean, kind = (t.to(self.method.device, non_blocking=True) for t in data)
        return Batch(
            degraded=self.method.prepare(degraded[:, 0]),
            clean=self.method.prepare(clean),
            other=self.method.prepare(degraded[:, -1]),
            kind=kind,
        )

    def _time(self, step: int) -> float:
        """Return how far a step is, in the recipe's unit."""
        return step / self.total * self.course.recipe.length

    def _session(self) -> dict[str, Any]:
        device = str(self.method.device)
        return describe_session(self.state.step, device) | {"of_steps": self.total}

    def _identity(self) -> dict[str, Any]:
        """Return what must be the same for a training to go on."""
        return {
            "init": self.method.weights.sha256 if self.method.weights else None,
            "course": self.course.digest,
            "data": {name: one.described() for name, one in self.sets.items()},
            "seed": self.options.seed,
        }

    def _save(self) -> None:
        # A loss that is not finite leaves no finite weights.
        if not all(bool(p.isfinite().all()) for p in self.network.parameters()):
            raise DivergedError(
                f"the training diverged before step {self.state.step}: its weights are not finite; "
                "lower the learning rate. The state before is kept"
            )
        self.state.network = self.network.state_dict()
        self.state.average = {} if self.step.average is None else self.step.average.state_dict()
        self.state.optimiser = self.step.optimiser.state_dict()
        self.folder.write(self.state, self._identity())

    def _restore(self, stored: State) -> None:
        kept = {} if self.step.average is None else self.step.average.state_dict()
        if stored.average.keys() != kept.keys():
            raise StoreError(
                f"{self.folder.path / 'state.pt'} was written by another version of restorebench; "
                "delete it to train from the start"
            )
        self.state = stored
        self.step.load(stored.network, stored.average, stored.optimiser)


def _method(course: Course, options: Options, catalog: Catalog) -> Method:
    """Return the method with the network to begin from, whose tensors learn as it was written."""
    config: dict[str, Any] = course.own.config
    method = load_method(
        course.method, options.init, device=options.device, catalog=catalog, **config
    )
    if not method.info.needs_weights:
        raise UsageError(f"{course.method} has no weights to train")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(options.seed, -1))
        drawn = type(method).network_class(**config)
    if options.init is None:
        method.network.load_state_dict(drawn.state_dict())
    learns = {name: p.requires_grad for name, p in drawn.named_parameters()}
    for name, parameter in method.network.named_parameters():
        parameter.requires_grad_(learns[name])
    return method


def _seed(seed: int, step: int) -> int:
    return int.from_bytes(sha256(f"{seed} {step}".encode()).digest()[:7], "big")


def _steps(course: Course, epoch: int) -> int:
    per_unit = 1.0 if course.recipe.unit == "steps" else epoch / course.recipe.batch
    return max(1, round(course.recipe.length * per_unit))
