"""The training card, and the weights that are shipped with it."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import shorten
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from restorebench.board.info import Info
from restorebench.errors import WeightsError
from restorebench.method import Weights
from restorebench.spec import digest
from restorebench.store import write_atomically
from restorebench.weights.trained import MAX_TRAINING, Trained
from restorebench_methods.training.loop import Training


class Card(Info):
    """Everything that a trained network's numbers rest on."""

    schema_version: int = 1
    method: str
    variant: str
    course: dict[str, Any]
    """Recipe, mixture, configuration and objective in full."""
    course_digest: str
    parameters: int
    data: dict[str, dict[str, Any]]
    """By data set: images found, expected, held out and left out; the fingerprint of them all."""
    test_images: int
    """Files of test sets that every training image was compared with."""
    seed: int
    began_from: str = ""
    """File and hash of the weights that it began from, if not from random ones."""
    trained_before: str = ""
    """The training of those weights in one line, if their file states it."""
    steps: int
    steps_of_the_recipe: int
    crops: int
    """Shown in all, views of one image counted once."""
    seconds: float
    """Over all sessions, validation included."""
    sessions: list[dict[str, Any]]
    validation: list[dict[str, float]]
    """PSNR in dB on held-out training photographs; no test image is among them."""

    @property
    def digest(self) -> str:
        """SHA-256 of its canonical JSON, which the weights carry."""
        return digest(self.model_dump(mode="json"))

    @property
    def words(self) -> str:
        """The training in one line."""
        recipe = self.course["recipe"]
        data = ", ".join(f"{d['title']} ({d['trained_on']})" for d in self.data.values())
        planned = self.steps_of_the_recipe
        short = "" if self.steps == planned else f" instead of {planned}"
        side, batch = recipe["crop"], recipe["batch"]
        crops = "1 crop" if batch == 1 else f"{batch} crops"
        begun = ", begun from other weights" if self.began_from else ""
        if self.trained_before:
            begun = f"; before that {self.trained_before}"
        devices = ", ".join(dict.fromkeys(session["device"] for session in self.sessions))
        line = (
            f"recipe {recipe['name']}, {self.steps} steps{short} of {crops} of {side}x{side} "
            f"from {data}, on {devices}{begun}"
        )
        return shorten(line, MAX_TRAINING, placeholder=" …")


def finish(training: Training) -> list[Path]:
    """Write the card and the weights of a finished training, and return both files.

    Raises:
        WeightsError: if a value is too large for float16.
        OutputFolderError: if they cannot be written.
    """
    card = describe(training)
    trained = Trained(
        method=card.method,
        config=json.loads(json.dumps(training.method.config)),
        variant=card.variant,
        training=card.words,
        card=card.digest,
    )
    folder, restorer = training.options.out, training.restorer
    tensors = {key: _half(key, t) for key, t in restorer.network.state_dict().items()}
    weights = safetensors.torch.save(tensors, trained.metadata())
    text = json.dumps(card.model_dump(mode="json"), indent=1) + "\n"
    return [
        write_atomically(folder / f"{card.method}.safetensors", weights),
        write_atomically(folder / "card.json", text),
    ]


def describe(training: Training) -> Card:
    """Return the card of a training as it stands."""
    state, course = training.state, training.course
    return Card(
        method=course.method,
        variant=course.recipe.variant,
        course=course.described(),
        course_digest=course.digest,
        parameters=sum(p.numel() for p in training.network.parameters()),
        data={name: one.described() for name, one in training.sets.items()},
        test_images=len(training.tests.names),
        seed=training.options.seed,
        began_from=_begun(training.method.weights),
        trained_before=training.method.weights.training if training.method.weights else "",
        steps=state.step,
        steps_of_the_recipe=training.planned,
        crops=state.step * course.recipe.batch,
        seconds=round(state.seconds, 1),
        sessions=state.sessions,
        validation=state.history,
    )


def _begun(weights: Weights | None) -> str:
    if weights is None:
        return ""
    return ", ".join(filter(None, [weights.file, weights.sha256]))


def _half(key: str, tensor: Tensor) -> Tensor:
    stored = tensor.detach().cpu().contiguous()
    if not stored.is_floating_point():
        return stored.clone()
    half = stored.to(torch.float16, copy=True)
    if not bool(half.isfinite().all()):
        raise WeightsError(f"{key} holds values that float16 cannot; the training went wrong")
    return half
