"""The published record stands as printed, holds together, and says where each number is from."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.board.references import entries_in
from restorebench.errors import DataError, SpecError
from restorebench.published import AVERAGE, Published
from restorebench_benchmarks import REFERENCES
from restorebench_benchmarks.paper_spec import PaperSpec, TableSpec
from restorebench_benchmarks.papers import (
    load_papers,
    load_published,
    number,
)
from restorebench_benchmarks.survey import read_survey

SHARED = Path(__file__).resolve().parents[3] / "shared"
PAPERS = load_papers()
TABLES = [(paper, table) for paper in PAPERS.values() for table in paper.tables]
CELLS = [cell for table in load_published() for row in table.rows for cell in row]

PRINTED_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.\d+|\.\d+|\d+)[MGs]?(?![\w.])")


@pytest.fixture(scope="session")
def papers() -> Path:
    """The folder of the papers' texts; the test is skipped where it is absent."""
    folder = SHARED / "papers"
    if not folder.is_dir():
        pytest.skip("the folder of the papers' texts does not lie beside the project")
    return folder


def named(item: PaperSpec | TableSpec) -> str:
    return item.paper if isinstance(item, PaperSpec) else item.name


@pytest.mark.parametrize(
    ("paper", "ids", "rows", "numbers"),
    [
        ("hair", "1 2 3 3 3 4 5 6", 68, 481),
        ("daair", "1 2 3 4", 30, 279),
        ("anyir", "1 2 3 3 3 4 5 6 7", 56, 362),
        ("ndr_restore", "I II III IV V V V V VI VI VI VI VII VIII IX X IV-D", 89, 623),
    ],
)
def test_every_table_of_a_paper_is_there(paper: str, ids: str, rows: int, numbers: int) -> None:
    tables = PAPERS[paper].tables
    assert [table.id for table in tables] == ids.split()
    assert sum(len(table.rows) for table in tables) == rows
    assert sum(c.paper == paper and c.value is not None for c in CELLS) == numbers


def test_tables_that_the_text_lost_are_named() -> None:
    assert [*PAPERS["daair"].lost] == ["3 (a) Dehazing", "3 (b) Deraining", "5"]


@pytest.mark.parametrize(("paper", "table"), TABLES, ids=named)
def test_the_cells_stand_in_the_text_in_the_order_of_the_paper(
    paper: PaperSpec, table: TableSpec, papers: Path
) -> None:
    text = (papers / f"{paper.paper.replace('_', '-')}.txt").read_text(encoding="utf-8")
    lines = [_plain(line) for line in text.split("\n")]
    for label, cells in _printed_lines(paper, table):
        values = PRINTED_NUMBER.findall(" ".join(cells))
        found = [line for line in lines if label in line and _holds(line, values)]
        assert found, f"{paper.paper} {table.name}: no line has {label!r} with {values}"


def _printed_lines(paper: PaperSpec, table: TableSpec) -> list[tuple[str, list[str]]]:
    """Return the cells that the text has in place, and what their line begins with."""
    name = f"{paper.paper} {table.name}"
    rows = next(t.rows for t in load_published() if t.source == name)
    in_place = [[c for c in row if not {"lost", "shifted"} & {*c.flags}] for row in rows]
    if table.transposed:
        turned = zip(*in_place, strict=True)
        return [(cells[0].heading.split(" (")[0], [c.printed for c in cells]) for cells in turned]
    return [(cells[0].row, [c.printed for c in cells]) for cells in in_place]


def _plain(line: str) -> str:
    return re.sub(r"\s*\[\d+\]|</?[bu]>|\\|\*\*", "", line).replace("∗", "*")


def _holds(line: str, values: list[str]) -> bool:
    there = PRINTED_NUMBER.findall(line)
    starts = range(len(there) - len(values) + 1)
    return any(there[start : start + len(values)] == values for start in starts)


def test_a_mean_follows_from_its_row_unless_it_is_flagged() -> None:
    """Computed in decimals and apart from the audit."""
    checked = 0
    for table in load_published():
        for row in table.rows:
            for mean in (c for c in row if c.task == AVERAGE and c.value is not None):
                cells = [
                    c for c in row if c.metric == mean.metric and c.task not in (None, AVERAGE)
                ]
                values = [Decimal(c.printed) for c in cells if c.value is not None]
                if len(values) < 2 or {"lost", "range"} & {f for c in cells for f in c.flags}:
                    continue
                printed = Decimal(mean.printed)
                unit = Decimal(1).scaleb(int(printed.as_tuple().exponent))
                holds = abs(sum(values, Decimal()) / len(values) - printed) <= unit
                assert holds is ("average" not in mean.flags), (table.source, mean.row)
                checked += 1
    assert checked == 193


def test_the_means_of_the_noise_levels_follow_from_another_table() -> None:
    levels: dict[tuple[str, str], list[Decimal]] = {}
    for cell in (c for c in CELLS if c.paper == "anyir" and c.value is not None):
        if cell.table == "1" and cell.task is not None and cell.task.startswith("bsd68"):
            levels.setdefault((cell.method, cell.metric), []).append(Decimal(cell.printed))
    means = [c for c in CELLS if c.task == "average_denoise" and (c.method, c.metric) in levels]
    assert len(means) == 4
    for mean in means:
        values = levels[mean.method, mean.metric]
        assert abs(sum(values, Decimal()) / 3 - Decimal(mean.printed)) <= Decimal("0.01")


@pytest.mark.parametrize(("paper", "table"), TABLES, ids=named)
def test_a_copied_row_agrees_with_its_origin(paper: PaperSpec, table: TableSpec) -> None:
    for origin, rows in table.copied_from.items():
        for row in rows:
            here = [c for c in CELLS if (c.paper, c.table, c.row) == (paper.paper, table.name, row)]
            assert here[0].copied_from is not None
            there = [c for c in CELLS if c.source == origin and c.method == here[0].method]
            shared = [
                (one, other)
                for one in here
                for other in there
                if (one.task, one.metric) == (other.task, other.metric) and one.value is not None
                if other.value is not None
            ]
            assert len(shared) >= 2
            assert all(one.agrees_with(other) for one, other in shared), (origin, row)


def test_every_paper_is_cited_with_its_arxiv_number() -> None:
    entries = entries_in(REFERENCES.read_text(encoding="utf-8"))
    for paper in PAPERS.values():
        eprint = re.search(r"eprint\s*= \{(.*)\}", entries[paper.cite])
        assert (eprint[1] if eprint else None) == paper.arxiv


def one(**wanted: object) -> Published:
    [cell] = [c for c in CELLS if all(getattr(c, name) == v for name, v in wanted.items())]
    return cell


def test_a_cell_knows_where_it_is_from() -> None:
    cell = one(paper="hair", table="2", row="Restormer*", task="rain100l", metric="ssim")
    assert (cell.printed, cell.value, cell.half_unit) == (".962", 0.962, 0.0005)
    assert (cell.method, cell.setting, cell.protocol) == ("Restormer", "five_deg", "airnet")
    assert (cell.arxiv, cell.copied_from) == ("2408.08091", "daair 2")


def test_a_lost_cell_is_no_number_and_says_so() -> None:
    cell = one(paper="hair", table="1", row="HAIR (ours)", task=AVERAGE, metric="psnr")
    assert (cell.printed, cell.value, cell.flags) == ("?", None, ("lost",))


def test_a_missing_decimal_point_stays_missing() -> None:
    cell = one(paper="daair", table="1", row="LPNet", task="sots_outdoor", metric="ssim")
    assert (cell.printed, cell.flags) == ("828", ("range",))


def test_a_dash_stands_for_all_metrics_of_its_column() -> None:
    cells = [c for c in CELLS if c.source == "ndr_restore V Rain+Haze" and c.task == "bsd68_s15"]
    assert [cell.printed for cell in cells] == ["-"] * 10


def test_variants_in_an_ablation_are_not_taken_for_one_another() -> None:
    methods = {(cell.source, cell.method) for cell in CELLS if cell.row == "(b)"}
    assert methods == {
        ("anyir 5", "AnyIR (b)"),
        ("daair 4", "DaAIR (b)"),
        ("hair 4", "HAIR (b)"),
    }


@given(st.integers(0, 99999), st.integers(0, 4), st.sampled_from(["", "M", "G", "s"]))
def test_a_printed_number_lies_within_half_its_last_digit(
    digits: int, places: int, unit: str
) -> None:
    exact = Decimal(digits).scaleb(-places)
    value, half = number(f"{exact:.{places}f}{unit}")
    scale = {"M": 10**6, "G": 10**9}.get(unit, 1)
    assert value == pytest.approx(float(exact * scale), rel=1e-12)
    assert half == pytest.approx(0.5 * 10**-places * scale, rel=1e-12)


@pytest.mark.parametrize("printed", ["-", "?", "~", "✓", "CNN", "16M+17M", ".", "1.2.3", "M"])
def test_what_is_no_number_has_no_value(printed: str) -> None:
    assert number(printed) == (None, 0.0)


TABLE = """
paper: mine
title: t
cite: c
version: v
stated: s
tables:
  - id: "1"
    title: t
    setting: three_deg
    columns:
      Params.: params
      Rain: rain100l psnr/ssim
    rows:
      Mine: "{row}"
    flags:
      - {{row: {flagged}, flags: [{flag}], note: n}}
"""


@pytest.mark.parametrize(
    ("row", "flagged", "flag", "message"),
    [
        ("1M 33.1/.91 3", "Mine", "label", "row 'Mine' has 3 cells for 2 columns"),
        ("1M 33.1", "Mine", "label", "row 'Mine': '33.1' is not psnr/ssim"),
        ("1M 33.1/.91", "Yours", "label", "there is no row 'Yours'"),
        ("1M 33.1/.91", "Mine", "lable", "Did you mean 'label'?"),
    ],
)
def test_a_wrong_transcription_is_refused_with_its_place(
    tmp_path: Path, row: str, flagged: str, flag: str, message: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TABLE.format(row=row, flagged=flagged, flag=flag), encoding="utf-8")
    with pytest.raises(SpecError, match=r"mine\.yaml:\d+:\d+: ") as caught:
        PaperSpec.read(file)
    assert message in str(caught.value)


SURVEY = """type,method,venue,params,dehaze_SOTS,average,approach
Single,LPN,CVPR'19,3M,20.84/0.828,23.64/0.738,Specific
All-in-One,AnyIR,arXiv'24,6M,31.38 / 0.979,32.51 / 0.916,gated
All-in-One,AnyIR,arXiv'25,-,31.75/0.981,32.83/0.920,gated
"""


def test_a_survey_is_read_by_method_and_version(tmp_path: Path) -> None:
    file = tmp_path / "leaderboard.csv"
    file.write_text(SURVEY, encoding="utf-8")
    table = read_survey(file, setting="three_deg")
    assert [row[0].method for row in table.rows] == ["LPNet", "AnyIR", "AnyIR (arXiv'25)"]
    assert [cell.printed for cell in table.rows[1]] == ["6M", "31.38", "0.979", "32.51", "0.916"]
    assert [cell.task for cell in table.rows[1]][1:3] == ["sots_outdoor"] * 2
    assert table.source == "survey leaderboard"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method,params,average\nA,1M,30/0.9\n", "line 2: no venue"),
        ("method,venue,params,dn15\nA,x,1M,30/0.9\n", "line 2: no average"),
        ("method,venue,params,dn15,average\nA,x,1M\n", "line 2: no dn15, average"),
    ],
)
def test_a_survey_without_a_column_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "survey.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_survey(file, setting="three_deg")


def test_a_survey_that_is_not_there_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_survey(tmp_path / "nofile.csv", setting="three_deg")
    assert str(caught.value) == (
        f"{tmp_path / 'nofile.csv'} cannot be read (No such file or directory); "
        "give the CSV file of a survey's leaderboard"
    )
