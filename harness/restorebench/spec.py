"""Spec files: YAML 1.2 read with line numbers, checked with pydantic, hashed for identity."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from restorebench.errors import SpecError, did_you_mean

MAX_BYTES = 1_000_000
MAX_NODES = 100_000


def _a_name(text: str) -> str:
    if not text.strip() or text.startswith(".") or not text.isprintable() or set(text) & {*"/\\"}:
        raise ValueError("a name is needed that a folder could have")
    return text


Name = Annotated[str, AfterValidator(_a_name)]
"""What may become a folder: neither a path nor hidden, and without control characters."""

Document = CommentedMap
Location = tuple[int | str, ...]


class Spec(BaseModel):
    """Base of everything that is written in YAML: frozen, and no unknown key is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                known = ", ".join(sorted(cls.model_fields))
                hint = did_you_mean(str(key), cls.model_fields)
                text = f"unknown key {key!r}.{hint} Known: {known}"
                raise PydanticCustomError("unknown_key", "{text}", {"text": text, "key": key})
        return data

    @classmethod
    def read(cls, file: Traversable) -> Self:
        """Read and check one spec file.

        Raises:
            SpecError: with file:line:column of the first fault.
        """
        return validated(cls, read_yaml(file), str(file))


S = TypeVar("S", bound=Spec)


def digest(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON, for identity across machines."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_yaml(file: Traversable) -> Document:
    """Read a YAML mapping, keeping where each key stands.

    Raises:
        SpecError: if the file is missing, too large, no YAML, or no mapping.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        near = _nearest_file(file) if isinstance(file, Path) else ""
        raise SpecError(f"{file}: cannot be read ({error.strerror}).{near}") from error
    if len(text) > MAX_BYTES:
        raise SpecError(f"{file}: {len(text)} bytes are too many for a spec")
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise SpecError(f"{file}{at}: not valid YAML: {error.problem or error.context}") from error
    except Exception as error:  # such as a list as a key, which the parser fails to refuse
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpecError(f"{file}: not valid YAML: {reason}") from error
    if not isinstance(document, CommentedMap):
        raise SpecError(f"{file}:1:1: expected a mapping with keys such as 'name'")
    return document


def validated(model: type[S], document: Document, source: str) -> S:
    """Check a document against a spec model.

    Raises:
        SpecError: with the place in ``source`` and the nearest valid word.
    """
    try:
        return model.model_validate(_plain(document, iter(range(MAX_NODES))))
    except (StopIteration, RecursionError) as error:
        raise SpecError(
            f"{source}: its aliases make it too large, or contain themselves"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location: Location = first["loc"]
        if first["type"] == "unknown_key":
            location = (*location, first["ctx"]["key"])
        raise SpecError(f"{place(document, location, source)}: {_message(first)}") from error


def place(document: Document, location: Location, source: str) -> str:
    """Return ``file:line:column`` of the value at ``location``, or of the nearest parent."""
    line, column = 0, 0
    node: Any = document
    for step in location:
        if isinstance(node, CommentedMap) and step in node:
            with suppress(KeyError):  # a merged key (<<) has no place of its own
                line, column = node.lc.key(step)
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line, column = node.lc.item(step)
        else:  # pydantic also names union branches and missing keys, which have no place
            continue
        node = node[step]
    return f"{source}:{line + 1}:{column + 1}"


def is_path(name: str) -> bool:
    """Tell a YAML file given by its path from the name of an installed one."""
    return name.endswith((".yaml", ".yml"))


def beside(file: str, name: str) -> str:
    """Return a path that a spec names as one beside that spec; leave any other name alone."""
    path = is_path(name) or is_path(name.rpartition("/")[0])  # of a set, or of its subset
    return str(Path(file).parent / name) if path else name


def _plain(node: Any, budget: Iterator[int]) -> Any:
    """Turn ruamel's containers and scalars into plain ones; lists become tuples.

    Raises:
        StopIteration: if the budget of nodes is spent. Each alias repeats what it stands for, so
            that a small file can be a huge document.
    """
    next(budget)
    if isinstance(node, dict):
        return {_plain(key, budget): _plain(value, budget) for key, value in node.items()}
    if isinstance(node, list):
        return tuple([_plain(item, budget) for item in node])
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _message(error: ErrorDetails) -> str:
    key = ".".join(str(step) for step in error["loc"])
    if error["type"] == "unknown_key":
        return str(error["msg"])
    if error["type"] == "missing":
        return f"key {key!r} is missing"
    if error["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", str(error["ctx"]["expected"]))
        hint = did_you_mean(str(error["input"]), known)
        return f"{key} cannot be {error['input']!r}.{hint} Known: {', '.join(known)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message.replace("valid tuple", "list").replace("valid dictionary", "mapping")
    return f"{key}: {message[:1].lower()}{message[1:]}, got {str(error['input'])[:80]!r}"


def _nearest_file(file: Path) -> str:
    if not file.parent.is_dir():
        return f" There is no folder {file.parent}"
    return did_you_mean(file.name, [p.name for p in file.parent.iterdir()])
