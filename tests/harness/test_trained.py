"""Weights that say what they are: a variant builds itself, and no table hides that it is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import restorebench
from restorebench.board.table import table_of
from restorebench.errors import ConfigError, WeightsError
from restorebench.weights.trained import KEY, Trained, read_trained

SMALL: dict[str, Any] = {
    "dim": 8,
    "num_blocks": [1, 1, 1, 1],
    "num_refinement_blocks": 1,
    "heads": [1, 2, 2, 4],
}
TRAINED = Trained(
    method="restormer",
    config=SMALL,
    variant="small",
    training="recipe three_deg_small, 12 steps of 16 crops of 128x128",
    card="0" * 64,
)


def saved(file: Path, metadata: dict[str, str]) -> Path:
    network = restorebench.load_method("restormer", **SMALL).network
    tensors = {key: (1.01 * t).half().contiguous() for key, t in network.state_dict().items()}
    safetensors.torch.save_file(tensors, file, metadata)
    return file


def test_a_variant_builds_itself_strictly_from_half_precision(tmp_path: Path) -> None:
    file = saved(tmp_path / "small.safetensors", TRAINED.metadata())
    assert read_trained(file) == TRAINED
    method = restorebench.load_method("restormer", file)
    assert method.config == SMALL
    assert method.weights is not None
    assert method.weights.strict
    assert {p.dtype for p in method.network.parameters()} == {torch.float32}
    assert method.weights.titled(method.info).title == "Restormer (small)"


def test_a_table_says_small_and_by_whom_it_was_trained(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    file = saved(tmp_path / "small.safetensors", TRAINED.metadata())
    options: dict[str, Any] = {"limit": 1, "out": tmp_path / "run"}
    by_file = restorebench.run(
        str(suite), ["restormer"], data_root, weights={"restormer": file}, **options
    )
    built = restorebench.load_method("restormer", file)
    options["out"] = tmp_path / "other"
    by_method = restorebench.run(str(suite), [built], data_root, **options)
    for board in (by_file, by_method):
        (row,) = board.info.rows
        assert row.title == "Restormer (small)"
        assert json.loads(row.config.replace("'", '"'))["dim"] == 8
        said = " ".join(row.words)
        assert (
            "small, trained by restorebench: not to be compared with published numbers; recipe"
        ) in said
        assert "not the published size" in said
        assert any("not to be compared" in note for note in table_of(board).notes)
    configs = {by_file.records["config"].iloc[0], by_method.records["config"].iloc[0]}
    assert len(configs) == 1


def test_weights_of_another_method_are_refused_by_name(tmp_path: Path) -> None:
    file = saved(tmp_path / "small.safetensors", TRAINED.metadata())
    with pytest.raises(WeightsError, match="weights of restormer, not of promptir"):
        restorebench.load_method("promptir", file)


def test_the_callers_configuration_counts_more_than_the_files(tmp_path: Path) -> None:
    file = saved(tmp_path / "small.safetensors", TRAINED.metadata())
    with pytest.raises(WeightsError, match="another configuration"):
        restorebench.load_method("restormer", file, dim=16)
    with pytest.raises(ConfigError, match="takes no 'dims'"):
        restorebench.load_method("restormer", file, dims=16)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[" * 5000,
        "[]",
        json.dumps({"method": 3}),
        json.dumps({**TRAINED.model_dump(), "unknown": 1}),
        json.dumps({**TRAINED.model_dump(), "variant": "\x1b[31mred"}),
        json.dumps({**TRAINED.model_dump(), "training": "two\nlines"}),
        json.dumps({**TRAINED.model_dump(), "variant": "published size, honestly"}),
        json.dumps({**TRAINED.model_dump(), "config": {"dim": {"nested": 1}}}),
        json.dumps({**TRAINED.model_dump(), "config": {"dim": "x" * 500}}),
        json.dumps({**TRAINED.model_dump(), "card": "short"}),
        json.dumps({**TRAINED.model_dump(), "training": "x" * 20_000}),
    ],
)
def test_metadata_that_the_trainer_did_not_write_are_refused_in_one_line(
    tmp_path: Path, text: str
) -> None:
    file = saved(tmp_path / "small.safetensors", {KEY: text})
    with pytest.raises(WeightsError, match="not those of a training") as caught:
        restorebench.load_method("restormer", file)
    assert str(caught.value).isprintable()


def test_a_configuration_that_builds_nothing_is_the_files_fault(tmp_path: Path) -> None:
    for config in ({"dim": 7}, {"width": 8}, {"dim": 8, "num_blocks": [1]}):
        odd = TRAINED.model_copy(update={"config": config})
        file = saved(tmp_path / "small.safetensors", odd.metadata())
        with pytest.raises(WeightsError, match="its configuration builds no network"):
            restorebench.load_method("restormer", file)


def test_other_files_say_nothing_of_their_training(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "cut.safetensors").write_bytes((2**20).to_bytes(8, "little") + b"{")
    plain = saved(tmp_path / "plain.safetensors", {"format": "pt"})
    torch.save({"weight": torch.zeros(1)}, tmp_path / "model.pth")
    for name in ("text", "cut.safetensors", "model.pth", "absent", "."):
        assert read_trained(tmp_path / name) is None
    assert read_trained(plain) is None
