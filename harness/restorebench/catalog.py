"""`Catalog`: every name a person may type, and what stands behind it.

Three ways in, ours included: an entry point of an installed package, a plugin file on disk, or a
YAML file by its path. Entry point groups:

    restorebench.methods         name = "module:MethodSubclass"
    restorebench.degradations    name = "module:DegradationDataclass"
    restorebench.metrics         name = "module:METRIC"
    restorebench.renderers       name = "module:function"; likewise .table_renderers,
                                 .gate_renderers and .published
    restorebench.references      name = "module:FILE" of BibTeX entries
    restorebench.datasets        name = "module:DATASET", or a folder of YAML files
    restorebench.suites          name = "module:FOLDER" of YAML files; likewise
    restorebench.tasks, restorebench.mixes, restorebench.protocols and restorebench.noise
    restorebench.weights         name = "module:FOLDER" of VARIANT/METHOD.safetensors
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from restorebench.data.dataset import Dataset
from restorebench.data.folder import FolderDataset
from restorebench.data.layout import DatasetSpec
from restorebench.degradation import Degradation
from restorebench.errors import SetupError, SpecError, UnknownNameError, UsageError
from restorebench.metrics import Metric
from restorebench.mix import MixSpec, MixStep, built, joined, steps_of
from restorebench.noise import NoiseScheme
from restorebench.protocol import Protocol, ProtocolSpec
from restorebench.provided import Provided, by_packages, by_plugins
from restorebench.spec import Document, Location, Spec, beside, is_path, place, read_yaml, validated
from restorebench.suite import SampleSpec, Source, Suite, SuiteSpec, Task, TaskSpec

if TYPE_CHECKING:
    from restorebench.method import Method

GROUPS = {
    "methods": "method",
    "degradations": "degradation",
    "metrics": "metric",
    "renderers": "renderer",
    "gate_renderers": "gate renderer",
    "datasets": "dataset",
    "mixes": "mix",
    "suites": "suite",
    "tasks": "task",
    "protocols": "protocol",
    "noise": "noise",
    "published": "record of published values",
    "table_renderers": "table renderer",
    "references": "file of references",
    "executors": "executor",
    "weights": "folder of weights",
}
"""What names stand for, and the word for one of them."""
S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Catalog:
    """All names by group. Made once for each command and handed on; there is no global registry."""

    groups: Mapping[str, Mapping[str, Provided]] = field(repr=False)
    plugins: tuple[Path, ...] = ()

    def __reduce__(self) -> tuple[Callable[..., Catalog], tuple[tuple[Path, ...]]]:
        # Another process finds the same names anew: what a plugin file holds cannot be pickled.
        return Catalog.installed, (self.plugins,)

    @classmethod
    def installed(cls, plugins: Iterable[Path] = ()) -> Catalog:
        """Return what the installed packages and the given plugin files provide.

        Raises:
            UsageError: if two of them provide the same name, or a plugin cannot be read.
        """
        paths = tuple(plugins)
        groups: dict[str, dict[str, Provided]] = {group: {} for group in GROUPS}
        for group, new in (*by_packages(GROUPS), *by_plugins(paths, GROUPS)):
            if new.name in groups[group]:
                origins = f"{groups[group][new.name].origin} and {new.origin}"
                raise UsageError(f"{GROUPS[group]} {new.name!r} is of both {origins}; rename one")
            groups[group][new.name] = new
        return cls(groups, paths)

    def names(self, group: str) -> list[str]:
        """Return the sorted names of a group; YAML folders are opened."""
        if group in ("mixes", "suites", "tasks", "protocols", "noise"):
            return sorted(self._files(group))
        names = set(self.groups[group])
        if group == "datasets":
            names = names - set(self._folders(group)) | self._dataset_names()
        return sorted(names)

    def broken(self, groups: Iterable[str] = GROUPS) -> list[str]:
        """Return one line for each entry point that cannot be used; imports all the others."""
        lines = []
        for group in groups:
            for name in self.groups[group]:
                try:
                    self.method(name) if group == "methods" else self._load(group, name)
                except (SetupError, UsageError) as error:
                    lines.append(str(error))
        return lines

    def method(self, name: str) -> type[Method]:
        """Return the method class called ``name``.

        Raises:
            UnknownNameError: with the nearest name.
            SetupError: if its package cannot be imported.
            UsageError: if it is no method.
        """
        from restorebench.method import Method  # torch, which naming things does not need

        found = self._load("methods", name)
        if not (isinstance(found, type) and issubclass(found, Method) and hasattr(found, "info")):
            raise UsageError(
                f"method {name!r} of {self.groups['methods'][name].origin} is no class derived "
                "from Method, with a card (info = Card(...)); see CONTRIBUTING.md, Adding a method"
            )
        return found

    def shipped_weights(self, method: str) -> dict[str, Path]:
        """Return the weights files that come with a method, by variant, such as ``small``.

        Raises:
            UsageError: if two packages provide the same.
        """
        found: dict[str, Path] = {}
        for folder in self._folders("weights").values():
            for variant in folder.iterdir():
                file = variant / f"{method}.safetensors"
                if file.is_file():
                    if variant.name in found:
                        raise UsageError(f"{found[variant.name]} and {file} are both provided")
                    found[variant.name] = Path(str(file))
        return dict(sorted(found.items()))

    def methods_with(self, variant: str) -> list[str]:
        """Return the names of the methods that come with weights called ``variant``."""
        return [name for name in self.names("methods") if variant in self.shipped_weights(name)]

    def metric(self, name: str) -> Metric:
        """Return the metric implementation called ``name``."""
        found = self._load("metrics", name)
        if not isinstance(found, Metric):
            raise UsageError(
                f"metric {name!r} of {self.groups['metrics'][name].origin} is no Metric"
            )
        return found

    def renderer(self, name: str, group: str = "renderers") -> Callable[..., Any]:
        """Return the renderer called ``name``: of boards, or of another group."""
        found: Callable[..., Any] = self._load(group, name)
        return found

    def executor(self, name: str) -> Any:
        """Return the class of the executor called ``name``."""
        return self._load("executors", name)

    def protocol(self, name: str, noise: str | None = None) -> Protocol:
        """Return a protocol by name or YAML path, with its own noise scheme or another.

        Raises:
            UnknownNameError: if a name is unknown.
            SpecError: if a file is wrong.
        """
        spec, document, file = self._spec("protocols", name, ProtocolSpec)
        for key, implementation in spec.metrics.items():
            if implementation not in self.groups["metrics"]:
                at = place(document, ("metrics", key), file)
                unknown = UnknownNameError("metric", implementation, self.names("metrics"))
                raise SpecError(f"{at}: {unknown}")
        try:
            scheme = self.noise(noise or beside(file, spec.noise))
        except UnknownNameError as error:
            if noise:
                raise
            raise SpecError(f"{place(document, ('noise',), file)}: {error}") from error
        return Protocol(spec=spec, noise=scheme)

    def noise(self, name: str) -> NoiseScheme:
        """Return a noise scheme by name or YAML path."""
        spec, _, _ = self._spec("noise", name, NoiseScheme)
        return spec

    def suite(self, name: str) -> Suite:
        """Return a suite by name or YAML path, with everything it names.

        Paths inside a spec are relative to that spec's folder.

        Raises:
            UnknownNameError: if the suite is unknown.
            SpecError: if a file is wrong or names something unknown.
        """
        spec, document, file = self._spec("suites", name, SuiteSpec)
        tasks = []
        for index, task in enumerate(spec.tasks):
            if isinstance(task, TaskSpec):
                tasks.append(self._task(task, document, ("tasks", index), file))
            elif is_path(task) or task in self._files("tasks"):
                tasks.append(self.task(beside(file, task)))
            else:
                at = place(document, ("tasks", index), file)
                raise SpecError(f"{at}: {UnknownNameError('task', task, self.names('tasks'))}")
        names = [task.name for task in tasks]
        if len(set(names)) < len(names):
            raise SpecError(f"{place(document, ('tasks',), file)}: a task is named twice: {names}")
        return Suite(
            name=spec.name,
            version=spec.version,
            title=spec.title,
            average=spec.average,
            tasks=tuple(tasks),
            costs=spec.costs,
        )

    def task(self, name: str) -> Task:
        """Return a task by name or YAML path."""
        spec, document, file = self._spec("tasks", name, TaskSpec)
        return self._task(spec, document, (), file)

    def dataset(self, name: str) -> Dataset:
        """Return a data set by name or YAML path; ``/SUBSET`` follows where it has subsets."""
        if name in self.groups["datasets"]:
            found = self._load("datasets", name)
            if isinstance(found, Dataset):
                return found
        family, _, subset = name.rpartition("/")
        is_subset = family in self._files("datasets") or is_path(family)
        spec, _, file = self._spec("datasets", family if is_subset else name, DatasetSpec)
        return FolderDataset(spec, Path(file), subset if is_subset else "")

    def _dataset_names(self) -> set[str]:
        names = set()
        for name in self._files("datasets"):
            try:
                subsets = self._spec("datasets", name, DatasetSpec)[0].subsets
            except SpecError:  # whoever asks for this set is told
                subsets = ()
            names |= {f"{name}/{subset}" for subset in subsets} or {name}
        return names

    def _task(self, spec: TaskSpec, document: Document, at: Location, file: str) -> Task:
        sample = None
        if spec.sample is not None:
            sample = self._source(spec.sample, document, (*at, "sample"), file)
        return Task(
            name=spec.name,
            title=spec.title,
            kind=spec.kind,
            real=self._source(spec, document, at, file),
            sample=sample,
            fingerprints=spec.fingerprints,
        )

    def _source(
        self, spec: TaskSpec | SampleSpec, document: Document, at: Location, file: str
    ) -> Source:
        try:
            dataset = self.dataset(beside(file, spec.dataset))
        except UnknownNameError as error:
            raise SpecError(f"{place(document, (*at, 'dataset'), file)}: {error}") from error
        steps = steps_of(spec.mix, document, (*at, "mix"), file, self._mix)
        mix = tuple(map(self.degradation, steps))
        return Source(spec.title, dataset, mix, place(document, (*at, "dataset"), file))

    def mix_spec(self, name: str) -> MixSpec:
        """Return a mix by name or YAML path, as its file states it."""
        return self._mix(name)[0]

    def mix(self, text: str) -> tuple[MixStep, ...]:
        """Return the steps of mixes joined by ``+``, each by name or YAML path.

        Raises:
            UnknownNameError: if no mix has a name.
            UsageError: if the text joins nothing, or a file is wrong.
        """
        return joined(text, self._mix)

    def degradation(self, step: MixStep) -> Degradation:
        """Return one degradation of a mix with its parameters.

        Raises:
            UnknownNameError: if no degradation has the name.
            SpecError: if it takes no such parameter or value; with the step's place.
        """
        try:
            return built(step, self._load("degradations", step.name))
        except UsageError as error:
            if not step.place:
                raise
            raise SpecError(f"{step.place}: {error}") from error

    def _mix(self, name: str) -> tuple[MixSpec, Document, str]:
        return self._spec("mixes", name, MixSpec)

    def _spec(self, group: str, name: str, model: type[S]) -> tuple[S, Document, str]:
        file: Traversable
        if is_path(name):
            file = Path(name)
        else:
            files = self._files(group)
            if name not in files:
                raise UnknownNameError(GROUPS[group], name, self.names(group))
            file = files[name]
        document = read_yaml(file)
        return validated(model, document, str(file)), document, str(file)

    def _files(self, group: str) -> dict[str, Traversable]:
        files: dict[str, Traversable] = {}
        for folder in self._folders(group).values():
            for file in folder.iterdir():
                if file.name.endswith(".yaml"):
                    stem = file.name.removesuffix(".yaml")
                    if stem in files:
                        raise UsageError(f"{files[stem]} and {file} both define {stem!r}")
                    files[stem] = file
        return files

    def _folders(self, group: str) -> dict[str, Traversable]:
        folders = {}
        for name in self.groups[group]:
            try:
                found = self._load(group, name)
            except SetupError:  # a package that cannot be imported leaves the others alone
                continue
            if isinstance(found, Traversable) and found.is_dir():
                folders[name] = found
        return folders

    def _load(self, group: str, name: str) -> Any:
        if name not in self.groups[group]:
            raise UnknownNameError(GROUPS[group], name, self.names(group))
        return self.groups[group][name].load()
