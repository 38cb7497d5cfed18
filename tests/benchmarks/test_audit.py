"""The audit finds what a careful reader finds, in the record and in a survey, and little else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.published import AVERAGE, Published
from restorebench_benchmarks.audit import audit
from restorebench_benchmarks.finding import Finding
from restorebench_benchmarks.papers import Table, load_published, number
from restorebench_benchmarks.survey import read_survey

SHARED = Path(__file__).resolve().parents[3] / "shared"
RECORD = load_published()
FINDINGS = audit(RECORD)


@pytest.fixture(scope="session")
def leaderboards() -> tuple[Table, ...]:
    """A survey's two leaderboards; the test is skipped where they are absent."""
    folder = SHARED / "papers"
    if not folder.is_dir():
        pytest.skip("the folder with the survey's leaderboards does not lie beside the project")
    return (
        read_survey(folder / "published_3deg.csv", setting="three_deg"),
        read_survey(folder / "published_5deg.csv", setting="five_deg"),
    )


def rows(findings: Sequence[Finding], rule: str) -> list[str]:
    return [f"{f.cells[0].source} | {f.row}" for f in findings if f.rule == rule]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("range", ["anyir 1 | LPNet", "daair 1 | LPNet"]),
        (
            "average",
            [
                "ndr_restore V Noise+Haze | MPRNet",
                "ndr_restore V Noise+Haze | Ours",
                "ndr_restore V Noise+Haze | Ours",
                "ndr_restore V Noise+Rain+Haze | NAFNet",
                "ndr_restore V Noise+Rain+Haze | Restormer",
                "ndr_restore V Noise+Rain+Haze | Restormer",
                "ndr_restore VI Noise+Haze | Restormer",
                "ndr_restore VI Rain+Haze | Ours",
            ],
        ),
        ("repeated-pair", ["anyir 3 (a) Dehazing | FDGAN", "ndr_restore I | DnCNN"]),
        ("psnr-column", ["hair 3 (c) Denoising | IRCNN", "ndr_restore I | IRCNN"]),
        ("ssim-trend", ["anyir 3 (b) Deraining | LPNet", "ndr_restore IX | w/o DI"]),
        ("swapped", []),
        ("neighbour", []),
        (
            "sources-differ",
            [
                "anyir 1 | MPRNet",
                "anyir 3 (b) Deraining | LPNet",
                "anyir 3 (b) Deraining | AirNet",
                "anyir 3 (c) Denoising | CBM3D",
                "anyir 3 (c) Denoising | DnCNN",
                "hair 1 | Restormer",
                "hair 3 (a) Dehazing | Restormer",
                "hair 3 (b) Deraining | Restormer",
            ],
        ),
    ],
)
def test_the_faults_of_the_papers_are_found_and_nothing_else(
    rule: str, expected: list[str]
) -> None:
    assert rows(FINDINGS, rule) == expected


def test_every_fault_inside_a_paper_is_flagged_in_the_record_and_found_in_it() -> None:
    found = set()
    for finding in (f for f in FINDINGS if f.rule != "sources-differ"):
        # A trend finding shows the PSNR too; what it doubts is the SSIM.
        about = finding.cells[:1] if finding.rule == "ssim-trend" else finding.cells
        found |= {(finding.rule, c.source, c.row, c.heading, c.metric) for c in about}
    readings = {"lost", "shifted", "label", "uncounted", "sources-differ"}
    flagged = {
        (flag, c.source, c.row, c.heading, c.metric)
        for table in RECORD
        for row in table.rows
        for c in row
        for flag in c.flags
        if flag not in readings
    }
    assert found == flagged


def test_a_finding_says_where_what_and_from_which_source() -> None:
    [finding] = [f for f in FINDINGS if f.rule == "average" and f.row == "NAFNet"]
    assert (finding.paper, finding.table) == ("ndr_restore", "V Noise+Rain+Haze")
    assert (finding.columns, finding.values) == (("Average ssim",), ("0.8440",))
    assert finding.explanation == "the 5 ssim cells average 0.8840, printed is 0.8440"
    assert str(finding) == (
        "ndr_restore V Noise+Rain+Haze, NAFNet, Average ssim: "
        "the 5 ssim cells average 0.8840, printed is 0.8440 [average]"
    )
    differ = next(f for f in FINDINGS if f.rule == "sources-differ" and f.row == "AirNet")
    assert differ.source == "anyir 3 (b) Deraining (arXiv 2407.13372)"
    assert differ.explanation == (
        "AirNet in derain: 1 of 2 shared columns differ: rain100l ssim "
        ".977 (anyir 3 (b) Deraining, hair 3 (b) Deraining) / 0.9660 (ndr_restore II)"
    )


def test_the_means_of_a_survey_that_do_not_follow_are_found(
    leaderboards: tuple[Table, ...],
) -> None:
    found = [f for f in audit(leaderboards) if f.rule == "average"]
    assert {f"{f.table}: {f.row}" for f in found} == {
        "published_3deg: Restormer, CVPR'22",
        "published_3deg: NAFNet, ECCV'22",
        "published_3deg: FSNet, TPAMI'23",
        "published_3deg: Art_PromptIR, ACM MM'24",
        "published_3deg: MEASNet, arXiv'24",
        "published_5deg: Retinexformer, ICCV'23",
        "published_5deg: PIP_Restormer, arXiv'23",
        "published_5deg: DSwinIR, arXiv'25",
        "published_5deg: MIRAGE, arXiv'25",
    }


def test_a_swap_that_the_mean_cannot_show_is_found_by_comparison(
    leaderboards: tuple[Table, ...],
) -> None:
    found = audit([*RECORD, *leaderboards])
    assert rows(found, "swapped") == [
        "survey published_5deg | Art_PromptIR, ACM MM'24",
        "survey published_5deg | InstructIR-5D, ECCV'24",
    ]
    assert not [f for f in found if f.rule == "average" and f.row.startswith("InstructIR-5D")]
    swap = [f for f in found if f.rule == "swapped"][-1]
    assert swap.values == ("36.84", "0.973", "27.10", "0.956")


@pytest.mark.parametrize(
    ("rule", "row"),
    [
        ("neighbour", "Restormer, CVPR'22"),
        ("psnr-column", "Art_PromptIR, ACM MM'24"),
        ("ssim-trend", "CyclicPrompt, arXiv'25"),
        ("ssim-trend", "FSNet, TPAMI'23"),
    ],
)
def test_known_faults_of_a_survey_are_found(
    leaderboards: tuple[Table, ...], rule: str, row: str
) -> None:
    assert row in {f.row for f in audit(leaderboards) if f.rule == rule}


def test_the_survey_differs_from_the_papers_it_quotes(leaderboards: tuple[Table, ...]) -> None:
    found = [f for f in audit([*RECORD, *leaderboards]) if f.rule == "sources-differ"]
    [nafnet] = [f for f in found if f.row == "NAFNet"]
    assert (
        "bsd68_s15 psnr 33.03 (ndr_restore V Noise+Rain+Haze) / 33.18 (survey" in nafnet.explanation
    )


def test_a_survey_raises_few_alarms(leaderboards: tuple[Table, ...]) -> None:
    counts = Counter(f.rule for f in audit(leaderboards))
    assert counts.total() <= 30  # of 94 rows with 1,128 scores


def reprinted(
    source: str, row: str, values: dict[tuple[str, str], str], tables: Sequence[Table] = RECORD
) -> list[Table]:
    """Return the record with some cells of one row printed otherwise."""

    def reprint(cell: Published) -> Published:
        printed = values.get((cell.task or "", cell.metric))
        if cell.source != source or cell.row != row or printed is None:
            return cell
        value, half_unit = number(printed)
        return replace(cell, printed=printed, value=value, half_unit=half_unit)

    return [
        Table(table.source, tuple(tuple(reprint(c) for c in r) for r in table.rows))
        for table in tables
    ]


def new(tables: Sequence[Table]) -> set[tuple[str, str]]:
    """Return rule and row of what the audit finds beyond the record's own faults."""
    known = {(f.rule, f.explanation) for f in FINDINGS}
    found = (f for f in audit(tables) if f.rule != "sources-differ")
    return {(f.rule, f.row) for f in found if (f.rule, f.explanation) not in known}


def test_a_cell_that_repeats_its_neighbour_is_found() -> None:
    """As PromptIR's table 1 printed it, by the mean that stands there and by the tie."""
    tables = reprinted("daair 1", "BRDNet", {("bsd68_s50", "ssim"): ".836"})
    found = new(tables)
    assert ("average", "BRDNet") in found
    assert ("ssim-trend", "BRDNet") in found
    assert ("neighbour", "BRDNet") in found


def test_an_equal_psnr_in_neighbouring_columns_is_found() -> None:
    tables = reprinted("hair 2", "HAIR (ours)", {("gopro", "psnr"): "23.12"})
    assert ("neighbour", "HAIR (ours)") in new(tables)


def test_a_mistyped_ssim_is_found_without_a_mean() -> None:
    """As PromptIR's table 1 printed it: .391 for .931, with the mean left out."""
    values = {("sots_outdoor", "ssim"): ".391", (AVERAGE, "ssim"): "-"}
    assert new(reprinted("daair 1", "DL", values)) == {("ssim-trend", "DL")}


@pytest.mark.parametrize("row", ["NAFNet*", "DGUNet*", "IDR", "DaAIR (ours)"])
def test_exchanged_pairs_are_found(row: str) -> None:
    [cells] = [r for t in RECORD if t.source == "daair 2" for r in t.rows if r[0].row == row]
    other = {"sots_outdoor": "rain100l", "rain100l": "sots_outdoor"}
    values: dict[tuple[str, str], str] = {
        (other[c.task], c.metric): c.printed for c in cells if c.task in other
    }
    assert ("swapped", row) in new(reprinted("daair 2", row, values))


def test_unequal_sizes_of_one_network_are_found_across_settings() -> None:
    tables = reprinted("anyir 4", "PromptIR", {("", "params"): "32.96M"})
    [finding] = [f for f in audit(tables) if f.columns == ("Params. params",)]
    assert finding.rule == "sources-differ"
    assert "36M" in finding.explanation
    assert "32.96M (anyir 4)" in finding.explanation


scores = st.lists(st.integers(1500, 4500), min_size=2, max_size=6)


def table_of(cells: Sequence[int], mean: str) -> Table:
    printed = {f"task{place}": f"{cell / 100:.2f}" for place, cell in enumerate(cells)}
    template = RECORD[0].rows[0][0]
    row = []
    for task, text in {**printed, AVERAGE: mean}.items():
        value, half_unit = number(text)
        row.append(
            replace(
                template,
                task=task,
                heading=task,
                metric="psnr",
                printed=text,
                value=value,
                half_unit=half_unit,
            )
        )
    return Table("made up", (tuple(row),))


@given(scores, st.lists(st.floats(-0.4999, 0.4999), min_size=6, max_size=6))
def test_rounding_alone_is_never_a_fault(cells: list[int], lost: list[float]) -> None:
    """The printed mean is that of the unrounded cells, which the printed cells do not show."""
    exact = [cell + part for cell, part in zip(cells, lost, strict=False)]
    mean = f"{sum(exact) / len(exact) / 100:.2f}"
    assert not [f for f in audit([table_of(cells, mean)]) if f.rule == "average"]


@given(scores, st.sampled_from([-0.03, -0.0201, 0.0201, 0.5]))
def test_a_mean_beyond_rounding_is_a_fault(cells: list[int], off: float) -> None:
    mean = f"{sum(cells) / len(cells) / 100 + off:.2f}"
    assert [f for f in audit([table_of(cells, mean)]) if f.rule == "average"]
