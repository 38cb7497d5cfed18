"""A run's manifest: every session that measured for it, with what it was asked and made with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from restorebench.errors import StoreError
from restorebench.inert import printable
from restorebench.plan import Plan
from restorebench.provenance import describe_session, device_name
from restorebench.store import read_json, write_atomically


def read_sessions(path: Path) -> list[dict[str, Any]]:
    """Return the sessions of a manifest.

    Raises:
        StoreError: if it is missing or damaged.
    """
    content = read_json(path)
    sessions = content.get("sessions") if isinstance(content, dict) else None
    if not (isinstance(sessions, list) and sessions and all(isinstance(s, dict) for s in sessions)):
        raise StoreError(f"{path} is damaged: it names no sessions; delete it and run again")
    return sessions


def way_to_tables(run: Path) -> str:
    """Say of a run that has a manifest, but no tables, how it gets them.

    Raises:
        StoreError: if the manifest is damaged.
    """
    if (run / "bundles").is_dir():
        return f"{run} has no tables yet: restorebench collect {run} writes them"
    command = read_sessions(run / "manifest.json")[-1].get("command")
    return (
        f"{run} was interrupted before its tables; repeat its command, which goes on from there: "
        f"{printable(str(command))}"
    )


def add_session(
    out: Path, session: str, started: datetime, plans: Sequence[Plan], asked: dict[str, Any]
) -> list[dict[str, Any]]:
    """Add this session to the run's manifest, before anything is measured; return all sessions."""
    path = out / "manifest.json"
    earlier = read_sessions(path) if path.exists() else []
    plan = plans[0]
    metrics = [metric for p in plans for metric in p.metrics.values()]
    described = {
        **describe_session(
            session,
            started.isoformat(timespec="seconds"),
            device_name(asked["device"]),
            metrics,
        ),
        "asked": {**asked, "methods": [row.label for row in plan.rows]},
        "suite": f"{plan.suite.name}@{plan.suite.version}",
        "protocols": [p.protocol.id for p in plans],
        "data": {column.task.name: column.fingerprint for column in plan.columns},
        "weights": {row.label: row.weights or row.absent for row in plan.rows},
    }
    return _written(path, [*earlier, described])


def add_workers(
    out: Path, workers: Sequence[Mapping[str, Any]], device: str, name: str
) -> list[dict[str, Any]]:
    """Say in the newest session's entry who measured for it; return all sessions.

    Args:
        out: the run folder.
        workers: where and with what they measured.
        device: what they were asked to measure on.
        name: that device's own name.
    """
    path = out / "manifest.json"
    *earlier, newest = read_sessions(path)
    asked = {**newest["asked"], "device": device}
    return _written(
        path, [*earlier, {**newest, "device": name, "asked": asked, "workers": list(workers)}]
    )


def _written(path: Path, sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    write_atomically(path, json.dumps({"sessions": sessions}, indent=1) + "\n")
    return sessions
