"""What `restorebench info NAME` says about anything that has a name."""

from __future__ import annotations

from collections.abc import Iterator

from restorebench.catalog import Catalog
from restorebench.costs.complexity import SIDE, macs, parameters
from restorebench.errors import UnknownNameError
from restorebench.suite import Task
from restorebench.weights.trained import read_trained

Facts = Iterator[tuple[str, str]]
GROUPS = ("methods", "suites", "tasks", "datasets", "mixes", "protocols")


def describe(catalog: Catalog, name: str) -> Facts:
    """Yield facts about whatever has a name, as pairs of label and text.

    Raises:
        UnknownNameError: if nothing has the name.
    """
    describers = {
        "methods": lambda: _method(catalog, name),
        "suites": lambda: _suite(catalog, name),
        "tasks": lambda: _task(catalog.task(name)),
        "datasets": lambda: _dataset(catalog, name),
        "mixes": lambda: _mix(catalog, name),
        "protocols": lambda: _protocol(catalog, name),
    }
    groups = [group for group in GROUPS if name in catalog.names(group)]
    if not groups:
        known = [known for group in GROUPS for known in catalog.names(group)]
        raise UnknownNameError("method, suite, task, data set, mix or protocol", name, known)
    for group in groups:
        yield from describers[group]()


def _method(catalog: Catalog, name: str) -> Facts:
    cls = catalog.method(name)
    card = cls.info
    yield "method", f"{name} ({card.title})"
    yield "status", card.status
    yield "paper", card.paper
    yield "code", f"{card.code}; licence: {card.code_licence}"
    if card.needs_weights:
        yield "weights", f"{card.checkpoint or 'none published'}; licence: {card.weights_licence}"
        yield "trained on", ", ".join(card.trained_on)
        for variant, file in catalog.shipped_weights(name).items():
            trained = read_trained(file)
            yield f"--weights {variant}", trained.training if trained else file.name
        yield "parameters", f"{parameters(cls()):,}"
        yield (
            "cost",
            f"{macs(cls()) / 1e9:.2f} GMACs at {SIDE}x{SIDE} (1 MAC = 2 FLOPs; torch count)",
        )
    yield "colour order", card.colour_order
    yield "size", f"any from 16x16; padded by reflection to multiples of {card.size_multiple}"
    for note in card.notes:
        yield "note", note


def _suite(catalog: Catalog, name: str) -> Facts:
    suite = catalog.suite(name)
    yield "suite", f"{suite.name} version {suite.version}: {suite.title}"
    yield "average", suite.average
    for task in suite.tasks:
        yield from _task(task)


def _task(task: Task) -> Facts:
    yield "task", f"{task.name} ({task.title}), {task.kind}"
    yield "data", f"{task.real.dataset.title}, {task.real.dataset.count} images"
    if task.real.mix:
        yield "mix", "; ".join(map(repr, task.real.mix))
    if task.sample:
        yield "sample mix", "; ".join(map(repr, task.sample.mix))


def _dataset(catalog: Catalog, name: str) -> Facts:
    dataset = catalog.dataset(name)
    yield "data set", f"{name} ({dataset.title}), {dataset.count} images"
    if dataset.where():
        yield "where", dataset.where()
    for place in dataset.places():
        yield "layout", place


def _mix(catalog: Catalog, name: str) -> Facts:
    spec = catalog.mix_spec(name)
    yield "mix", f"{name} ({spec.title})"
    for step in catalog.mix(name):
        yield "step", repr(catalog.degradation(step))
    yield "source", spec.source


def _protocol(catalog: Catalog, name: str) -> Facts:
    protocol = catalog.protocol(name)
    yield "protocol", protocol.id
    yield "title", protocol.spec.title
    yield "source", protocol.spec.source
    yield "noise", protocol.noise.title
