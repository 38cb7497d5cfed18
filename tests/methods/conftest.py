"""A tiny data root, recipe and networks, on which a training takes a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from restorebench.catalog import Catalog
from restorebench_methods.training.loop import Options, Training
from restorebench_methods.training.recipe import find_course

Trainer = Callable[..., Training]

RECIPE = """\
extends: three_deg_small
name: tiny
title: thirty steps on tiny crops
variant: tiny
mixture: three_deg_synthetic
crop: 16
batch: 3
length: 30
schedule: {kind: cosine, lr: 4.0e-3, warm_up: 2, period: 60, final: 0.0}
ema: 0.9
validation: {images: 1, every: 30}
methods:
  airnet:
    config: {n_feats: 8, n_groups: 1, n_blocks: 1, encoder_dim: 8, batch_size: 1}
    objective: {kind: contrastive, warm_up: 0, weight: 0.1}
  anyir:
    config: {dim: 8, num_blocks: [1, 1, 1, 1], num_refinement_blocks: 1, heads: [1, 1, 2, 2], gate_kernel_size: 3}
  anyir_sf:
    config: {dim: 8, num_blocks: [1, 1, 1, 1], num_refinement_blocks: 1, heads: [1, 1, 2, 2], gate_kernel_size: 3}
    objective: {kind: l1_fourier, weight: 0.1}
  daair:
    config: {dim: 8, num_blocks: [1, 1, 1, 1], num_refinement_blocks: 1, heads: [1, 2, 2, 2], kernel_size: 3, num_experts: 3}
    objective: {kind: routed, weight: 0.01}
  hair:
    config: {dim: 8, num_blocks: [1, 1, 1, 1], num_refinement_blocks: 1, heads: [1, 2, 2, 2], classifier_dim: 8, classifier_groups: 4, giv_dim: 8, spare_boxes: [0, 0, 0, 0]}
  moce_ir:
    config: {dim: 8, num_blocks: [1, 1, 1, 1], num_dec_blocks: [1, 1, 1], num_refinement_blocks: 1, heads: [1, 2, 2, 2], num_experts: 2}
    objective: {kind: balanced, weight: 0.01}
  ndr_restore:
    config: {dim: 8, num_blocks: [1, 1, 1, 1], num_refinement_blocks: 1, heads: [1, 2, 2, 2], dictionary: [4, 8], rank: 2, map_dim: 8}
    objective: {kind: bidirectional, weight: 1.0}
  promptir:
    config: {dim: 8, num_blocks: [1, 1, 1, 1], num_refinement_blocks: 1, heads: [1, 2, 2, 2], prompt_sizes: [8, 4, 2]}
  restormer:
    config: {dim: 8, num_blocks: [1, 1, 1, 1], num_refinement_blocks: 1, heads: [1, 2, 2, 2]}
"""  # noqa: E501 - a configuration reads best on one line


@pytest.fixture(scope="session")
def training_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five clean images, cut from the photographs of scikit-image, where BSD400 would lie."""
    root = tmp_path_factory.mktemp("training")
    (root / "train/bsd400").mkdir(parents=True)
    names = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
    for number, name in enumerate(names):
        with PIL.Image.open(Path(str(files("skimage.data"))) / name) as image:
            pixels = np.array(image)[120:168, 150:206]
        PIL.Image.fromarray(pixels).save(root / "train/bsd400" / f"{number}.png")
    return root


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe for tiny networks of all methods."""
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in one order, so that equal steps give equal bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def trainer(training_root: Path, recipe: Path, tmp_path: Path, one_thread: None) -> Trainer:
    """Make a training of a method by the tiny recipe, or by another."""

    def make(
        method: str, out: str = "out", *, by: str | None = None, **options: int | str
    ) -> Training:
        course = find_course(method, by or str(recipe))
        chosen = Options(data_root=training_root, out=tmp_path / out, **options)  # type: ignore[arg-type]
        return Training(course, chosen, Catalog.installed())

    return make
