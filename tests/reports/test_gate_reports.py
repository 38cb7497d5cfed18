"""What a gate writes for other programs, read back by theirs where there is one."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import junitparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from restorebench.board.table import printable
from restorebench.catalog import Catalog
from restorebench.gate.report import EXIT_CODES, Case, GateReport, RowVerdict, Verdict, error_report
from restorebench.terminal import print_gate
from restorebench_reports import gate_github
from restorebench_reports.gate_github import workflow_commands
from restorebench_reports.gate_gitlab import metrics
from restorebench_reports.gate_junit import junit
from restorebench_reports.gate_markdown import markdown

from .boards import HOSTILE

SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="([^"\\\n]|\\.)*"(,[a-z]+="([^"\\\n]|\\.)*")*\})? \S+')
JUDGED: tuple[Verdict, ...] = (
    "regression", "incomplete", "not comparable", "inconclusive", "improved", "pass",
)  # fmt: skip


def case(verdict: Verdict, **changes: Any) -> Case:
    """A PSNR that fell by 0.1 dB, with a verdict."""
    given = {
        "row": "hair@new", "task": "rain", "title": "Rain100L", "metric": "psnr",
        "metric_title": "PSNR", "unit": "dB", "digits": 2, "higher_is_better": True,
        "value": 30.0, "baseline": 30.1, "change": -0.1, "low": -0.15, "high": -0.05,
        "images": 100, "tolerance": 0.02, "reason": "why",
    }  # fmt: skip
    return Case.model_validate({**given, "verdict": verdict, **changes})


def report_of(*cases: Case) -> GateReport:
    """A report of some cases, whose verdict is the first one's."""
    names = dict.fromkeys(c.row for c in cases)
    return GateReport(
        verdict=cases[0].verdict,
        exit_code=EXIT_CODES[cases[0].verdict],
        suite="three_deg@1",
        baseline="baselines/three_deg.json",
        facts=(("Protocol", "airnet@1 (b17b556d89bf)"), ("Rain100L", "100 images, data 0123")),
        notes=("hair@new: untrained",),
        rows=tuple(
            RowVerdict(name=n, weights="ab" * 32, weights_file=None, verdict="pass", words=())
            for n in names
        ),
        cases=cases,
    )


def parsed(report: GateReport, folder: Path) -> list[junitparser.TestCase]:
    path = folder / "junit.xml"
    path.write_text(junit(report), encoding="utf-8")
    xml = junitparser.JUnitXml.fromfile(str(path))
    assert isinstance(xml, junitparser.JUnitXml)
    found = [c for suite in xml for c in suite]
    results = [r for c in found for r in c.result]
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (
        len(found),
        sum(isinstance(r, junitparser.Failure) for r in results),
        sum(isinstance(r, junitparser.Error) for r in results),
        sum(isinstance(r, junitparser.Skipped) for r in results),
    )
    return found


def test_junit_has_a_case_for_each_check_and_tells_all_verdicts_apart(tmp_path: Path) -> None:
    cases = [case(v, metric=m) for v in JUDGED for m in ("psnr", "ssim")]
    found = parsed(report_of(*cases), tmp_path)
    assert [c.name for c in found] == ["psnr", "ssim"] * 6
    assert {c.classname for c in found} == {"three_deg@1.hair@new.rain"}
    kinds = [[type(r).__name__ for r in c.result] for c in found[::2]]
    assert kinds == [["Failure"], ["Error"], ["Error"], ["Skipped"], [], []]
    for judged, read in zip(cases, found, strict=True):
        assert f": {judged.verdict}: " in str(read.system_out)
        assert judged.sentence in str(read.system_out)
    assert "30.10 -> 30.00 dB, change -0.100 [-0.150, -0.050] over 100 images" in str(
        found[0].result[0].message
    )


@pytest.mark.parametrize("code", [2, 3, 4, 5, 130])
def test_every_ending_is_an_error_with_its_word_in_every_output(code: int, tmp_path: Path) -> None:
    report = error_report(code, "what was wrong")
    (found,) = parsed(report, tmp_path)
    assert [r.type for r in found.result] == [report.verdict]
    assert f"{report.verdict}: what was wrong" in markdown(report)
    assert f'restorebench_gate_verdict{{verdict="{report.verdict}"}} 1' in metrics(report)
    assert f"restorebench_gate_exit_code {code}\n" in metrics(report)
    (line,) = workflow_commands(report)
    assert line == f"::error title=gate {report.verdict}::what was wrong"
    assert json.loads(report.save(tmp_path).read_text())["verdict"] == report.verdict


def test_what_was_updated_is_no_error(tmp_path: Path) -> None:
    facts, notes = (("Rain100L", "1 image, data 0123; limited to 1 of 100"),), ("hair: untrained",)
    report = GateReport(
        verdict="updated", exit_code=0, message="baseline.json written", facts=facts, notes=notes
    )
    assert parsed(report, tmp_path)[0].result == []
    assert workflow_commands(report)[0].startswith("::notice")
    assert "✅ Gate: updated" in markdown(report)
    assert "interval" not in markdown(report)
    console = Console(width=200, record=True, force_terminal=False)
    with console.capture() as captured:
        print_gate(report, console)
    for text in (markdown(report), captured.get()):
        assert "hair: untrained" in text
        assert "1 image, data 0123; limited to 1 of 100" in text


def test_github_gets_ten_annotations_at_most_the_worst_first() -> None:
    cases = [case("pass"), case("inconclusive"), *[case("regression") for _ in range(15)]]
    lines = workflow_commands(report_of(*cases))
    assert len(lines) == 10
    assert all(line.startswith("::error title=regression%3A hair@new::") for line in lines[:9])
    assert lines[9] == "::notice title=gate::and 7 more; see the summary"
    assert workflow_commands(report_of(case("inconclusive")))[0].startswith("::warning ")
    assert workflow_commands(report_of(case("pass"))) == []


def test_github_is_written_to_only_where_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    report = report_of(case("regression"))
    assert gate_github.render(report, tmp_path) == []
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    gate_github.render(report, tmp_path)
    assert capsys.readouterr().out.startswith("::error title=regression%3A hair@new::")
    assert (tmp_path / "summary.md").read_text() == "before\n" + markdown(report)


def test_metrics_are_samples_of_one_family_after_another() -> None:
    cases = [
        case("regression"),
        case("pass", metric="ssim", value=float("inf"), change=float("nan")),
        case("pass", task="noise"),
        case("incomplete", value=None, change=None, low=None, high=None),
    ]
    lines = metrics(report_of(*cases)).splitlines()
    assert lines[-1] == "# EOF"
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(set(families)) == len(families)
    assert 'restorebench_psnr{method="hair@new",task="noise"} 30.0' in lines
    assert 'restorebench_psnr_change{method="hair@new",task="rain"} -0.1' in lines
    assert 'restorebench_ssim{method="hair@new",task="rain"} +Inf' in lines
    assert 'restorebench_ssim_change{method="hair@new",task="rain"} NaN' in lines
    assert sum("restorebench_psnr{" in line for line in lines) == 2


def test_what_must_be_said_of_a_number_stands_beside_it_in_every_format(tmp_path: Path) -> None:
    said = {"extent": "sample, limited", "remarks": "small, trained by restorebench"}
    told = case("regression", title="Rain100L (sample, limited)", **said)
    report = report_of(told, case("pass", row="hair@whole"))
    lines = metrics(report).splitlines()
    labels = 'extent="sample, limited",remarks="small, trained by restorebench"'
    assert f'restorebench_psnr{{method="hair@new",task="rain",{labels}}} 30.0' in lines
    assert f'restorebench_psnr_change{{method="hair@new",task="rain",{labels}}} -0.1' in lines
    assert 'restorebench_psnr{method="hair@whole",task="rain"} 30.0' in lines
    fact = 'restorebench_gate_basis_info{about="Rain100L",text="100 images, data 0123"} 1'
    assert lines.count(fact) == 1
    sentence = "hair@new (small, trained by restorebench) on Rain100L (sample, limited), PSNR"
    assert told.sentence.startswith(f"{sentence}: regression: 30.10 -> 30.00 dB")
    assert told.sentence in str(parsed(report, tmp_path)[0].system_out)
    assert sentence in markdown(report)
    assert sentence in workflow_commands(report)[0]
    for suite in ET.fromstring(junit(report)):
        known = {(p.get("name"), p.get("value")) for p in suite.iter("property")}
        assert ("Protocol", "airnet@1 (b17b556d89bf)") in known
        assert ("note", "hair@new: untrained") in known


def test_an_infinite_number_is_no_missing_one_in_json(tmp_path: Path) -> None:
    perfect = case("improved", value=math.inf, change=math.inf, low=math.nan, high=math.nan)
    text = report_of(perfect).save(tmp_path).read_text(encoding="utf-8")
    (found,) = json.loads(text, parse_constant=pytest.fail)["cases"]
    names = ("value", "change", "low", "high", "baseline")
    assert [found[name] for name in names] == ["Infinity", "Infinity", None, None, 30.1]


@given(st.text() | st.sampled_from(HOSTILE), st.sampled_from(JUDGED))
def test_no_text_can_break_out_of_any_format(text: str, verdict: Verdict) -> None:
    given = dict.fromkeys(("row", "task", "title", "metric_title", "extent", "remarks"), text)
    hostile = case(verdict, **given, reason=text)
    report = report_of(hostile).model_copy(update={"notes": (text,), "facts": ((text, text),)})
    xml = junitparser.JUnitXml.fromstring(junit(report))
    (suite,) = xml
    (found,) = suite
    # XML itself turns nothing else: what is printable stands there as it is.
    assert found.classname == printable(f"three_deg@1.{text}.{text}")
    for line in metrics(report).splitlines():
        assert line.startswith("# ") or SAMPLE.fullmatch(line), line
    assert all(line.isprintable() for line in workflow_commands(report))
    page = markdown(report)
    assert "<script" not in page
    assert "<img" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert len(re.findall(r"(?<!\\)\|", rows[2])) == 9


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_terminal_cuts_no_number(width: int) -> None:
    console = Console(width=width, record=True, force_terminal=False)
    ssim = {"metric": "ssim", "metric_title": "SSIM", "unit": "", "digits": 4}
    low = case("not comparable", **ssim, change=-0.01234, low=-0.04321, high=-0.00123)
    with console.capture() as captured:
        print_gate(report_of(low, case("inconclusive", low=float("-inf"))), console)
    table = captured.get().partition("hair@new on")[0]
    assert "…" not in table
    for number in ("-0.01234", "[-0.04321,", "-0.00123]", "[-∞,", "30.10"):
        assert number in table


def test_all_renderers_are_installed(tmp_path: Path) -> None:
    catalog = Catalog.installed()
    renderers = {n: catalog.renderer(n, "gate_renderers") for n in catalog.names("gate_renderers")}
    assert set(renderers) >= {"github", "gitlab", "junit", "markdown"}
    files = [f for render in renderers.values() for f in render(report_of(case("pass")), tmp_path)]
    assert {f.name for f in files} >= {"gate.junit.xml", "gate.md", "gate.metrics.txt"}
