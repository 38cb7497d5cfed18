"""Weights in a run: hashed, described, marked when they do not fit, and named when unusable."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import table_of

SMALL: dict[str, Any] = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """A full Restormer's state, other than the one that it starts with."""
    state = restorebench.load_method("restormer").network.state_dict()
    return {key: tensor * 1.01 for key, tensor in state.items()}


def board_of(suite: Path, data_root: Path, file: Path, **options: Any) -> Leaderboard:
    weights = {"restormer": file}
    out = file.parent / "run"
    return restorebench.run(
        str(suite), ["identity", "restormer"], data_root, 1, out=out, weights=weights, **options
    )


def test_the_hash_of_the_file_stands_in_every_record(
    suite: Path, data_root: Path, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    file = tmp_path / "model.ckpt"
    averaged = {f"net.{key}": tensor for key, tensor in state.items()}
    torch.save({"state_dict": {}, "ema": averaged}, file)
    board = board_of(suite, data_root, file)
    row = next(r for r in board.info.rows if r.name == "restormer")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert row.weights == sha256
    assert row.weights_file == "model.ckpt"
    assert "EMA" in row.weights_read
    records = board.records[board.records["method"] == "restormer"]
    assert set(records["weights"]) == {sha256}
    assert records["error"].isna().all()
    facts = dict(table_of(board).provenance)
    assert f"weights {sha256[:12]} (model.ckpt; " in facts["Restormer"]
    assert "EMA" in facts["Restormer"]


def test_other_weights_under_the_same_name_are_measured_again(
    suite: Path, data_root: Path, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    file = tmp_path / "model.ckpt"
    torch.save(state, file)
    first = board_of(suite, data_root, file)
    torch.save({key: tensor * 0.5 for key, tensor in state.items()}, file)
    second = board_of(suite, data_root, file)
    changed = first.frame["rain"]["psnr"] != second.frame["rain"]["psnr"]
    assert changed.to_dict() == {"identity": False, "restormer": True}


def test_a_file_that_does_not_fit_is_a_row_without_numbers(
    suite: Path, data_root: Path, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    file = tmp_path / "model.ckpt"
    torch.save({key: t for key, t in state.items() if not key.startswith("latent")}, file)
    board = board_of(suite, data_root, file)
    assert board.frame.loc["restormer"].isna().all()
    assert board.frame.loc["identity"].notna().all()
    assert any("weights not usable" in note and "missing" in note for note in table_of(board).notes)


def test_weights_in_memory_are_known_by_their_own_hash(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    method = restorebench.load_method("restormer", **SMALL)
    out = tmp_path / "run"
    absent = restorebench.run(str(suite), [method], data_root, 1, out=out)
    assert absent.info.rows[0].absent is not None
    with torch.no_grad():
        method.network.get_parameter("output.weight").mul_(2)
    board = restorebench.run(str(suite), [method], data_root, 1, out=out)
    [row] = board.info.rows
    assert row.weights.startswith("in memory ")
    assert any("in memory" in word for word in row.words)
    with torch.no_grad():
        method.network.get_parameter("output.weight").mul_(2)
    again = restorebench.run(str(suite), [method], data_root, 1, out=out)
    assert again.info.rows[0].weights != row.weights
    assert not again.frame.equals(board.frame)


def test_weights_changed_after_loading_no_longer_go_by_their_file(
    suite: Path, data_root: Path, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    file = tmp_path / "model.ckpt"
    torch.save(state, file)
    method = restorebench.load_method("restormer", file)
    board = restorebench.run(str(suite), [method], data_root, 1, out=tmp_path / "run")
    assert board.info.rows[0].weights_file == "model.ckpt"
    with torch.no_grad():
        method.network.get_parameter("output.weight").mul_(2)
    board = restorebench.run(str(suite), [method], data_root, 1, out=tmp_path / "run")
    assert board.info.rows[0].weights_file is None
    assert board.info.rows[0].weights.startswith("in memory ")


def test_weights_that_fit_in_part_are_marked(
    suite: Path, data_root: Path, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    file = tmp_path / "model.ckpt"
    torch.save({key: t for key, t in state.items() if key != "output.weight"}, file)
    method = restorebench.load_method("restormer", file, strict=False)
    board = restorebench.run(str(suite), [method], data_root, 1, out=tmp_path / "run")
    assert any("weights not strict: 493 of 494" in word for word in board.info.rows[0].words)
    assert "weights not strict" in table_of(board).rows[0].tag
