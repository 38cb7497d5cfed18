"""What a weights file says of its own training: the files that this project's trainer writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from restorebench.errors import WeightsError

KEY = "restorebench"
"""Under which it stands in the metadata of a safetensors file."""
MAX_LENGTH = 10_000
MAX_TRAINING = 2_000
"""Characters of the training in words: some eighteen stages, each begun from the one before."""


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable text")
    return text


Line = Annotated[str, AfterValidator(_one_line), Field(max_length=400)]
Number = int | float | bool


class Trained(BaseModel):
    """A network's configuration and the training behind its weights, as the file states them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    method: Line
    config: dict[Line, Number | Line | list[Number]] = {}
    """Keywords of the network's constructor; none for the published size."""
    variant: Annotated[Line, Field(max_length=20)] = ""
    """What tables print behind the method's title, such as ``small``."""
    training: Annotated[str, AfterValidator(_one_line), Field(max_length=MAX_TRAINING)] = ""
    """Recipe, steps and data in words."""
    card: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    """SHA-256 of the training card's canonical JSON."""

    def metadata(self) -> dict[str, str]:
        """Return it as the metadata of a safetensors file."""
        return {KEY: self.model_dump_json()}


def read_trained(path: Path) -> Trained | None:
    """Return what a weights file says of its training; ``None`` if it is none of ours.

    Whether the file can be loaded at all is left to those who load it.

    Raises:
        WeightsError: if it claims to be one of ours and its metadata are not as we write them.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
    except (SafetensorError, OSError):
        return None
    if text is None:
        return None
    try:
        if len(text) > MAX_LENGTH:
            raise ValueError(f"{len(text)} characters are too many")
        return Trained.model_validate(json.loads(text))
    except (ValidationError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"{path}: its metadata {KEY!r} are not those of a training; "
            "export the weights again, or remove the metadata"
        ) from error
