"""The networks still compute what was proven equal to their authors' code; see digests.py."""

from __future__ import annotations

import json

import numpy as np
import pytest

from .digests import FILE, digest, networks

KEPT = json.loads(FILE.read_text())


def test_every_network_has_a_digest() -> None:
    assert sorted(KEPT) == networks()


@pytest.mark.parametrize("name", sorted(KEPT))
def test_a_networks_output_is_the_kept_one(name: str) -> None:
    kept = np.array(KEPT[name])
    # Threads and memory layouts move a float32 network by up to 2e-5 of its output's spread.
    assert digest(name) == pytest.approx(kept, abs=1e-4 * float(kept[1]))


@pytest.mark.parametrize("name", sorted(KEPT))
def test_a_digest_does_not_hang_on_rounding_errors(name: str) -> None:
    spread = KEPT[name][1]
    assert digest(name, noise=1e-6) == pytest.approx(KEPT[name], abs=1e-3 * spread)
