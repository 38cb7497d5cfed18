"""`restorebench audit`, `paper` and `report --published` as real processes, and every table."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from restorebench.errors import BenchError, DataError
from restorebench_benchmarks.commands.audit import audit
from restorebench_benchmarks.commands.paper import paper as paper_command
from restorebench_benchmarks.paper_spec import PaperSpec, TableSpec
from restorebench_benchmarks.paper_table import bibtex_of, paper_table
from restorebench_benchmarks.papers import load_papers, table_of

Cli = Callable[..., subprocess.CompletedProcess[str]]
PAPERS = load_papers()
TABLES = [(paper, table) for paper in PAPERS.values() for table in paper.tables]
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "published.md"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the command line in a process of its own; its output comes back as text."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "restorebench", *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            line, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
        )

    return call


def named(item: PaperSpec | TableSpec) -> str:
    return item.paper if isinstance(item, PaperSpec) else item.name


def test_the_audit_prints_findings_by_rule_with_their_source(cli: Cli) -> None:
    done = cli("audit")
    assert done.returncode == 0, done.stderr
    place = done.stdout.index("ndr_restore V Noise+Rain+Haze, row NAFNet")
    finding = done.stdout[place:].splitlines()[1:4]
    assert [line.split() for line in finding] == [
        ["column", "Average", "ssim"],
        ["printed", "0.8440"],
        ["expected", "0.8840"],
    ]
    assert done.stdout.index("average: 8") < place < done.stdout.index("repeated-pair: 2")


def test_the_audit_as_json_has_all_that_a_reader_needs(cli: Cli) -> None:
    findings = json.loads(cli("audit", "--json").stdout)
    assert {finding["rule"] for finding in findings} >= {"range", "average", "ssim-trend"}
    assert all(finding["expected"] and finding["printed"] for finding in findings)
    [swallowed] = [f for f in findings if f["paper"] == "daair" and f["rule"] == "range"]
    assert swallowed == {
        "rule": "range",
        "paper": "daair",
        "arxiv": "2405.15475",
        "table": "1",
        "row": "LPNet",
        "columns": ["Dehazing SOTS ssim"],
        "printed": ["828"],
        "expected": "below 1",
        "explanation": "an SSIM below 1 is expected, printed is 828",
        "flagged": True,
    }


HEAD = "method,venue,params,dehaze_SOTS,derain_Rain100L,dn15,dn25,dn50,average\n"
HOSTILE = "\x1b[31mX [red],CVPR,1M,30/0.9,30/0.9,30/0.9,30/0.9,30/0.9,35/0.9\n"


def test_a_survey_is_audited_with_the_record_and_its_text_is_not_believed(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "survey.csv").write_text(HEAD + HOSTILE, encoding="utf-8")
    done = cli("audit", "--survey", "survey.csv")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "�[31mX [red], CVPR" in done.stdout
    assert "30.0000" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read (No such file or directory)"),
        (HEAD, "holds no line below its heading"),
        ("method,venue,params,dn15,average\nA,B,1M,30/.9,30/.9\n", "no suite has exactly"),
        (HEAD + "A,B\n", "line 2: no params"),
        ("a\x00b\n\xff", "survey.csv"),
    ],
)
def test_a_survey_that_cannot_be_read_is_one_line(
    tmp_path: Path, text: str | None, message: str
) -> None:
    file = tmp_path / "survey.csv"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        audit(survey=[file])
    assert message in str(caught.value)
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("paper", "spec"), TABLES, ids=named)
def test_a_table_stands_as_printed_and_in_the_papers_order(
    paper: PaperSpec, spec: TableSpec
) -> None:
    table = paper_table(paper, spec)
    shown = [[cell.text for cell in row.cells] for row in table.rows]
    if spec.transposed:
        assert [group.title for group in table.groups] == list(spec.rows)
        assert [row.title for row in table.rows] == list(spec.columns)
        shown = [list(cells) for cells in zip(*shown, strict=True)]
    else:
        assert [row.title for row in table.rows] == list(spec.rows)
        assert [group.title for group in table.groups] == list(spec.columns)
    words = {"~": "", "?": "lost"}
    assert shown == [
        [words.get(cell.printed, cell.printed) for cell in row]
        for row in table_of(paper, spec).rows
    ]


@pytest.mark.parametrize(("paper", "spec"), TABLES, ids=named)
def test_every_flagged_cell_is_marked_with_its_flag(paper: PaperSpec, spec: TableSpec) -> None:
    table = paper_table(paper, spec)
    flagged = sum(bool(cell.flags) for row in table_of(paper, spec).rows for cell in row)
    assert sum(bool(cell.notes) for row in table.rows for cell in row.cells) == flagged
    for flag in spec.flags:
        if any(cell.flags for row in table_of(paper, spec).rows for cell in row):
            assert [note for note in table.notes if flag.note in note]


def test_the_bibliography_has_an_entry_for_every_paper() -> None:
    for paper in PAPERS.values():
        assert bibtex_of(paper.cite).startswith(("@misc{", "@article{"))
    assert bibtex_of("nobody2024") == ""


def written(paper: PaperSpec, number: str, folder: Path, title: str = "t") -> None:
    tables = [paper_table(paper, table) for table in paper.tables if table.id == number]
    for entry in entry_points(group="restorebench.table_renderers"):
        file = folder / f"{paper.paper}_{number}"
        entry.load()(tables, file, title=title, bibtex=bibtex_of(paper.cite))


def test_the_page_escapes_what_it_prints_and_runs_no_script(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    paper = PAPERS["hair"].model_copy(update={"title": evil, "stated": evil})
    written(paper, "1", tmp_path, title=evil)
    text = (tmp_path / "hair_1.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert evil in html.unescape(text)
    assert "lost between the PDF and the text" in text
    assert "@misc{cao2024hair," in text
    assert not re.search(r"https?:|\bsrc=|@import|url\(|<link", text)


@pytest.mark.slow
def test_every_table_compiles_and_cites_its_source(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not on PATH")
    for paper, number in dict.fromkeys((p.paper, t.id) for p, t in TABLES):
        written(PAPERS[paper], number, tmp_path)
        file = f"{paper}_{number}.tex"
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file],
            cwd=tmp_path,
            capture_output=True,
            timeout=120,
            check=False,
        )
        log = done.stdout.decode(errors="replace")
        assert done.returncode == 0, log[-2000:]
        assert not re.findall(r"(?:Overfull|Float too large).*", log), file
        auxiliary = (tmp_path / f"{paper}_{number}.aux").read_text(encoding="utf-8")
        assert rf"\citation{{{PAPERS[paper].cite}}}" in auxiliary
    assert len(list(tmp_path.glob("*.pdf"))) == 28


def test_the_command_prints_a_table_and_writes_its_files(cli: Cli, tmp_path: Path) -> None:
    done = cli("paper", "hair", "--table", "3", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("(a) Dehazing") < done.stdout.index("(b) Deraining")
    assert "27.59" in done.stdout
    assert "psnr-column: below the same row's σ=25" in done.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "hair_3.html",
        "hair_3.md",
        "hair_3.tex",
        "references.bib",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({}, 2, "name a paper"),
        ({"name": "hiar"}, 2, "no paper is called 'hiar'. Did you mean 'hair'?"),
        ({"name": "hair", "table": "7"}, 2, "no table of hair is called '7'"),
        ({"name": "daair", "table": "5"}, 5, "table 5 of daair: memory"),
        ({"name": "hair", "run": [Path("nowhere")]}, 4, "nowhere"),
    ],
)
def test_a_table_that_is_not_there_is_one_line(
    arguments: dict[str, Any], code: int, message: str
) -> None:
    with pytest.raises(BenchError) as caught:
        paper_command(**arguments)
    assert caught.value.exit_code == code
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sample_is_set_beside_the_papers_without_any_difference(cli: Cli, tmp_path: Path) -> None:
    command = ("run", "--suite", "three_deg", "--data", "sample", "--limit", "1", "-m", "identity")
    assert cli(*command, "--out", "run").returncode == 0
    done = cli("report", "run", "--published", "-o", "tables")
    assert done.returncode == 0, done.stderr
    assert "Nothing printed: for Degraded input" in done.stdout
    assert "Printed, not measured" in done.stdout
    assert "tables/published.csv" in done.stdout
    table = pd.read_csv(tmp_path / "tables" / "published.csv")
    assert set(table["verdict"]) == {"published only", "not comparable"}
    assert set(table["reason"]) == {
        "not measured in this run",
        "lost between the PDF and the text",
    }
    assert table["delta"].isna().all()


def test_the_list_names_lost_tables(cli: Cli) -> None:
    done = cli("paper", "--list")
    assert done.returncode == 0, done.stderr
    assert "lost: nothing of it is in the text" in re.sub(r"\s+", " ", done.stdout)
    assert done.stdout.count("ndr_restore") == 17


def test_the_documents_example_is_a_paper(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "paper.yaml").write_text(text, encoding="utf-8")
    paper = PaperSpec.read(tmp_path / "paper.yaml")
    [row] = table_of(paper, paper.tables[0]).rows
    assert [cell.printed for cell in row] == ["12M", "38.10", ".981", "?", "?", "34.65"]
    assert "average" in row[-1].flags
    assert paper_table(paper, paper.tables[0]).rows[0].title == "Mine (ours)"


def test_the_audit_is_written_as_tables(cli: Cli, tmp_path: Path) -> None:
    done = cli("audit", "-o", "out")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out/audit.tex").read_text(encoding="utf-8")
    assert r"the 4 psnr cells average 29.5225, printed is 29.51" in text
    assert text.count("---- table begins") == 6
    assert "29.5225" in (tmp_path / "out/audit.html").read_text(encoding="utf-8")
