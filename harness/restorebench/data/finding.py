"""`Finding`: one thing that was found of a set's files, with the images it was found of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal[
    "ok",
    "partial",
    "unknown",
    "duplicates",
    "re-encoded copy",
    "wrong variant",
    "greyscale",
    "damaged",
    "not unpacked",
    "absent",
]
SHOWN = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Under the status ``ok`` it is no fault, but something to know."""

    status: Status
    text: str
    names: tuple[str, ...] = ()
    """All images or files that it was found of."""

    def __str__(self) -> str:
        if not self.names:
            return self.text
        shown = ", ".join(self.names[:SHOWN])
        more = len(self.names) - SHOWN
        return f"{self.text}: {shown}{f' and {more} more' if more > 0 else ''}"
