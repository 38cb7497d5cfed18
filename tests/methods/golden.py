"""What the authors' own networks computed, and our networks filled with the same weights.

The golden values were made by the authors' networks with weights that are a function of the
tensors' names; see the README of the reference folder.
"""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from restorebench.method import Method

METHODS = {
    entry.name: entry
    for entry in entry_points(group="restorebench.methods")
    if entry.load().info.needs_weights
}
# The authors' Fourier experts of MoCE-IR compute in float32 even in a float64 network.
FLOAT64_EXCEPTIONS = {"moce_ir": 1e-7, "moce_ir_s": 1e-7}


class Golden:
    """One network's facts, and the same network of ours filled with the same weights.

    Args:
        name: of the method.
        reference: the folder of golden outputs.
        weights: its module that makes weights and inputs.
        device: where the network is to compute.
    """

    def __init__(
        self, name: str, reference: Path, weights: ModuleType, device: str = "cpu"
    ) -> None:
        if not (reference / name / "manifest.json").is_file():
            pytest.skip(f"the reference folder knows no {name}")
        self.manifest = json.loads((reference / name / "manifest.json").read_text())
        self.complexity = json.loads((reference / name / "complexity.json").read_text())
        golden = reference / name / "golden.npz"
        self.arrays = dict(np.load(golden)) if golden.is_file() else {}
        self.weights = weights
        self.method: Method = METHODS[name].load()(device=device)
        self.weights.fill_(self.method.network.state_dict())

    def inputs(self, group: str) -> list[tuple[str, Tensor]]:
        """Return the inputs that the arrays of a group were made from."""
        prefix = f"{group}/"
        keys = [k.removeprefix(prefix) for k in self.arrays if k.startswith(prefix)]
        return [(k, self.weights.make_input(**self.weights.INPUTS[k])) for k in keys]


def largest_difference(ours: Tensor, theirs: Any) -> float:
    assert ours.shape == theirs.shape
    return float((ours.cpu() - torch.from_numpy(theirs)).abs().max())
