"""Mixes as specs write them: what is done to a clean photograph, in order.

A mix is a list. A mapping in it is one degradation with its parameters, a word is another mix by
its name or YAML path, and ``haze+rain`` is both in that order. A text alone is a list of it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
)

from restorebench.degradation import Degradation
from restorebench.errors import SpecError, UsageError, did_you_mean
from restorebench.spec import Document, Location, Name, Spec, beside, place

Parameter = float | int | str | bool | tuple[float, ...]
Parameters = dict[str, Parameter]
MAX_STEPS = 100


def parts(text: str) -> tuple[str, ...]:
    """Return the mixes that a text joins by ``+``.

    Raises:
        ValueError: if there is nothing before, after or between.

    >>> parts("haze + rain")
    ('haze', 'rain')
    """
    names = tuple(name.strip() for name in text.split("+"))
    if not all(names):
        raise ValueError(f"mixes are joined as in haze+rain, got {text!r}")
    return names


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _joined(text: str) -> str:
    parts(text)
    return text


def _one_degradation(step: dict[str, Parameters]) -> dict[str, Parameters]:
    if len(step) != 1:
        raise ValueError("each step of a mix is one degradation with its parameters")
    return step


_Step = Annotated[
    Annotated[str, AfterValidator(_joined), Tag("mix")]
    | Annotated[dict[str, Parameters], AfterValidator(_one_degradation), Tag("degradation")],
    Discriminator(lambda step: "mix" if isinstance(step, str) else "degradation"),
]
Mix = Annotated[tuple[_Step, ...], BeforeValidator(_as_list)]
"""A mix as a spec holds it: words, and mappings of one degradation to its parameters."""


class MixSpec(Spec):
    """A mix with a name, as its YAML file states it."""

    name: Name
    title: str
    source: str
    """What it imitates, or where its parameters come from."""
    steps: Mix = Field(min_length=1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MixStep:
    """One degradation of a mix, by name, with its parameters."""

    name: str
    parameters: Parameters
    mix: str = ""
    """Name of the mix that it is a step of, the innermost one; empty for a task's own."""
    place: str = ""
    """``file:line:column`` of the step, for what is wrong with it."""


Finder = Callable[[str], tuple[MixSpec, Document, str]]
"""Returns the mix of a name or YAML path, with its document and the file that holds it."""


def joined(text: str, find: Finder) -> tuple[MixStep, ...]:
    """Return the steps of mixes joined by ``+``, in order; as `opened`.

    Raises:
        UsageError: if the text joins nothing.
    """
    try:
        names = parts(text)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return tuple(step for name in names for step in opened(name, find))


def opened(name: str, find: Finder, within: tuple[str, ...] = ()) -> tuple[MixStep, ...]:
    """Return the steps of a mix, those of the mixes it names included.

    Args:
        name: its name or YAML path.
        find: looks mixes up.
        within: the mixes that this one is part of.

    Raises:
        UnknownNameError: if it is unknown.
        SpecError: if a file is wrong, or names something unknown or itself.
    """
    if name in within:
        raise SpecError(f"mix {name!r} contains itself")
    spec, document, file = find(name)
    steps = steps_of(spec.steps, document, ("steps",), file, find, (*within, name))
    return tuple(dataclasses.replace(step, mix=step.mix or spec.name) for step in steps)


def steps_of(
    mix: Mix,
    document: Document,
    at: Location,
    file: str,
    find: Finder,
    within: tuple[str, ...] = (),
) -> tuple[MixStep, ...]:
    """Return the steps of a mix that stands ``at`` a place of a file; as `opened`."""
    steps: list[MixStep] = []
    for index, part in enumerate(mix):
        if isinstance(part, str):
            try:
                for name in parts(part):
                    steps += opened(beside(file, name), find, within)
            except UsageError as error:
                where = place(document, (*at, index), file)
                raise SpecError(f"{where}: {error}") from error
        else:
            ((name, parameters),) = part.items()
            where = place(document, (*at, index, name), file)
            steps.append(MixStep(name=name, parameters=parameters, place=where))
        if len(steps) > MAX_STEPS:
            raise SpecError(f"{place(document, at, file)}: a mix of more than {MAX_STEPS} steps")
    return tuple(steps)


def built(step: MixStep, cls: object) -> Degradation:
    """Return the degradation of a step.

    Raises:
        SpecError: if it takes no such parameter or value.
        UsageError: if ``cls`` is no degradation.
    """
    if not (
        dataclasses.is_dataclass(cls) and isinstance(cls, type) and issubclass(cls, Degradation)
    ):
        raise UsageError(f"degradation {step.name!r} is no dataclass derived from Degradation")
    known = [field.name for field in dataclasses.fields(cls)]
    for key in step.parameters:
        if key not in known:
            raise SpecError(
                f"{step.name} takes no {key!r}.{did_you_mean(key, known)} "
                f"It takes: {', '.join(known)}"
            )
    try:
        # Strictly, but lists from YAML for tuples, which pydantic allows in JSON only.
        text = json.dumps(step.parameters)
        degradation: Degradation = TypeAdapter(cls).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise SpecError(f"{step.name}: {key + ': ' if key else ''}{message}") from error
    return degradation
