"""`Recipe` and `Mixture`: how a network is trained, and on what, as YAML files state it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from restorebench.errors import SpecError, UnknownNameError
from restorebench.mix import MixStep, Parameter
from restorebench.noise import NoiseScheme
from restorebench.spec import Document, Name, Spec, beside, digest, is_path, read_yaml, validated
from restorebench.suite import Kind
from restorebench_methods.training.objective import L1, Objective
from restorebench_methods.training.schedule import Schedule

RECIPES = files("restorebench_methods") / "recipes"
MIXTURES = RECIPES / "mixtures"
DATASETS = RECIPES / "datasets"

S = TypeVar("S", bound=Spec)
ConfigValue = int | float | bool | str | tuple[int | float, ...]


class SourceSpec(Spec):
    """One degradation that a network is trained on, and where its images come from."""

    name: Name
    kind: Kind
    """What a network that is told the degradation is told; sources may share a kind."""
    datasets: tuple[str, ...] = Field(min_length=1)
    """Sets that must be there."""
    optional: tuple[str, ...] = ()
    """Sets that are taken too where they are there; the card says which were."""
    mix: tuple[dict[str, dict[str, Parameter]], ...] = ()
    """What clean images are degraded with, as in a task; none for sets of pairs."""
    degrade: Literal["crop", "whole"] = "crop"
    """Whether the mix is applied to the crop alone, or to the whole image before it is cropped,
    which degradations need that depend on where in the photograph a pixel lies."""
    repeat: int = Field(default=1, ge=1)
    """How often an epoch shows each image of this source, or a cycle one of its images."""
    begin: int = Field(default=0, ge=0)
    """Sample of the training from which on a cycle shows this source; one begins at 0."""

    def steps(self) -> tuple[MixStep, ...]:
        """Return the mix as named steps."""
        return tuple(
            MixStep(name=name, parameters=parameters)
            for step in self.mix
            for name, parameters in step.items()
        )


class Mixture(Spec):
    """What networks are trained on."""

    name: Name
    title: str
    sources: tuple[SourceSpec, ...] = Field(min_length=1)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of degradation, in the order in which networks number them."""
        return tuple(dict.fromkeys(source.kind for source in self.sources))

    @model_validator(mode="after")
    def _a_training_begins_with_something(self) -> Self:
        if all(source.begin for source in self.sources):
            raise ValueError("no source begins at sample 0")
        return self


class OptimiserSpec(Spec):
    """Adam, or AdamW, whose weight decay is decoupled from the gradient."""

    kind: Literal["adam", "adamw"]
    betas: tuple[float, float]
    weight_decay: float = Field(ge=0)


class Validation(Spec):
    """Photographs that are held out of training, and how often they are restored."""

    images: int = Field(ge=1)
    """Taken from the end of each set."""
    every: float = Field(gt=0)
    """In the recipe's unit."""


class MethodSpec(Spec):
    """What a recipe says of one method."""

    config: dict[str, ConfigValue] = Field(default_factory=dict)
    """Keywords of the network's constructor; none for the published size."""
    objective: Objective = L1(kind="l1")


class Recipe(Spec):
    """How networks are trained: everything but the images themselves."""

    name: Name
    title: str
    variant: str = ""
    """What tables print behind the method's title, such as ``small``; empty for the paper's."""
    mixture: str
    """A mixture's name, or a YAML file."""
    order: Literal["shuffled", "cycle"]
    """``shuffled``: all images of an epoch in random order, as often as the mixture repeats them;
    ``cycle``: one image of each source in turn, those that repeat as often as they do."""
    crop: int = Field(ge=16, multiple_of=8)
    """Side in pixels."""
    augment: Literal["flips", "dihedral"]
    """``flips``: each axis with probability 1/2; ``dihedral``: one of all eight flips and turns."""
    quantise: Literal["floor", "round", "none"]
    """How noisy crops become 8 bit; all others are rounded, as the files of the real sets are."""
    batch: int = Field(ge=1)
    statistics: Literal["batch", "running"] = Field(
        default="batch", exclude_if=lambda statistics: statistics == "batch"
    )
    """What batch norms normalise by: each batch, or what they have seen before this training, which
    then stays as it is. For batches too small to show what images are like."""
    unit: Literal["epochs", "steps"]
    """In which length, schedule and validation are given."""
    length: float = Field(gt=0)
    optimiser: OptimiserSpec
    schedule: Schedule
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient of all parameters together."""
    ema: float | None = Field(default=None, ge=0, lt=1)
    """Share that the averaged weights keep in each step; without it the raw weights are kept."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """On CUDA; other devices train in float32."""
    validation: Validation
    methods: dict[str, MethodSpec] = Field(min_length=1)
    notes: tuple[str, ...] = ()
    """What a reader has to know: where the papers are silent, or differ from their code."""

    @property
    def noise(self) -> NoiseScheme:
        """How the noise of crops is stored."""
        return NoiseScheme(
            name=self.name, title=self.title, draw="keyed", clip=True, quantise=self.quantise
        )

    @model_validator(mode="after")
    def _the_published_size_needs_no_configuration(self) -> Self:
        for name, method in self.methods.items():
            if method.config and not self.variant:
                raise ValueError(f"{name} is configured, so the recipe needs a variant's name")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A recipe for one method, with its mixture."""

    method: str
    recipe: Recipe
    mixture: Mixture

    @property
    def own(self) -> MethodSpec:
        """What the recipe says of this method alone."""
        return self.recipe.methods[self.method]

    def described(self) -> dict[str, Any]:
        """Return all of it as JSON, without other methods."""
        recipe = self.recipe.model_dump(mode="json", exclude={"methods"})
        own = self.own.model_dump(mode="json")
        return {
            "method": self.method,
            **own,
            "recipe": recipe,
            "mixture": self.mixture.model_dump(mode="json"),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of what `described` returns."""
        return digest(self.described())


def find_course(method: str, recipe: str) -> Course:
    """Return a recipe, by name or YAML path, for one of its methods.

    A file may extend another by ``extends: NAME``; its keys replace those of that one, but for
    ``methods`` and ``sources``, which are merged one by one.

    Raises:
        UnknownNameError: if there is no such recipe or mixture, or it is for other methods.
        SpecError: if a file is wrong.
    """
    found = _read(Recipe, "recipe", recipe, RECIPES)
    if method not in found.methods:
        raise UnknownNameError(f"method of recipe {found.name}", method, found.methods)
    mixture = _read(Mixture, "mixture", beside(recipe, found.mixture), MIXTURES)
    for source in mixture.sources:
        if source.begin and found.order != "cycle":
            raise SpecError(
                f"recipe {found.name}: source {source.name} of mixture {mixture.name} begins at "
                f"sample {source.begin}, which needs order: cycle"
            )
    return Course(method=method, recipe=found, mixture=mixture)


def recipe_names() -> list[str]:
    """Return the recipes that ship with this package."""
    return sorted(_files(RECIPES))


def _read(model: type[S], kind: str, name: str, folder: Traversable) -> S:
    file = Path(name) if is_path(name) else _files(folder).get(name)
    if file is None:
        raise UnknownNameError(kind, name, _files(folder))
    return validated(model, _document(model, kind, file, folder), str(file))


def _document(model: type[S], kind: str, file: Path | Traversable, folder: Traversable) -> Document:
    """Return what a file says, and what it leaves to the file that it extends, and so on."""
    document = read_yaml(file)
    base = document.pop("extends", None)
    if base is not None:
        known = _files(folder)
        extended = known.get(str(base))
        if extended is None:
            raise UnknownNameError(kind, str(base), known)
        inherited = _document(model, kind, extended, folder)
        validated(model, inherited, str(extended))  # so that a fault is named where it stands
        _complete_methods(document.get("methods"), inherited.get("methods", {}))
        _complete_sources(document.get("sources"), inherited.get("sources", ()))
        _complete(document, inherited)
    return document


def _complete(own: object, inherited: Mapping[str, object]) -> None:
    """Add the keys that a mapping does not have; anything else is a fault that is found later."""
    if isinstance(own, dict):
        for key, value in inherited.items():
            own.setdefault(key, value)


def _complete_methods(methods: object, inherited: Mapping[str, Mapping[str, object]]) -> None:
    """Add the methods that a recipe does not name, and the keys that its methods do not have."""
    _complete(methods, inherited)
    if isinstance(methods, dict):
        for name, keys in inherited.items():
            _complete(methods[name], keys)


def _complete_sources(sources: object, inherited: Iterable[Mapping[str, object]]) -> None:
    """Add the sources that a mixture does not name, and the keys that its sources do not have."""
    if isinstance(sources, list):
        named = {str(source.get("name")): source for source in sources if isinstance(source, dict)}
        for keys in inherited:
            name = str(keys["name"])
            if name in named:
                _complete(named[name], keys)
            else:
                sources.append(keys)


def _files(folder: Traversable) -> Mapping[str, Traversable]:
    return {f.name.removesuffix(".yaml"): f for f in folder.iterdir() if f.name.endswith(".yaml")}
