"""What installed packages and plugin files provide, by name, loaded when it is used."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from restorebench.errors import SetupError, UsageError


@dataclass(frozen=True)
class Provided:
    """One catalogue entry, loaded when it is used."""

    name: str
    target: object
    """``module:attribute`` of an entry point, or the plugin's object itself."""
    load: Callable[[], Any]
    origin: str
    """The package or plugin file that provides it, in words."""

    def provides(self, cls: type) -> bool:
        """Tell whether ``cls`` is what this entry stands for, without importing anything."""
        return self.target in (f"{cls.__module__}:{cls.__qualname__}", cls)


def by_packages(groups: Iterable[str]) -> Iterator[tuple[str, Provided]]:
    """Yield what installed packages provide, with its group."""
    for group in groups:
        for entry in entry_points(group=f"restorebench.{group}"):
            package = f"package {entry.dist.name}" if entry.dist else "a package"
            load = partial(_loaded, group, entry)
            yield group, Provided(entry.name, entry.value, load, f"{package} ({entry.value})")


def by_plugins(paths: Iterable[Path], groups: Iterable[str]) -> Iterator[tuple[str, Provided]]:
    """Yield what plugin files provide, with its group.

    Raises:
        UsageError: if a file is missing, no Python, fails, or provides nothing.
    """
    known = tuple(groups)
    for path in paths:
        module = _module(path)
        if not any(hasattr(module, group.upper()) for group in known):
            raise UsageError(
                f"plugin {path} provides nothing: end it with METHODS = {{'mine': MyMethod}}; "
                "see CONTRIBUTING.md, Adding a method"
            )
        for group in known:
            provided = getattr(module, group.upper(), {})
            if not isinstance(provided, Mapping) or not all(isinstance(n, str) for n in provided):
                raise UsageError(f"plugin {path}: {group.upper()} must be a dict by name")
            for name, value in provided.items():
                yield group, Provided(name, value, partial(_itself, value), f"plugin {path}")


def _loaded(group: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # a package is foreign code
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SetupError(
            f"{group} {entry.name!r} ({entry.value}) cannot be imported: {reason}; "
            "reinstall or remove the package that provides it"
        ) from error


def _itself(value: object) -> object:
    return value


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"plugin {path}: no such file")
    try:
        code = path.read_bytes()
    except OSError as error:
        raise UsageError(f"plugin {path}: cannot be read ({error.strerror})") from error
    # Of its own for each file and content: by its module the source of a class is found and hashed.
    own = hashlib.sha256(bytes(path.resolve()) + code).hexdigest()[:12]
    stem = re.sub(r"\W", "_", path.stem)  # a dot would make it a package's module
    name = f"restorebench_plugin_{stem}_{own}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"plugin {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and inspect look their module up by name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a plugin is foreign code: any fault is its own
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(f"plugin {path}{_line(error, spec.origin)}: {reason}") from error
    return module


def _line(error: BaseException, file: str | None) -> str:
    """Return ``":12"``, the line of a file at which it failed, or nothing if that is unknown."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return f":{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    return f":{lines[-1]}" if lines else ""
