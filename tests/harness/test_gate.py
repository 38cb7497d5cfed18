"""The gate's rule and what it refuses to compare, on real measurements of small images."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.catalog import Catalog
from restorebench.costs.runtime import REPEATS, ROUNDS
from restorebench.errors import CellError, StoreError, UsageError
from restorebench.gate.baseline import Baseline, Cost, Entry, TaskBaseline
from restorebench.gate.gating import Gating
from restorebench.gate.report import Case, GateReport
from restorebench.gate.rule import Limit, decide
from restorebench.rows import Options
from restorebench.session import Session

PLUGIN = """\
import torch
from torch import nn
from restorebench import Card, Method

TIMED = []


class Gain(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        if x.shape[-1] == 224 and x.device.type != "meta":
            TIMED.append(x.shape)
        return x * self.gain


class Faulty(nn.Module):
    def forward(self, x):
        return x / 0


class GainMethod(Method):
    network_class = Gain
    info = Card(title="Gain", paper="none", status="external")


class FaultyMethod(Method):
    network_class = Faulty
    info = Card(title="Faulty", paper="none", status="external", needs_weights=False)


METHODS = {"gain": GainMethod, "faulty": FaultyMethod}
"""
finite = st.floats(-10, 10)


@dataclass
class Workplace:
    """A suite, its data, and a baseline of the degraded input."""

    folder: Path
    suite: Path
    data_root: Path
    path: Path
    measured: list[str] = field(default_factory=list)

    def gating(self, *methods: str, **changes: Any) -> Gating:
        """Return a gate of methods, of the degraded input by default."""
        options = {"latency": changes.pop("latency", False), "memory": changes.pop("memory", False)}
        session = Session(
            str(self.suite),
            list(methods) or ["identity"],
            Options(data_root=self.data_root, **changes),
            self.folder / "run",
            Catalog.installed([self.folder / "plugin.py"]),
        )

        def measure() -> None:
            self.measured += [record.identity.method for record in session.measure()]

        return Gating(session=session, path=self.path, measure=measure, **options)

    def compare(self, *methods: str, **changes: Any) -> GateReport:
        """Gate with the metrics' own tolerances."""
        return self.gating(*methods, **changes).compare({})

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the baseline's entry of the degraded input."""
        content = json.loads(self.path.read_text())
        change(content["methods"]["identity"])
        self.path.write_text(json.dumps(content))

    def shift(self, task: str, *by: float) -> None:
        """Add to the PSNR that the baseline has for a task's images."""

        def change(entry: dict[str, Any]) -> None:
            for scores, step in zip(entry["tasks"][task]["images"].values(), by, strict=True):
                scores[0] += step

        self.edit(change)


@pytest.fixture
def workplace(suite: Path, data_root: Path, tmp_path: Path) -> Workplace:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    made = Workplace(tmp_path, suite, data_root, tmp_path / "baseline.json")
    assert made.gating().update().verdict == "updated"
    made.measured.clear()
    return made


def case_of(report: GateReport, task: str, metric: str = "psnr") -> Case:
    (found,) = (c for c in report.cases if (c.task, c.metric) == (task, metric))
    return found


def test_what_has_not_changed_passes(workplace: Workplace) -> None:
    report = workplace.compare()
    assert (report.verdict, report.exit_code) == ("pass", 0)
    scores = [case for case in report.cases if case.images is not None]
    assert [(c.task, c.metric) for c in scores] == [
        ("rain", "psnr"), ("rain", "ssim"), ("noise", "psnr"), ("noise", "ssim"),
    ]  # fmt: skip
    assert all(c.change == c.low == c.high == 0 and c.images == 3 for c in scores)


@pytest.mark.parametrize(
    ("by", "verdict", "code"),
    [
        ((0.1, 0.1, 0.1), "regression", 1),  # the same everywhere, so beyond doubt
        ((0.02, 0.02, 0.01), "pass", 0),
        ((0.2, 0.05, -0.1), "inconclusive", 0),
        ((1.0, -0.2, 0.0), "regression", 1),  # 0.27 dB of a task's mean, whatever the interval
        ((-0.1, -0.1, -0.1), "improved", 0),
        ((-0.3, 0.0, 0.0), "pass", 0),  # a gain that may be chance
    ],
)
def test_the_rule_on_a_task(
    workplace: Workplace, by: tuple[float, ...], verdict: str, code: int
) -> None:
    workplace.shift("rain", *by)
    report = workplace.compare()
    case = case_of(report, "rain")
    assert case.verdict == verdict
    assert case.change == pytest.approx(-np.mean(by))
    assert (report.verdict, report.exit_code) == (verdict, code)
    assert case_of(report, "noise").verdict == "pass"


def test_a_tolerance_moves_both_limits(workplace: Workplace) -> None:
    workplace.shift("rain", 0.3, 0.3, 0.3)
    assert workplace.gating().compare({"psnr": 0.4}).verdict == "pass"
    assert workplace.gating().compare({"psnr": 0.25}).verdict == "regression"
    with pytest.raises(UsageError, match=r"no metric is called 'pnsr'\. Did you mean 'psnr'"):
        workplace.gating().compare({"pnsr": 0.4})


@given(finite, finite, finite, st.floats(0, 1), st.floats(1, 5))
def test_a_metric_turned_upside_down_is_judged_the_same(
    change: float, one: float, other: float, tolerance: float, grave: float
) -> None:
    low, high = sorted((one, other))
    limit = Limit(tolerance, grave)
    up = decide(change, low, high, limit, higher=True)
    down = decide(-change, -high, -low, limit, higher=False)
    assert up == down


@given(finite, finite, finite, st.floats(0, 1))
def test_a_regression_is_always_a_loss_and_an_improvement_a_gain(
    change: float, one: float, other: float, tolerance: float
) -> None:
    low, high = sorted((one, other))
    verdict, _ = decide(change, low, high, Limit(tolerance), higher=True)
    if verdict == "regression":
        assert change < -tolerance
        assert high < 0
    if verdict == "improved":
        assert change > tolerance
        assert low > 0
    if low <= 0 <= high:
        assert verdict in ("pass", "inconclusive")


def test_perfect_images_are_better_than_any_and_equal_to_each_other() -> None:
    limit = Limit(0.02, 0.2)
    assert decide(-math.inf, -math.inf, -math.inf, limit, higher=True)[0] == "regression"
    assert decide(math.inf, math.inf, math.inf, limit, higher=True)[0] == "improved"
    assert decide(math.nan, math.nan, math.nan, limit, higher=True)[0] == "inconclusive"


def rename_task(entry: dict[str, Any]) -> None:
    entry["tasks"]["drizzle"] = entry["tasks"].pop("rain")
    entry["tasks"]["fog"] = entry["tasks"].pop("noise")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e.update(protocol="other@1"), "other protocol: other@1 in the baseline"),
        (lambda e: e.update(device="NVIDIA H100"), "other device: NVIDIA H100 in the baseline"),
        (lambda e: [t.update(fingerprint="f" * 64) for t in e["tasks"].values()], "other data"),
        (lambda e: [t.update(data="sample") for t in e["tasks"].values()], "other data: sample"),
        (rename_task, "the baseline does not have this task"),
    ],
    ids=["protocol", "device", "fingerprint", "sample", "task"],
)
def test_what_cannot_be_compared_is_not_even_measured(
    workplace: Workplace, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    workplace.edit(change)
    report = workplace.compare()
    assert (report.verdict, report.exit_code) == ("not comparable", 3)
    assert reason in case_of(report, "rain").reason
    assert workplace.measured == []


def test_a_baseline_of_another_suite_or_without_the_method_is_not_comparable(
    workplace: Workplace,
) -> None:
    report = workplace.compare("nl_means")
    assert "the baseline does not have nl_means; --update adds it" in report.cases[0].reason
    content = workplace.path.read_text()
    workplace.path.write_text(content.replace('"suite": "small@1"', '"suite": "small@2"'))
    report = workplace.compare()
    assert report.exit_code == 3
    assert "the baseline is of suite small@2, not small@1" in report.cases[0].reason
    with pytest.raises(UsageError, match="the baseline of small@2, not of small@1"):
        workplace.gating().update()


def test_a_changed_degradation_is_other_data_though_the_files_are_the_same(
    workplace: Workplace,
) -> None:
    workplace.edit(lambda entry: entry["tasks"]["noise"].update(inputs="0" * 64))
    report = workplace.compare()
    assert "other degraded images: 000000000000" in case_of(report, "noise").reason
    assert case_of(report, "rain").verdict == "pass"
    assert report.exit_code == 3


def test_changed_files_and_a_limit_are_other_data(workplace: Workplace) -> None:
    report = workplace.compare(limit=2)
    assert "other images: 3 in the baseline, 2 here" in case_of(report, "rain").reason
    path = workplace.data_root / "rain" / "input" / "1.png"
    pixels = np.asarray(PIL.Image.open(path))
    PIL.Image.fromarray(255 - pixels).save(path)
    report = workplace.compare()
    assert case_of(report, "rain").reason.startswith("other data: ")
    assert case_of(report, "noise").verdict == "pass"
    assert report.verdict == "not comparable"


def test_a_task_that_the_suite_lost_is_not_forgotten(workplace: Workplace) -> None:
    text = workplace.suite.read_text()
    workplace.suite.write_text(text[: text.index("  - name: noise")])
    report = workplace.compare()
    assert case_of(report, "noise").reason == "this task is in the baseline only"
    assert report.verdict == "not comparable"


def test_a_failing_method_is_incomplete_and_becomes_no_baseline(workplace: Workplace) -> None:
    workplace.edit(lambda entry: None)
    content = json.loads(workplace.path.read_text())
    content["methods"]["faulty"] = content["methods"]["identity"]
    workplace.path.write_text(json.dumps(content))
    before = workplace.path.read_bytes()
    report = workplace.compare("faulty")
    assert (report.verdict, report.exit_code) == ("incomplete", 3)
    assert "0 of 3 images scored: Faulty returned" in report.cases[0].reason
    with pytest.raises(CellError, match="the baseline stays as it was, since faulty on Rain"):
        workplace.gating("faulty").update()
    assert workplace.path.read_bytes() == before


def test_a_regression_is_said_even_where_something_else_failed(workplace: Workplace) -> None:
    content = json.loads(workplace.path.read_text())
    content["methods"]["faulty"] = content["methods"]["identity"]
    workplace.path.write_text(json.dumps(content))
    workplace.shift("rain", 1, 1, 1)
    report = workplace.compare("identity", "faulty")
    assert report.exit_code == 1
    assert {row.name: row.verdict for row in report.rows} == {
        "identity": "regression",
        "faulty": "incomplete",
    }


def save_gain(folder: Path, name: str, gain: float) -> Path:
    import torch

    path = folder / f"{name}.ckpt"
    torch.save({"gain": torch.tensor([gain])}, path)
    return path


def test_several_checkpoints_of_one_network_are_ranked_and_gated_each(
    workplace: Workplace,
) -> None:
    gains = {"gain@dim": 0.6, "gain@even": 1.0, "gain@dark": 0.1}
    files = {name: save_gain(workplace.folder, name, gain) for name, gain in gains.items()}
    first = {"gain": files["gain@even"]}
    assert workplace.gating("gain", weights=first).update().verdict == "updated"
    report = workplace.compare(*files, weights=files)
    assert [row.name for row in report.rows] == ["gain@even", "gain@dim", "gain@dark"]
    assert [row.verdict for row in report.rows] == ["pass", "regression", "regression"]
    assert len({row.weights for row in report.rows}) == 3
    assert "gain@even: the same weights as the baseline's" in report.notes
    with pytest.raises(UsageError, match="one checkpoint for each method"):
        workplace.gating(*files, weights=files).update()


def test_weights_replaced_during_a_run_are_not_scored_under_the_old_hash(
    workplace: Workplace,
) -> None:
    file = save_gain(workplace.folder, "one", 1.0)
    gating = workplace.gating("gain@one", weights={"gain@one": file})
    save_gain(workplace.folder, "one", 0.5)
    gating.measure()
    board = gating.session.finish()[0].board
    assert "one.ckpt was changed during the run" in str(board.cell("gain@one", "rain", "psnr"))


def test_counts_are_exact_unless_a_tolerance_says_otherwise(workplace: Workplace) -> None:
    file = {"gain": save_gain(workplace.folder, "one", 1.0)}
    workplace.gating("gain", weights=file).update()
    content = json.loads(workplace.path.read_text())
    cost = content["methods"]["gain"]["cost"]
    assert cost["parameters"] == 1
    cost.update(parameters=2)
    workplace.path.write_text(json.dumps(content))
    case = case_of(workplace.compare("gain", weights=file), "network", "parameters")
    assert (case.verdict, case.change, case.low) == ("improved", -0.5, None)
    cost.update(parameters=0)
    workplace.path.write_text(json.dumps(content))
    case = case_of(workplace.compare("gain", weights=file), "network", "parameters")
    assert case.verdict == "regression"
    report = workplace.gating("gain", weights=file).compare({"parameters": math.inf})
    assert case_of(report, "network", "parameters").verdict == "pass"


def test_times_are_compared_on_the_same_machine_and_measured_again_before_failing(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "restorebench.costs.runtime.ROUND_SECONDS", 1000
    )  # so that calls can be counted
    file = {"gain": save_gain(workplace.folder, "one", 1.0)}
    workplace.gating("gain", weights=file).update()

    def gated(change: dict[str, Any]) -> tuple[Case, int]:
        """Return the case under a changed baseline, and how often the network was timed."""
        content = json.loads(workplace.path.read_text())
        cost = content["methods"]["gain"]["cost"]
        cost["latency"] = cost["latency"] and {**cost["latency"], **change}
        workplace.path.write_text(json.dumps(content))
        name = Catalog.installed([workplace.folder / "plugin.py"]).method("gain").__module__
        sys.modules[name].TIMED.clear()
        report = workplace.compare("gain", weights=file, latency=True)
        calls = len(sys.modules[name].TIMED)
        assert calls % (2 + ROUNDS * REPEATS) == 0
        return case_of(report, "network", "latency"), calls // (2 + ROUNDS * REPEATS)

    case, _ = gated({})
    assert (case.verdict, case.value) == ("not comparable", None)
    assert "the baseline has no Latency 224x224; --update it" in case.reason
    workplace.gating("gain", weights=file, latency=True).update()
    # So far from the truth that no mood of the machine can hide it.
    case, times = gated({"milliseconds": [1e-7, 1.1e-7, 1e-7, 0.9e-7, 1e-7]})
    assert (case.verdict, times) == ("regression", 2)
    case, times = gated({"milliseconds": [1e7, 1.1e7, 1e7, 0.9e7, 1e7]})
    assert (case.verdict, times) == ("improved", 1)
    case, _ = gated({"machine": "another"})
    assert case.verdict == "not comparable"
    assert "other machine: another in the baseline" in case.reason


def test_peak_memory_is_not_guessed_on_a_cpu(workplace: Workplace) -> None:
    with pytest.raises(UsageError, match="gated on CUDA devices only, not on cpu"):
        workplace.compare(memory=True)


def test_a_baseline_is_the_same_bytes_each_time_with_a_line_for_each_image(
    workplace: Workplace,
) -> None:
    before = workplace.path.read_bytes()
    assert "unchanged" in workplace.gating().update().message
    assert workplace.path.read_bytes() == before
    workplace.gating("nl_means").update()
    lines = workplace.path.read_text().splitlines()
    assert sum(line.strip().startswith(('"0": [', '"1": [', '"2": [')) for line in lines) == 12
    content = json.loads(workplace.path.read_text())
    assert list(content["methods"]) == ["identity", "nl_means"]
    entry = content["methods"]["identity"]
    for name in ("protocol", "protocol_hash", "device", "environment", "weights", "code"):
        assert entry[name]
    assert entry["tasks"]["rain"]["count"] == 3
    assert (
        len(entry["tasks"]["rain"]["fingerprint"]) == len(entry["tasks"]["noise"]["inputs"]) == 64
    )


@given(
    st.dictionaries(st.text(), st.tuples(st.floats(allow_nan=False)), min_size=1, max_size=3),
    st.lists(st.text(), max_size=3),
)
def test_any_names_and_numbers_come_back_from_the_file(
    tmp_path_factory: pytest.TempPathFactory, images: dict[str, tuple[float, ...]], words: list[str]
) -> None:
    task = TaskBaseline(
        title="[\n", data="real", fingerprint="f", inputs="", words=tuple(words),
        count=len(images), images=images,
    )  # fmt: skip
    entry = Entry(
        protocol="p", protocol_hash="h", device="cpu", environment="e", precision="float32",
        weights="w", weights_file=None, config="", code="c", words=tuple(words),
        metrics=("psnr",), cost=Cost(), tasks={"one": task},
    )  # fmt: skip
    baseline = Baseline(suite="s@1", methods={"m": entry})
    path = baseline.save(tmp_path_factory.mktemp("baseline") / "b.json")
    assert Baseline.load(path) == baseline
    json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)  # JSON has no infinity


def test_an_infinite_score_is_a_text_and_that_of_old_baselines_is_read(
    workplace: Workplace,
) -> None:
    first = re.compile(r'("0": \[)[0-9.]+')
    whole = workplace.path.read_text()
    workplace.path.write_text(first.sub(r"\1Infinity", whole))
    old = Baseline.load(workplace.path)
    assert old.methods["identity"].tasks["rain"].images["0"][0] == math.inf
    old.save(workplace.path)
    assert workplace.path.read_text() == first.sub(r'\1"Infinity"', whole)
    assert Baseline.load(workplace.path) == old


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"schema_version": 1', '"schema_version": 2', "schema_version"),
        ('"count": 3', '"count": 4', "rain says 4 images and has 3"),
        ('"metrics": ["psnr", "ssim"]', '"metrics": ["psnr"]', "1 numbers are needed"),
        ('"0": [', '"0": ["NaN", 1], "9": [', "rain says 3 images and has 4"),
        ('"suite"', '"sweet"', "suite: Field required"),
        ("{", "[", "is no baseline"),
    ],
)
def test_a_damaged_baseline_is_named(
    workplace: Workplace, old: str, new: str, message: str
) -> None:
    workplace.path.write_text(workplace.path.read_text().replace(old, new, 1))
    with pytest.raises(StoreError, match="is no baseline") as caught:
        workplace.compare()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_check_says_what_must_be_known_of_its_number(workplace: Workplace) -> None:
    workplace.gating("gain", limit=2, untrained=True).update()
    report = workplace.compare("gain", limit=2, untrained=True)
    scores = [case for case in report.cases if case.images is not None]
    assert {(c.extent, c.remarks) for c in scores} == {("limited", "untrained")}
    costs = [case for case in report.cases if case.task == "network"]
    assert {(c.extent, c.remarks) for c in costs} == {("", "untrained")}
    assert case_of(report, "rain").sentence.startswith("gain (untrained) on Rain (limited), PSNR")
    assert {(c.extent, c.remarks) for c in workplace.compare().cases} == {("", "")}


def test_what_was_updated_says_what_its_numbers_rest_on(workplace: Workplace) -> None:
    report = workplace.gating("gain", limit=1, untrained=True).update()
    assert report.message.endswith("written: gain (untrained), 2 images (limited)")
    facts = dict(report.facts)
    assert facts["Protocol"].startswith("airnet@1/")
    assert "limited to 1 of 3 images" in facts["Rain"]
    assert facts["Rain"].startswith("1 image of ")
    assert facts["gain"].startswith("weights untrained")
    assert report.notes == ("gain: untrained: random weights, the numbers mean nothing",)
    whole = workplace.gating().update()
    assert whole.message.endswith("unchanged: identity, 6 images")
    assert whole.notes == ()


def test_a_missing_baseline_says_how_to_make_one(workplace: Workplace) -> None:
    workplace.path.unlink()
    with pytest.raises(StoreError, match="no such baseline; make it with --update"):
        workplace.compare()
