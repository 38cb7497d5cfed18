"""Writes the shipped JSON schemas anew: `python -m restorebench_reports.write_schemas`."""

from __future__ import annotations

from pathlib import Path

from restorebench.board.document import schemas

FOLDER = Path(__file__).parent / "schemas"

if __name__ == "__main__":
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
