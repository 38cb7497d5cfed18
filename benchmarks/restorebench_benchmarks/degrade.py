"""`restorebench degrade`: what a mix does to a photograph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.commands.options import Plugins, say_written
from restorebench.console import console
from restorebench.errors import UsageError

if TYPE_CHECKING:
    from restorebench.mix import MixStep, Parameter


def degrade(
    photo: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="An 8-bit RGB image: PNG, JPEG or BMP."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="PNG file to write.")],
    mix: Annotated[
        str | None,
        typer.Option(help="Mixes by name or YAML file, joined by + in the order they are applied."),
    ] = None,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="One picture of all installed mixes instead.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another number gives another rain.")] = 0,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="MIX.PARAMETER=VALUE",
            help="Such as rain.strength=0.5, or haze.beta=0.2,1.5 for a range. Repeatable.",
        ),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Degrade a photograph by a mix, and say with which parameters, as a spec has them."""
    from rich.text import Text

    from restorebench.catalog import Catalog
    from restorebench.image import read_image
    from restorebench_benchmarks.contact_sheet import contact_sheet
    from restorebench_benchmarks.mixing import drawn, mixed, written

    _check(photo, out, mix, sheet, change)
    catalog = Catalog.installed(plugin or ())
    pixels = read_image(photo)
    if mix is None:
        names = catalog.names("mixes")
        mixes = {name: list(map(catalog.degradation, catalog.mix(name))) for name in names}
        written(contact_sheet(pixels, mixes, seed), out)
    else:
        steps = changed(catalog.mix(mix), change or [])
        degradations = list(map(catalog.degradation, steps))
        written(mixed(pixels, degradations, seed), out)
        for step, numbers in zip(steps, drawn(pixels, degradations, seed), strict=True):
            console().print(Text(_as_yaml(step.name, step.parameters | numbers)))
        console().print(Text(f"seed: {seed}"))
    say_written([out])


def _check(photo: Path, out: Path, mix: str | None, sheet: bool, change: list[str] | None) -> None:
    if sheet == (mix is not None):
        raise UsageError("give --mix, such as --mix haze+rain, or --sheet for all of them")
    if sheet and change:
        raise UsageError("--set changes a --mix; a sheet shows all mixes as they are")
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out}: a PNG file is written; give a name that ends with .png")
    if out.exists() and out.samefile(photo):
        raise UsageError(f"{out} is the photograph itself; choose another name")


def changed(steps: tuple[MixStep, ...], changes: list[str]) -> tuple[MixStep, ...]:
    """Return the steps with parameters set as ``MIX.PARAMETER=VALUE`` says.

    MIX is the name of the mix that a step belongs to, or of its degradation.

    Raises:
        UsageError: if a change says nothing that could be set, or fits no step.
    """
    from dataclasses import replace

    for text in changes:
        target, equals, value = text.partition("=")
        owner, dot, parameter = target.rpartition(".")
        if not (equals and dot and owner and parameter):
            raise UsageError(f"--set {text}: expected MIX.PARAMETER=VALUE, as rain.strength=0.5")
        if not any(owner in (step.mix, step.name) for step in steps):
            known = ", ".join(dict.fromkeys(step.mix for step in steps))
            raise UsageError(f"--set {text}: the mix has no {owner!r}; it has {known}")
        new = {parameter: _value(text, value)}
        steps = tuple(
            replace(step, parameters=step.parameters | new, place="")
            if owner in (step.mix, step.name)
            else step
            for step in steps
        )
    return steps


def _value(text: str, value: str) -> Parameter:
    try:
        numbers = tuple(float(number) for number in value.strip("[]()").split(","))
    except ValueError as error:
        raise UsageError(f"--set {text}: a number is needed, or two for a range") from error
    return numbers if len(numbers) > 1 else numbers[0]


def _as_yaml(name: str, parameters: Mapping[str, Parameter]) -> str:
    values = (
        f"{k}: {v:.6g}" if isinstance(v, float) else f"{k}: {v}" for k, v in parameters.items()
    )
    return f"- {name}: {{{', '.join(values)}}}"
