"""Train the linear filter by least squares, well and badly; writes ./checkpoints in a second.

The training images are grey photographs of scikit-image, the test images its colour ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data

SIDE = 7
FOLDER = Path("checkpoints")


def trained(sigmas: tuple[float, ...], patches: int, seed: int) -> dict[str, torch.Tensor]:
    """Return the weights that bring noisy patches nearest to their clean centres.

    Args:
        sigmas: standard deviations of the training noise, on the 0-255 scale.
        patches: how many patches there are for each image and sigma.
        seed: of the noise and of the choice of patches.
    """
    rng = np.random.default_rng(seed)
    pairs = [
        _patches(image, sigma, patches, rng)
        for image in (data.camera(), data.coins(), data.brick())
        for sigma in sigmas
    ]
    noisy, clean = (np.concatenate(part) for part in zip(*pairs, strict=True))
    filter_ = np.linalg.lstsq(noisy, clean, rcond=None)[0]
    return {"filter.weight": torch.tensor(filter_, dtype=torch.float32).view(1, 1, SIDE, SIDE)}


def _patches(
    image: NDArray[np.uint8], sigma: float, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    clean = image / 255
    noisy = (clean + rng.normal(0, sigma / 255, clean.shape)).clip(0, 1)
    windows = np.lib.stride_tricks.sliding_window_view(noisy, (SIDE, SIDE))
    rows = rng.integers(windows.shape[0], size=count)
    columns = rng.integers(windows.shape[1], size=count)
    centre = SIDE // 2
    return windows[rows, columns].reshape(count, -1), clean[rows + centre, columns + centre]


def shaken(weights: dict[str, torch.Tensor], by: float) -> dict[str, torch.Tensor]:
    """Return weights with normal noise of standard deviation ``by``, as of too few steps."""
    generator = torch.Generator().manual_seed(0)
    return {k: w + by * torch.randn(w.shape, generator=generator) for k, w in weights.items()}


def main() -> None:
    """Write a checkpoint for each fate that a gate can meet."""
    FOLDER.mkdir(exist_ok=True)
    current = trained((25, 35), patches=60_000, seed=0)
    checkpoints = {
        "current": current,
        "good": trained((25, 35), patches=60_000, seed=1),  # the same recipe with another seed
        "slightly_worse": shaken(current, 0.005),
        "clearly_worse": shaken(current, 0.012),
        # Finite weights that overflow: the file loads, and every image comes out infinite.
        "broken": {key: 3e38 * torch.ones_like(weight) for key, weight in current.items()},
    }
    for name, weights in checkpoints.items():
        torch.save(weights, FOLDER / f"{name}.ckpt")
    whole = (FOLDER / "current.ckpt").read_bytes()
    Path("truncated.ckpt").write_bytes(whole[: len(whole) // 2])


if __name__ == "__main__":
    main()
