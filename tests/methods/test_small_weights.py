"""The small weights that ship: whole, small, of one budget, and scoring what they scored."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import restorebench
from restorebench.board.info import RowInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import table_of
from restorebench.catalog import Catalog
from restorebench.commands.options import weights_of
from restorebench.errors import UsageError
from restorebench.verify import Asked, verify
from restorebench.weights.trained import read_trained
from restorebench_methods.training.card import Card
from restorebench_methods.training.recipe import find_course

CATALOG = Catalog.installed()
SMALL = {
    name: files["small"]
    for name in CATALOG.names("methods")
    if (files := CATALOG.shipped_weights(name))
}
STAGES = ("three_deg_small", "three_deg_small_2", "three_deg_small_3")
SCORES = Path(__file__).with_name("small_scores.csv")
TASKS = ("bsd68_s15", "bsd68_s25", "bsd68_s50", "rain100l", "sots_outdoor")
NETWORKS = ("airnet", "anyir", "daair", "hair", "ndr_restore", "promptir", "restormer")


def card(name: str) -> Card:
    return Card.model_validate_json(SMALL[name].with_suffix(".json").read_bytes())


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leaderboard]:
    """All small networks and the degraded input on the whole sample."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield restorebench.run(
        "three_deg",
        ["identity", *SMALL],
        data="sample",
        pictures=False,
        out=tmp_path_factory.mktemp("run"),
    )
    torch.set_num_threads(threads)


def test_the_networks_of_the_papers_come_with_small_weights() -> None:
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_and_card_are_small_complete_and_belong_together(name: str) -> None:
    file, described = SMALL[name], card(name)
    assert file.stat().st_size <= 2_000_000
    tensors = safetensors.torch.load_file(file)
    assert {t.dtype for t in tensors.values() if t.is_floating_point()} == {torch.float16}
    trained = read_trained(file)
    assert trained is not None
    assert (trained.method, trained.variant) == (name, "small")
    assert trained.card == described.digest
    assert trained.training == described.words
    method = restorebench.load_method(name, "small")
    assert method.weights is not None
    assert method.weights.strict
    assert described.parameters == sum(p.numel() for p in method.network.parameters())
    assert 300_000 <= described.parameters <= 1_000_000


@pytest.mark.parametrize("name", NETWORKS)
def test_the_recipe_that_ships_is_the_one_they_were_trained_by(name: str) -> None:
    assert card(name).course_digest == find_course(name, STAGES[-1]).digest


def test_all_had_the_same_budget_and_data() -> None:
    cards = [card(name) for name in NETWORKS]
    assert len({(c.steps, c.crops, c.seed) for c in cards}) == 1
    # What stands behind "on" is the machine.
    before = {re.sub(", on [^;]*", "", c.trained_before) for c in cards}
    assert len(before) == 1
    assert re.findall(r"recipe (\w+)", before.pop()) == list(STAGES[-2::-1])
    assert len({json.dumps(c.data, sort_keys=True) for c in cards}) == 1
    assert cards[0].crops == cards[0].steps * cards[0].course["recipe"]["batch"]


def test_no_test_image_was_trained_on() -> None:
    """The cards name what was left out; `test_training_data` shows that it is all there is."""
    for name in NETWORKS:
        (data,) = card(name).data.values()
        left_out = data["left_out_as_test_images"]
        assert data["images"] == data["trained_on"] + data["held_out"] + len(left_out)
        assert any(test.startswith("rain100l ") for test in left_out.values())
        assert card(name).test_images > 300


def test_they_score_what_they_scored(board: Leaderboard) -> None:
    with SCORES.open() as file:
        stored = {(r["method"], r["task"], r["image"]): r for r in csv.DictReader(file)}
    records = board.records.to_dict("records")
    seen = {(r["method"], r["task"], r["image"]): r for r in records if r["method"] in SMALL}
    assert seen.keys() == stored.keys()
    for key, row in seen.items():
        assert row["psnr"] == pytest.approx(float(stored[key]["psnr"]), abs=0.01), key
        assert row["ssim"] == pytest.approx(float(stored[key]["ssim"]), abs=0.0005), key


def test_each_beats_the_input_on_every_task(board: Leaderboard) -> None:
    psnr = board.records.pivot_table(index="method", columns="task", values="psnr")
    assert set(psnr.columns) == set(TASKS)
    gain = psnr.drop("identity") - psnr.loc["identity"]
    noise = ["bsd68_s15", "bsd68_s25", "bsd68_s50"]
    assert (gain[noise] > 5).all(axis=None), gain
    assert (gain["rain100l"] > 2).all(), gain
    # AirNet sees too little of an image at once to know haze well.
    assert (gain["sots_outdoor"].drop("airnet") > 1.5).all(), gain
    assert gain["sots_outdoor"]["airnet"] > 1, gain


def test_a_table_says_small_and_who_trained_them(board: Leaderboard) -> None:
    table = table_of(board)
    for row in table.rows[1:]:
        assert row.title.endswith(" (small)")
        assert "small, trained by restorebench" in row.tag
    (promptir,) = (row for row in board.info.rows if row.name == "promptir")
    assert promptir.weights == hashlib.sha256(SMALL["promptir"].read_bytes()).hexdigest()


def test_a_run_takes_them_unless_it_is_told_otherwise(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    def rows(name: str, **options: Any) -> list[RowInfo]:
        methods = ["restormer", "moce_ir"]
        out = tmp_path / name
        return list(
            restorebench.run(str(suite), methods, data_root, 1, out=out, **options).info.rows
        )

    restormer, moce_ir = rows("default")
    assert restormer.title == "Restormer (small)"
    assert moce_ir.absent is not None
    restormer, moce_ir = rows("untrained", untrained=True)
    assert (restormer.title, restormer.weights, moce_ir.weights) == (
        "Restormer",
        "untrained",
        "untrained",
    )
    mine = tmp_path / "mine.safetensors"
    method = restorebench.load_method("restormer", "small")
    state = {key: t.contiguous() for key, t in method.network.state_dict().items()}
    safetensors.torch.save_file(state, mine)
    restormer, _ = rows("mine", weights={"restormer": mine})
    assert restormer.absent is not None  # the published network is larger
    assert "weights not usable" in restormer.absent


def test_the_option_means_all_methods_that_come_with_such_weights() -> None:
    assert weights_of(["small"], ["identity", "hair", "moce_ir", "promptir"], CATALOG) == [
        ("hair", "small"),
        ("promptir", "small"),
    ]
    assert weights_of(["hair=small"], ["hair", "promptir"], CATALOG) == [("hair", "small")]
    assert weights_of(["hair@small=small"], [], CATALOG) == [("hair@small", "small")]
    assert weights_of(["small"], ["moce_ir"], CATALOG) == [("moce_ir", "small")]  # a file
    with pytest.raises(UsageError, match="--weights small: say for which method"):
        weights_of(["small"], ["identity"], CATALOG)


def test_a_gate_passes_them_and_fails_a_spoilt_copy(tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.safetensors"
    tensors = safetensors.torch.load_file(SMALL["restormer"])
    with safetensors.safe_open(SMALL["restormer"], "pt") as file:
        metadata = file.metadata()
    key = "output.weight"
    tensors[key] = tensors[key] * 0.5
    safetensors.torch.save_file(tensors, spoilt, metadata)
    words = [sys.executable, "-m", "restorebench", "gate", "--suite", "three_deg", "--limit", "1"]
    words += ["--data", "sample", "-m", "restormer", "--weights"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    codes = [
        subprocess.run([*words, *rest], cwd=tmp_path, env=environment, timeout=300).returncode
        for rest in (["small", "--update"], ["small"], [str(spoilt)])
    ]
    assert codes == [0, 0, 1]


def test_two_packages_cannot_provide_the_same_weights(tmp_path: Path) -> None:
    (tmp_path / "weights/small").mkdir(parents=True)
    (tmp_path / "weights/small/hair.safetensors").write_bytes(b"")
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        f"from pathlib import Path\nWEIGHTS = {{'mine': Path({str(tmp_path)!r}) / 'weights'}}\n"
    )
    catalog = Catalog.installed([plugin])
    assert list(catalog.shipped_weights("promptir")) == ["small"]
    with pytest.raises(UsageError, match=r"hair\.safetensors are both provided"):
        catalog.shipped_weights("hair")


def test_a_method_that_was_built_with_them_is_a_row_of_their_name(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    built = restorebench.load_method("restormer", "small")
    board = restorebench.run(str(suite), ["identity", built], data_root, 1, out=tmp_path / "run")
    assert [row.name for row in board.info.rows] == ["identity", "restormer@small"]
    assert board.info.rows[1].title == "Restormer (small)"
    named = restorebench.run(str(suite), ["restormer"], data_root, 1, out=tmp_path / "named")
    here, there = (b.means("psnr") for b in (board, named))
    assert here["restormer@small"] == there["restormer"]
    again = list(verify(Asked(folder=tmp_path / "run"), CATALOG))
    assert "restormer@small on rain, 0" in [check.what for check in again]
    assert all(check.agrees for check in again)
