"""The state of a training on disk, from which it goes on after a kill as if there had been none.

OUT/state.pt              network, averaged weights, optimiser, step; replaced as a whole
OUT/.lock                 held by the one process that trains
OUT/card.json             what was trained, how and on what, once it is finished
OUT/METHOD.safetensors    the weights, float16
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from restorebench.errors import OutputFolderError, StoreError, UsageError
from restorebench.provenance import device_name, package_versions, source_commit
from restorebench.store import write_atomically


@dataclass(slots=True)
class State:
    """Where a training is."""

    step: int = 0
    """Steps taken."""
    seconds: float = 0.0
    """Time that all sessions took together, up to this state."""
    network: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Any] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    """Validation: the step, and the PSNR of each source in dB."""
    sessions: list[dict[str, Any]] = field(default_factory=list)


class Folder:
    """The folder of one training."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock", timeout=0)

    def hold(self) -> None:
        """Keep other processes out.

        Raises:
            StoreError: if another one trains here.
            OutputFolderError: if the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise StoreError(
                f"{self.path} is being written by another training; wait, or choose another --out"
            ) from error
        except OSError as error:
            raise OutputFolderError(
                f"{self.path} cannot be written ({error.strerror}); choose another --out"
            ) from error

    def release(self) -> None:
        """Let other processes in again."""
        self._lock.release()

    def read(self, identity: dict[str, Any]) -> State | None:
        """Return the stored state, or ``None`` if there is none yet.

        Raises:
            UsageError: if it belongs to a training of something else.
            StoreError: if it is damaged.
        """
        path = self.path / "state.pt"
        if not path.exists():
            return None
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            found, state = stored["identity"], State(**stored["state"])
        except Exception as error:  # interpreting damaged bytes can fail in any way there is
            raise StoreError(f"{path} is damaged; delete it to train from the start") from error
        differing = [key for key, value in identity.items() if found.get(key) != value]
        if differing:
            raise UsageError(
                f"{self.path} holds a training that differs in {', '.join(differing)}; "
                "repeat its command, or choose another --out"
            )
        return state

    def write(self, state: State, identity: dict[str, Any]) -> None:
        """Replace the stored state; a kill leaves the old one or the new one.

        Raises:
            OutputFolderError: if it cannot be written.
        """
        buffer = BytesIO()
        # asdict would copy every tensor.
        fields = {name: getattr(state, name) for name in State.__slots__}
        torch.save({"identity": identity, "state": fields}, buffer)
        write_atomically(self.path / "state.pt", buffer.getvalue())


def describe_session(step: int, device: str) -> dict[str, Any]:
    """Return with what a session trains from a step on; nothing that tells whose machine it is."""
    return {
        "from_step": step,
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": package_versions(),
        "commit": source_commit(),
    }
