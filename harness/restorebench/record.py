"""`Record`: what one method scored on one image of one task under one protocol."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from restorebench.spec import digest


class Identity(BaseModel):
    """Everything that a score depends on; two records with the same key measure the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    """The row's name."""
    config: str
    """The method's configuration as JSON; ``{}`` for the defaults."""
    weights: str
    """SHA-256 of the weights file, ``untrained``, or ``none needed``."""
    code: str
    """Hash of the source files of the package that provides the method."""
    precision: str
    device: str
    """``cpu``, or the name of the accelerator."""
    environment: str
    """Hash of the versions of the packages that compute scores."""
    task: str
    mix: str
    """What the clean images are degraded with; empty for pairs."""
    data: Literal["real", "sample"]
    data_fingerprint: str
    """SHA-256 over the names and contents of all images of the set that are there."""
    protocol: str
    """The protocol's id, in full."""
    stream_start: int
    """Where in a continued noise stream the task begins; 0 for any other noise, -1 if that cannot
    be told."""
    image: str
    draw: int = 0
    """Which draw of the noise, where it is drawn several times."""

    @model_serializer(mode="wrap")
    def _without_the_usual_draw(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the only draw there mostly is, so that its key and record are as ever."""
        fields: dict[str, Any] = serialise(self)
        if fields.get("draw") == 0:
            del fields["draw"]
        return fields

    @property
    def key(self) -> str:
        """SHA-256 of the identity."""
        return digest(self.model_dump())


class Record(BaseModel):
    """One measurement. Never edited; a failure may be superseded by a later success."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    schema_version: Literal[1] = 1
    key: str
    identity: Identity
    height: int | None = None
    width: int | None = None
    scores: dict[str, float] = {}
    """By the protocol's column names, in full precision; empty if the image failed."""
    error: str | None = None
    """Why there are no scores, in one line."""
    flags: tuple[str, ...] = ()
    """What is odd about the restored image, as `flags_of` says it."""
    seconds: float | None = None
    """Time that `Method.restore` took, shared evenly among the images of a batch."""
    batch: int = 1
    """How many images were restored at once."""
    session: str
    """Which session of the run measured it; the manifest describes each."""
