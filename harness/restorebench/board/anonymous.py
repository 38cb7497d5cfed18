"""Boards without what tells who made them, for double-blind review."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.merging import RunBoard

SHOWN = (
    *("session", "python", "packages", "decoder", "environment", "device", "threads"),
    *("cpu_count", "suite", "protocols", "data", "weights"),
)
"""What is shown of a session, beside its command; a key that is new is no leak."""

# From the root, a home, a drive, or a parent folder; up to a space or whatever ends a path in text.
PATH = re.compile(
    r"(?<![\w.@*/\\)])(?:[A-Za-z]:)?(?:~[\w.-]*|\.{1,2})?(?:[\\/][^\s\\/'\"<>|:;,]+)+[\\/]?"
)
HOME = re.compile(r"[\\/](?:home|Users)[\\/]([^\\/]+)")

Scrub = Callable[[str], str]


def anonymous(boards: Sequence[RunBoard]) -> list[RunBoard]:
    """Return boards without hosts, users, folders, commits and the names of runs.

    Of a command only the names of files are kept, and of a remark or an error, too. What a method,
    a task or a checkpoint is called stays, and so does what a method's card says of its paper.
    """
    runs = list(dict.fromkeys(each.run for each in boards))
    return [RunBoard(f"run{runs.index(each.run) + 1}", _without(each.board)) for each in boards]


def _without(board: Leaderboard) -> Leaderboard:
    info = board.info
    scrub = _scrubber(info.sessions)
    sessions = tuple(_session(session, scrub) for session in info.sessions)
    of_row, of_column = ("words", "absent", "weights_file", "config"), ("words", "where")
    rows = [_texts(row.model_dump(), of_row, scrub) for row in info.rows]
    columns = [_texts(column.model_dump(), of_column, scrub) for column in info.columns]
    dumped = info.model_dump() | {"sessions": sessions, "rows": rows, "columns": columns}
    texts = [name for name in ("error", "config") if name in board.records]
    scrubbed = {name: board.records[name].map(scrub, na_action="ignore") for name in texts}
    types = board.records[texts].dtypes.to_dict()
    records = board.records.assign(**scrubbed).astype(types)
    return replace(board, info=type(info).model_validate(dumped), records=records)


def _scrubber(sessions: Iterable[dict[str, Any]]) -> Scrub:
    """Return what takes folders, hosts and users out of a text."""
    asked = [session["asked"] for session in sessions if isinstance(session.get("asked"), dict)]
    texts = _strings(asked)
    paths = {text for text in texts if "/" in text or "\\" in text}
    paths |= {str(one.get("data_root") or "") for one in asked}
    folders = paths | {str(PurePath(text).parent) for text in paths}
    # The longest first, since one may lie within another; these may hold spaces.
    known = sorted((f for f in folders if len(f) > 1), key=len, reverse=True)
    names = {str(session.get("host") or "") for session in sessions}
    names |= {match[1] for text in texts for match in HOME.finditer(text)}
    words = [re.escape(name) for name in names if name]
    people = re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)") if words else None

    def scrub(text: str) -> str:
        for folder in known:
            text = text.replace(f"{folder}/", "").replace(folder, PurePath(folder).name)
        text = PATH.sub(lambda match: PurePath(match[0].replace("\\", "/")).name, text)
        return people.sub("…", text) if people else text

    return scrub


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _strings(inner)]
    if isinstance(value, (list, tuple)):
        return [text for inner in value for text in _strings(inner)]
    return [value] if isinstance(value, str) else []


def _session(session: dict[str, Any], scrub: Scrub) -> dict[str, Any]:
    shown = {key: _scrubbed(session[key], scrub) for key in SHOWN if key in session}
    if isinstance(command := session.get("command"), str):
        shown["command"] = scrub(_command(command))
    return shown


def _command(command: str) -> str:
    """Return a command with the name alone of every file and folder."""
    try:
        words = shlex.split(command)
    except ValueError:  # it was cut, or holds a quotation mark alone
        return ""
    return shlex.join(re.sub(r"[^=]*[\\/](?=[^=])", "", word) for word in words)


def _scrubbed(value: Any, scrub: Scrub) -> Any:
    if isinstance(value, dict):
        return {key: _scrubbed(inner, scrub) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrubbed(inner, scrub) for inner in value]
    return scrub(value) if isinstance(value, str) else value


def _texts(dumped: dict[str, Any], names: Sequence[str], scrub: Scrub) -> dict[str, Any]:
    return dumped | {name: _scrubbed(dumped[name], scrub) for name in names}
