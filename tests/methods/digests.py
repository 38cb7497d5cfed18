"""Compact digests of the networks' outputs: parity cannot rot where golden values are absent.

`python tests/methods/digests.py` writes `tests/methods/digests.json` anew. Do that only after
`pytest tests/methods/test_networks.py` has proven, beside the reference folder, that the networks
still equal their authors' code.
"""

from __future__ import annotations

import json
import zlib
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import torch
from torch import nn

FILE = Path(__file__).with_name("digests.json")
SIDE = 64
GAIN = 0.85
"""Of all kernels. With 1, the offsets of AirNet's deformable convolutions grow from block to block,
until a rounding error moves their taps by pixels and its output is one machine's own."""


def fill(network: nn.Module) -> None:
    """Give every tensor values that depend on its name and shape alone, of a sane size."""
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point() or name.endswith("complexity"):
            continue
        rng = np.random.RandomState(zlib.crc32(name.encode()))
        values = rng.standard_normal(tuple(tensor.shape))
        if name.endswith(("running_var", "temperature")):
            values = 1 + 0.1 * np.abs(values)
        elif tensor.ndim == 1 and name.endswith("weight"):
            values = 1 + 0.1 * values
        elif tensor.ndim <= 1:
            values = 0.02 * values
        else:
            values = GAIN * values / np.sqrt(np.prod(tensor.shape[1:]))
        tensor.copy_(torch.from_numpy(np.asarray(values, dtype=np.float32)))


def digest(name: str, noise: float = 0) -> list[float]:
    """Return mean, spread and ten sampled values of what a network restores from a fixed image.

    Args:
        name: of the method.
        noise: standard deviation of what is added to the image.
    """
    network = entry_points(group="restorebench.methods")[name].load()().network
    fill(network)
    rng = np.random.RandomState(5)
    image = rng.random_sample((1, 3, SIDE, SIDE))
    x = torch.from_numpy((image + noise * rng.standard_normal(image.shape)).astype(np.float32))
    with torch.no_grad():
        y = network(x).double()
    sampled = y.flatten()[:: y.numel() // 10][:10]
    return [float(y.mean()), float(y.std()), *sampled.tolist()]


def networks() -> list[str]:
    """Return the methods that are networks with weights."""
    found = entry_points(group="restorebench.methods")
    return sorted(e.name for e in found if e.load().info.needs_weights)


if __name__ == "__main__":
    digests = {name: [round(value, 7) for value in digest(name)] for name in networks()}
    FILE.write_text(json.dumps(digests, indent=1) + "\n")
