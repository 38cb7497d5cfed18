"""The Python surface: what `run` takes, and how it refuses what it cannot take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import restorebench
from restorebench.errors import BenchError, DataError, UsageError


def test_run_takes_its_arguments_by_position_and_paths_as_paths(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    board = restorebench.run(
        str(suite), ["identity"], str(data_root), 2, "cpu", "airnet", None, str(tmp_path / "a")
    )
    again = restorebench.run(
        suite, "identity", data_root, limit=np.int64(2), device=torch.device("cpu"), # type: ignore[arg-type]
        out=tmp_path / "b",
    )  # fmt: skip
    assert board.frame.equals(again.frame)
    assert board.frame.index.tolist() == ["identity"]
    assert board.frame.columns.names == ["task", "metric"]
    assert set(board.frame.dtypes) == {np.dtype("float64")}
    assert len(board.records) == 4
    rain = board.records[board.records["task"] == "rain"]
    assert board.frame.loc["identity", ("rain", "psnr")] == rain["psnr"].mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": "2"}, "limit must be a whole number, got '2'"),
        ({"limit": 1.5}, "limit must be a whole number, got 1.5"),
        ({"data": "reel"}, "data is auto or real or sample, not 'reel'"),
        ({"style": "latex"}, "style is plain or paper, not 'latex'"),
        ({"methods": [5]}, "methods are names, or built by load_method"),
        ({"methods": []}, "no method is selected"),
    ],
)
def test_what_run_cannot_take_is_named(
    suite: Path, data_root: Path, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    given = {"methods": ["identity"], "data_root": data_root, "out": tmp_path / "run", **arguments}
    with pytest.raises(BenchError) as caught:
        restorebench.run(suite, **given)
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_home_folder_is_found_by_its_sign(
    suite: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    restorebench.run(suite, "identity", "~/data", limit=1, out="~/mine")
    assert (tmp_path / "mine" / "leaderboard.csv").is_file()


def test_a_record_names_the_device_of_its_method(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    built = restorebench.load_method("identity", device="cpu:0")
    board = restorebench.run(suite, [built, "nl_means"], data_root, limit=1, out=tmp_path / "run")
    devices = board.records.groupby("method")["device"].unique().map(list).to_dict()
    assert devices == {"identity": ["cpu:0"], "nl_means": ["cpu"]}


def test_test_itself_as_data_root_is_not_taken_for_an_empty_one(
    data_root: Path, tmp_path: Path
) -> None:
    folder = data_root / "test" / "denoise"
    folder.mkdir(parents=True)
    (data_root / "clean").rename(folder / "bsd68")
    with pytest.raises(DataError, match=f"but some below {data_root}: give that"):
        restorebench.run("three_deg", "identity", data_root / "test", out=tmp_path / "run")
    (tmp_path / "unmounted").mkdir()
    with pytest.raises(DataError, match="no set of suite three_deg lies below"):
        restorebench.run("three_deg", "identity", tmp_path / "unmounted", out=tmp_path / "run")
    with pytest.raises(UsageError, match="protocol"):
        restorebench.run("three_deg", "identity", data_root, protocol=Path("none"))


def test_noise_that_nobody_can_tell_is_no_score(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    text = suite.read_text()
    strong = text[text.index("  - name: noise") :].replace("name: noise", "name: strong")
    suite.write_text(text + strong.replace("sigma: 25", "sigma: 50"))
    (data_root / "clean/1.png").write_bytes(b"no image")
    board = restorebench.run(
        suite, "identity", data_root, noise="airnet-stream-continued", out=tmp_path / "run"
    )
    tasks = dict(list(board.records.groupby("task")))
    scored = {name: task["psnr"].notna().tolist() for name, task in tasks.items()}
    assert scored == {"rain": [True] * 3, "noise": [True, False, False], "strong": [False] * 3}
