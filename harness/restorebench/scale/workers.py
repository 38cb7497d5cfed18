"""Who measured: what the attempts of a run's orders say of hosts, devices and versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from restorebench.scale.order import FOLDER, ORDER, Attempt, Order, attempts_at, read_file

ONE_ENTRY = ("host", "session", "started", "command")
"""What workers may differ in that are one entry of the manifest."""


def devices_of(run: Path, asked: str) -> set[str]:
    """Return the names of the devices that a run's workers found where they were asked for one."""
    found = set()
    for path in (run / FOLDER).glob(f"*/{ORDER}"):
        if read_file(Order, path).options.device == asked:
            attempts = [attempt for _, _, attempt in attempts_at(path.parent)]
            found |= {str(a.described["device"]) for a in attempts if "device" in a.described}
    return found


def entries(attempts: Iterable[Attempt]) -> list[Mapping[str, Any]]:
    """Return what a manifest says of workers: one entry for those that are alike."""
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for attempt in attempts:
        shared = {k: v for k, v in attempt.described.items() if k not in ONE_ENTRY}
        alike.setdefault(json.dumps(shared, sort_keys=True), []).append(attempt.described)
    return [
        {
            **json.loads(shared),
            "host": ", ".join(sorted({str(one["host"]) for one in those})),
            "bundles": len(those),
        }
        for shared, those in alike.items()
    ]
