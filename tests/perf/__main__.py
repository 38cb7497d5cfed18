"""`python -m tests.perf [SECTION...]`: measure, print, and write perf.json.

A section is a module of this package with a function ``section`` that returns rows, each a
dictionary with the same keys; `profile` draws perf.png as well.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.perf.measuring import machine

SECTIONS = ("networks", "pipeline", "profile")
OUT = Path("perf.json")


def main(asked: list[str]) -> None:
    """Measure the sections that are asked for, or all."""
    found: dict[str, object] = {"machine": machine()}
    screen = Console(width=120)
    screen.print(", ".join(f"{key} {value}" for key, value in machine().items()))
    for name in asked or SECTIONS:
        rows = importlib.import_module(f"tests.perf.{name}").section()
        found[name] = rows
        table = Table(*rows[0], title=name, box=None)
        for row in rows:
            table.add_row(*map(str, row.values()))
        screen.print(table)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    screen.print(f"written: {OUT}")


if __name__ == "__main__":
    main(sys.argv[1:])
