"""The tiny trainings of the tests of training, here too."""

from __future__ import annotations

from ..methods.conftest import one_thread, recipe, trainer, training_root  # noqa: TID252

__all__ = ["one_thread", "recipe", "trainer", "training_root"]
