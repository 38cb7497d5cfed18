"""Every error that a user can cause, and the exit code each ends a command with.

    BenchError
    ├── UsageError            2   the command, a name or a spec is wrong
    │   ├── UnknownNameError
    │   ├── SpecError
    │   └── ConfigError
    ├── SetupError            4   the surroundings lack something
    │   ├── DataError
    │   ├── WeightsError
    │   ├── DeviceError
    │   ├── OutputFolderError
    │   └── StoreError
    ├── NothingSelectedError  5   nothing was there to be scored
    └── CellError             3   one image or one method failed; the rest goes on
        ├── ImageError
        │   └── GreyscaleError
        ├── PairError
        ├── RestoreError
        ├── RenderError
        └── MethodBuildError

A message is one line: what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class BenchError(Exception):
    """Root of all errors that are reported without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(BenchError):
    """The command line, a name or a spec file is wrong."""

    exit_code = 2


class UnknownNameError(UsageError):
    """No installed package provides the name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f"no {kind} is called {name!r}.{did_you_mean(name, names)} Known: {', '.join(names)}."
        )


class SpecError(UsageError):
    """A YAML spec does not say what a suite, task, data set, mix or protocol needs."""


class ConfigError(UsageError):
    """A method was configured with a keyword or value that its network does not take."""


class SetupError(BenchError):
    """Data, weights, a device or the output folder is missing or unusable."""

    exit_code = 4


class DataError(SetupError):
    """A data set cannot be found where the user says it is."""


class WeightsError(SetupError):
    """A checkpoint cannot be read, is not safe to read, or does not fit the network."""


class DeviceError(SetupError):
    """The requested device does not exist on this machine."""


class OutputFolderError(SetupError):
    """The run folder cannot be written."""


class StoreError(SetupError):
    """Stored records are damaged, or belong to something else."""


class NothingSelectedError(BenchError):
    """The selection holds no image that could be scored."""

    exit_code = 5


class CellError(BenchError):
    """One image or one method failed. It becomes a failed cell; everything else goes on."""

    exit_code = 3


class ImageError(CellError):
    """A file is not an image that can be scored."""


class GreyscaleError(ImageError):
    """A file has no colours, where the benchmark is defined on the colour version."""


class PairError(CellError):
    """A degraded image has no target."""


class RestoreError(CellError):
    """A method failed on an image, or returned something that is no image."""


class RenderError(CellError):
    """A renderer failed; what the others wrote is there."""


class MethodBuildError(CellError):
    """A method could not be built."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'half'?"``, or nothing where no known name is near.

    >>> did_you_mean("hlaf", ["half", "identity"])
    " Did you mean 'half'?"
    """
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
