"""What methods cost: measured into a run, kept like records, shown on the board."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import restorebench
from restorebench.board.cost_table import cost_tables
from restorebench.board.leaderboard import Leaderboard
from restorebench.catalog import Catalog
from restorebench.costs.complexity import image
from restorebench.costs.profiling import Profile, measure_costs, read_costs
from restorebench.costs.record import CostRecord
from restorebench.costs.runtime import REPEATS, ROUNDS, Clock, energy_counter, interleaved, joules
from restorebench.errors import StoreError
from restorebench.method import Card, Method
from restorebench.rows import Options, row_of
from restorebench.verify import Asked, verify

from .conftest import Cli


class Small(Method):
    """Two convolutions, one of them frozen by the network and one never used."""

    network_class = staticmethod(lambda: nn.Sequential(nn.Conv2d(3, 3, 3, padding=1)))
    info = Card(title="Small", paper="none", status="external", needs_weights=False)
    calls = 0

    def restore(self, x: Tensor) -> Tensor:
        type(self).calls += 1
        return super().restore(x)


class Uncountable(Small):
    """Takes no image of the size that costs are measured at."""

    def forward(self, x: Tensor) -> Tensor:
        raise ZeroDivisionError("on purpose") if x.shape[-1] == 224 else self.network(x)


def test_a_run_measures_costs_once_and_its_board_has_them(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    def run(*, costs: bool) -> Leaderboard:
        methods: list[str | Method] = [Small(), "identity"]
        return restorebench.run(suite, methods, data_root, out=tmp_path / "run", costs=costs)

    assert run(costs=False).costs.empty
    board = run(costs=True)
    small, other = (line for _, line in board.costs.iterrows())
    assert (small["method"], other["method"]) == ("Small", "identity")
    assert (small["parameters"], small["trainable"], small["untouched"]) == (84, 84, 0)
    assert small["macs"] == small["macs_torch"] == small["macs_fvcore"] == 224 * 224 * 81
    assert (small["size"], small["batch"], small["precision"]) == (224, 1, "float32")
    assert small["latency_p10"] <= small["latency_ms"] <= small["latency_p90"]
    assert small["throughput"] == pytest.approx(1000 / small["latency_ms"])
    assert small["network_ms"] > 0
    assert small["threads"] == torch.get_num_threads()
    assert small["device"].startswith("cpu: ")
    assert other["parameters"] == 0
    assert np.isnan(other["macs"])
    assert Leaderboard.load(tmp_path / "run").costs.equals(board.costs)

    before = Small.calls
    assert run(costs=True).costs.equals(board.costs)
    assert run(costs=False).costs.equals(board.costs)  # what is known is shown
    assert Small.calls == before


def test_a_kill_loses_only_what_was_being_measured(tmp_path: Path) -> None:
    rows = [row_of(Catalog.installed(), m, Options()) for m in (Small(), "identity")]
    for _ in measure_costs(rows, Profile(size=32, latency=True), tmp_path):
        break
    (stored,) = read_costs(tmp_path).values()
    assert stored.complexity is not None
    assert stored.latency is None
    *_, first, second = measure_costs(rows, Profile(size=32, latency=True), tmp_path)
    assert first.complexity == stored.complexity
    assert first.latency is not None
    assert first.latency.state == "eager, channels_last"
    assert read_costs(tmp_path) == {first.key: first, second.key: second}


def test_what_a_cost_depends_on_is_in_its_key(tmp_path: Path) -> None:
    row = row_of(Catalog.installed(), "identity", Options())
    sizes = [Profile(size=32), Profile(size=48), Profile(size=32, batch=2)]
    for profile in sizes:
        list(measure_costs([row], profile, tmp_path))
    torch.set_num_threads(torch.get_num_threads() + 1)
    try:
        list(measure_costs([row], sizes[0], tmp_path))
    finally:
        torch.set_num_threads(torch.get_num_threads() - 1)
    assert len(read_costs(tmp_path)) == 4


@pytest.mark.parametrize("precision", ["float32", "tf32", "tf32, reference inference", "bfloat16"])
def test_times_are_kept_with_whether_the_precision_allows_tf32(
    monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr("restorebench.costs.profiling.processor", lambda device: f"{device}: some")
    row = replace(row_of(Catalog.installed(), "identity", Options()), precision=precision)
    identity = Profile().identity(row, torch.device("cuda"))
    allowed = precision.startswith("tf32")
    assert (identity.tf32, identity.threads) == (allowed, None)
    table, *_ = cost_tables([CostRecord(key=identity.key, identity=identity)], {"identity": row})
    said = f"cuda: some; TF32 {'allowed' if allowed else 'not allowed'}"
    assert ("Machine", said) in table.provenance


def test_what_cannot_be_measured_is_said_and_tried_again(tmp_path: Path) -> None:
    rows = [row_of(Catalog.installed(), m, Options()) for m in (Uncountable(), "identity")]
    for _ in range(2):
        *_, failed, other = measure_costs(rows, Profile(latency=True), tmp_path)
        assert failed.error == "ZeroDivisionError: on purpose"
        assert failed.latency is None
        assert other.error is None
        assert other.latency is not None
    stored = read_costs(tmp_path)
    assert [r.error for r in stored.values()] == [None, None]


def test_a_method_that_cannot_be_built_leaves_the_others_their_costs_and_tables(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "bad.py"
    plugin.write_text(
        "from torch import nn\nfrom restorebench import Card, Method\n"
        "class Bad(Method):\n"
        "    network_class = staticmethod(lambda: 1 / 0)\n"
        "    info = Card(title='Bad', paper='none', status='external', needs_weights=False)\n"
        "METHODS = {'bad': Bad}\n"
    )
    asked = ["run", "--suite", suite, "--data-root", data_root, "--out", "run", "--costs"]
    done = cli(*asked, "--plugin", plugin, "-m", "bad", "-m", "identity")
    assert done.returncode == 3
    assert "costs of bad: Bad cannot be built: division by zero" in done.stderr
    assert "Traceback" not in done.stderr
    board = Leaderboard.load(tmp_path / "run")
    assert board.cell("identity", "rain", "psnr").value is not None
    assert list(board.costs["method"]) == ["identity"]


def test_a_changed_cost_is_found(cli: Cli, suite: Path, data_root: Path, tmp_path: Path) -> None:
    asked = ["run", "--suite", suite, "-m", "identity", "--data-root", data_root, "--out", "run"]
    result = cli(*asked, "--costs")
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "run"

    def differing() -> list[str]:
        checks = verify(Asked(folder=folder, sample=0), Catalog.installed())
        return [check.detail for check in checks if check.agrees is False]

    assert differing() == []
    (path,) = (folder / "costs").iterdir()
    content = json.loads(path.read_text())
    content["latency"]["restore"][0] /= 2
    path.write_text(json.dumps(content))
    assert len(differing()) == 1
    assert "costs" in differing()[0]
    content["identity"]["device"] = "a faster one"
    path.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="is not what its key was made for; delete it"):
        differing()


def test_costs_are_measured_on_one_image_everywhere() -> None:
    assert torch.equal(image(32), image(32))
    assert image(32).shape == (1, 3, 32, 32)


def test_energy_is_what_a_counter_grows_by_for_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restorebench.costs.runtime.ENERGY_SECONDS", 0.01)
    spent = [5000]

    def clock() -> float:
        spent[0] += 250
        return 1.0

    assert joules(clock, lambda: spent[0]) == pytest.approx(0.25)
    assert energy_counter(torch.device("cpu")) is None


def test_rounds_go_through_all_clocks_in_turn() -> None:
    read: list[str] = []

    def clock(name: str, milliseconds: float) -> Clock:
        def call() -> float:
            read.append(name)
            return milliseconds

        return call

    times = interleaved({"slow": clock("slow", 1e6), "fast": clock("fast", 1.0)})
    one = ["slow", *["fast"] * REPEATS]  # what is slow is not repeated within a round
    assert read == ["slow", "slow", "fast", "fast", *one * ROUNDS]
    assert {name: list(values) for name, values in times.items()} == {
        "slow": [1e6] * ROUNDS,
        "fast": [1.0] * ROUNDS,
    }


def test_a_suite_can_ask_for_costs_at_sizes_of_its_own(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    suite.write_text(suite.read_text() + "costs: [32, 48]\n")
    board = restorebench.run(suite, [Small()], data_root, limit=1, out=tmp_path / "run")
    assert list(board.costs["size"]) == [32, 48]
    assert list(board.costs["macs"]) == [32 * 32 * 81, 48 * 48 * 81]
