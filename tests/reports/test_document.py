"""JSON: everything a number rests on, and a schema that says so."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from restorebench.board.document import (
    ComparisonDocument,
    LeaderboardDocument,
    comparison_document,
    schemas,
    text_of,
)
from restorebench.board.leaderboard import Leaderboard
from restorebench_reports.json import render

from .boards import board_of, column, fixed_board, hostile_board, row, spread

SCHEMAS = files("restorebench_reports") / "schemas"


def read(board: Leaderboard, folder: Path) -> dict[str, Any]:
    """Return what stands in a board's file, which must keep to the shipped schema."""
    content = json.loads(render(board, folder, "plain").read_text(encoding="utf-8"))
    validate(content, "leaderboard")
    assert isinstance(content, dict)
    return content


def validate(content: object, name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(content)


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_shipped_schema_is_that_of_the_models(name: str) -> None:
    """Written anew by: python -m restorebench_reports.write_schemas."""
    assert (SCHEMAS / name).read_text(encoding="utf-8") == schemas()[name]


def test_every_cell_is_there_with_what_it_rests_on(tmp_path: Path) -> None:
    board = fixed_board()
    found = read(board, tmp_path)
    cells = {(c["method"], c["task"], c["metric"]): c for c in found["cells"]}
    assert len(cells) == len(found["cells"]) == 6 * (5 + 1) * 2
    for (method, task, metric), cell in cells.items():
        if task == "average":
            assert cell["value"] == board.average(method, metric)
        else:
            known = board.cell(method, task, metric)
            assert (cell["value"], cell["images"], cell["expected"], cell["reason"]) == (
                known.value,
                known.scored,
                known.expected,
                known.reason,
            )
    assert cells["first", "rain", "psnr"]["mark"] == "best"
    assert cells["twin", "rain", "psnr"]["mark"] == "second"
    assert cells["third", "rain", "psnr"]["mark"] is None
    assert cells["broken", "average", "psnr"]["reason"] == "a task has no value"
    assert found["protocol_hash"] == "5ca16ca980e7"
    assert found["columns"][0]["fingerprint"] == "0123456789abcdef" * 4
    assert found["rows"][0]["weights"] == "beef" * 16


def test_every_pair_is_there(tmp_path: Path) -> None:
    board = fixed_board()
    found = read(board, tmp_path)
    assert len(found["pairs"]) == len(board.pairwise)
    pair = next(p for p in found["pairs"] if (p["a"], p["b"]) == ("first", "second"))
    assert pair["difference"] == pytest.approx(2)
    assert pair["better"] == "first"
    assert pair["p"] is None  # three images
    assert found["tests"] == {"psnr": 0, "ssim": 0}


def test_infinity_is_a_text_and_nothing_is_nan(tmp_path: Path) -> None:
    scores = {("a", "one"): [(math.inf, 1.0)] * 4, ("b", "one"): [*spread(20, 0.5), (21.0, 0.6)]}
    board = board_of([column("one", count=4)], [row("a"), row("b")], scores)
    found = read(board, tmp_path)
    cells = {(c["method"], c["task"], c["metric"]): c["value"] for c in found["cells"]}
    assert cells["a", "one", "psnr"] == "Infinity"
    text = (tmp_path / "leaderboard.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    loaded = LeaderboardDocument.model_validate_json(text)
    assert loaded.cells[0].value == math.inf
    assert text_of(loaded) == text


def test_no_word_is_lost(noted: Leaderboard, tmp_path: Path) -> None:
    found = read(noted, tmp_path)
    text = json.dumps(found)
    for word in ("sample: 5 photographs", "partial: 2 of 3 images", "untrained: random weights",
                 "reduced precision: bfloat16", "ZeroDivisionError: on purpose"):  # fmt: skip
        assert word in text
    averages = [c for c in found["cells"] if c["task"] == "average"]
    assert {c["value"] for c in averages} == {None}
    assert found["average_reason"].startswith("columns of different extent are not averaged")
    assert [c["extent"] for c in found["columns"]] == ["partial", "limited", "sample, limited"]


def test_hostile_texts_are_data(tmp_path: Path) -> None:
    board = hostile_board()
    found = read(board, tmp_path)
    assert [r["title"] for r in found["rows"]] == [r.title for r in board.info.rows]
    assert (tmp_path / "leaderboard.json").read_text(encoding="utf-8").isascii()


def test_the_schema_refuses_what_is_no_leaderboard(tmp_path: Path) -> None:
    found = read(fixed_board(), tmp_path)
    del found["protocol"]
    with pytest.raises(jsonschema.ValidationError, match="'protocol' is a required property"):
        validate(found, "leaderboard")


def test_a_comparison_says_what_was_left_out() -> None:
    comparison = fixed_board().compare("first", "broken")
    document = comparison_document(comparison, {"snow": "not in b"})
    content = json.loads(text_of(document))
    validate(content, "comparison")
    assert ComparisonDocument.model_validate(content) == document
    assert content["left_out"] == {"snow": "not in b"}
    reasons = {p["task"]: p["reason"] for p in content["pairs"]}
    assert reasons["haze"] is None
    assert "1.png cannot be read" in reasons["rain"]
    assert len(content["images"]) == 4 * 3 * 2
