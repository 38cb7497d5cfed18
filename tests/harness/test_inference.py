"""The authors' way of computing is a choice that its numbers carry with them."""

from __future__ import annotations

import pytest
import torch

from restorebench.catalog import Catalog
from restorebench.errors import ConfigError
from restorebench.inference import computing, is_reference
from restorebench.method import Card, Method
from restorebench.rows import Options, row_of


class Witness(torch.nn.Module):
    """Notes the way and the layouts in which it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.seen: list[tuple[bool, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layouts = (t.is_contiguous() for t in (x, self.conv.weight))
        self.seen.append((is_reference(), *layouts))
        restored: torch.Tensor = self.conv(x)
        return restored


class WitnessMethod(Method):
    network: Witness
    network_class = Witness
    info = Card(title="Witness", paper="none: a test", status="external", needs_weights=False)


def test_a_method_runs_its_network_in_the_way_it_was_built_for() -> None:
    x = torch.rand(1, 3, 16, 16)
    ours, theirs = WitnessMethod(), WitnessMethod(inference="reference")
    assert torch.allclose(ours.restore(x), theirs.restore(x), atol=1e-6)
    assert ours.network.seen == [(False, False, False)]
    assert theirs.network.seen == [(True, True, True)]
    assert not is_reference()


def test_the_way_is_left_again_after_an_error() -> None:
    with pytest.raises(RuntimeError), computing("reference"):
        raise RuntimeError
    assert not is_reference()


def test_a_way_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="inference cannot be 'fast'"):
        WitnessMethod(inference="fast")  # type: ignore[arg-type]


def test_records_tell_the_reference_from_the_usual_way_whose_keys_stay() -> None:
    catalog = Catalog.installed()
    usual = row_of(catalog, "identity", Options())
    authors = row_of(catalog, "identity", Options(inference="reference"))
    built = row_of(catalog, WitnessMethod(inference="reference"), Options())
    assert usual.precision == "float32"
    assert not usual.words()
    assert authors.precision == built.precision == "float32, reference inference"
    assert authors.words() == ["reference inference: computed as the authors' code does"]
    assert authors.build().way == "reference"  # type: ignore[union-attr]
