"""`Options`, and the rows of a plan that methods become under them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from restorebench.catalog import Catalog
from restorebench.column import DataMode
from restorebench.errors import (
    SetupError,
    UsageError,
    WeightsError,
)
from restorebench.inference import Inference, numbers_of
from restorebench.loading import carried_weights, folder_row, load_method
from restorebench.method import Card, Method, Weights
from restorebench.plan import Row, method_name
from restorebench.precision import Precision
from restorebench.provenance import code_hash, device_name
from restorebench.restored import RestoredFolder
from restorebench.tiling import Tiling


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is asked to do, apart from suite and methods."""

    data_root: Path | None = None
    data: DataMode = "auto"
    limit: int | None = None
    device: str = "cpu"
    precision: Precision = "float32"
    inference: Inference = "optimised"
    protocols: tuple[str, ...] = ("airnet",)
    """Each gives a board of its own; an image is restored once for all that allow it."""
    noise: str | None = None
    repeats: int = 1
    """How often the noise of each image is drawn."""
    weights: Mapping[str, Path] = field(default_factory=dict)
    """By the name that stands among the methods: a file, or weights that come with the method."""
    strict: bool = True
    """Whether weights must fit their network tensor for tensor."""
    untrained: bool = False
    pictures: bool = True
    """Whether a crop of every scored image is kept for reports."""
    costs: bool = False
    """Whether to measure what the methods cost, too."""
    batch: int = 1
    """How many successive images of one size are restored at once."""
    tile: int | None = None
    """Height and width of the tiles that larger images are restored in; ``None``: in one piece."""
    overlap: int = 32
    """What neighbouring tiles share at least."""

    @property
    def tiling(self) -> Tiling | None:
        """The tiles that images are cut into.

        Raises:
            UsageError: if they cannot be.
        """
        if self.tile is None:
            return None
        if not 0 <= self.overlap < self.tile:
            raise UsageError(
                f"tiles of {self.tile} cannot overlap by {self.overlap}; "
                "give a size above the overlap, such as --tile 512 --overlap 32"
            )
        return Tiling(size=self.tile, overlap=self.overlap)


OPTIONS = TypeAdapter(Options)
"""Writes options into a manifest and reads them back."""


def weights_for(
    catalog: Catalog,
    methods: Iterable[str | Method],
    given: Mapping[str, Path],
    *,
    untrained: bool,
) -> dict[str, Path]:
    """Return the weights of each method: those that are given, or else come with it.

    Args:
        catalog: where names are looked up.
        methods: names, or methods that are already built.
        given: by name.
        untrained: whether a network without given weights is to have random ones.
    """
    chosen = dict(given)
    for method in methods:
        if isinstance(method, str) and not untrained:
            for variant in catalog.shipped_weights(method_name(method)):
                chosen.setdefault(method, Path(variant))
    return chosen


def row_of(catalog: Catalog, method: str | Method | RestoredFolder, options: Options) -> Row:
    """Return the row of a method; what keeps it from being scored stands in the row itself.

    Raises:
        UsageError: if the method cannot be run under the options.
    """
    if isinstance(method, RestoredFolder):
        return folder_row(method)
    if isinstance(method, Method) and method.precision != options.precision:
        raise UsageError(
            f"{method.info.title} was built for {method.precision}, the run is in "
            f"{options.precision}: a table has one precision; give both the same"
        )
    row = (
        _built_row(catalog, method, options.untrained)
        if isinstance(method, Method)
        else _named_row(catalog, method, options)
    )
    if options.tiling is None:
        return row
    options.tiling.check(row.card.title, row.card.size_multiple, row.card.size_minimum)
    return replace(row, remarks=(*row.remarks, f"tiled: restored {options.tiling.words}"))


def _named_row(catalog: Catalog, method: str, options: Options) -> Row:
    name = method_name(method)
    try:
        cls = catalog.method(name)
    except SetupError as error:  # a package that cannot be imported leaves the others alone
        return _broken_row(method, str(error), options)
    load = partial(
        load_method,
        name,
        device=options.device,
        precision=options.precision,
        inference=options.inference,
        strict=options.strict,
        catalog=catalog,
    )
    row = Row(
        label=method,
        card=cls.info,
        weights="none needed",
        code=code_hash(cls),
        precision=numbers_of(options.precision, options.inference),
        device=device_name(options.device),
        config={},
        build=load,
    )
    path = options.weights.get(method)
    if path is not None:
        return _with_weights(row, partial(load, path))
    if not cls.info.needs_weights:
        return row
    if options.untrained:
        return replace(row, weights="untrained")
    return replace(row, weights="", absent=_no_weights(method, cls.info.checkpoint))


def _broken_row(name: str, reason: str, options: Options) -> Row:
    def build() -> Method:
        raise SetupError(reason)

    return Row(
        label=name,
        card=Card(title=name, paper="unknown", status="external"),
        weights="",
        code="",
        precision=numbers_of(options.precision, options.inference),
        device=device_name(options.device),
        config={},
        build=build,
        absent=f"broken package: {reason}",
    )


def _with_weights(row: Row, load: Callable[[], Method]) -> Row:
    """Load the weights at once: a file that cannot be used is known before anything is scored.

    They are loaded again when the row's turn comes, so that a run over many checkpoints holds one.
    """
    try:
        method = load()
    except WeightsError as error:
        return replace(row, weights="", absent=f"weights not usable: {error}")
    loaded, config = method.weights, method.config
    assert loaded is not None

    build = partial(_unchanged, row.label, load, loaded)
    card = loaded.titled(row.card)
    return replace(row, card=card, weights=loaded.sha256, loaded=loaded, config=config, build=build)


def _unchanged(label: str, load: Callable[[], Method], loaded: Weights) -> Method:
    method = load()
    if method.weights != loaded:
        raise WeightsError(f"{label}: {loaded.file} was changed during the run; start anew")
    return method


def _built_row(catalog: Catalog, method: Method, untrained: bool) -> Row:
    cls = type(method)
    known = catalog.groups["methods"]
    name = next((n for n in sorted(known) if known[n].provides(cls)), cls.__name__)
    config = ",".join(f"{key}={value}" for key, value in method.config.items())
    (weights, loaded), absent = carried_weights(method), None
    if weights == "untrained" and not untrained:
        weights, absent = "", _no_weights(name, cls.info.checkpoint)
    label = f"{name}[{config}]" if config else name
    if loaded and loaded.variant:  # which says how the file configures the network
        label = f"{name}@{loaded.variant}"
    return Row(
        label=label,
        card=loaded.titled(cls.info) if loaded else cls.info,
        weights=weights,
        loaded=loaded,
        absent=absent,
        code=code_hash(cls),
        precision=numbers_of(method.precision, method.way),
        device=device_name(str(method.device)),
        config=method.config,
        build=partial(_itself, method),
    )


def _itself(method: Method) -> Method:
    return method


def _no_weights(name: str, checkpoint: str) -> str:
    if not checkpoint:
        return "no weights: none are published; --untrained scores it with random ones"
    return (
        f"no weights: give --weights {name}=FILE ({checkpoint}); "
        "--untrained scores it with random ones"
    )
