"""What is said of a measured number beside a printed one, and that nothing is said elsewhere."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorebench.board.comparison import beside_published
from restorebench.board.comparison_table import comparison_table
from restorebench.board.files import write_board
from restorebench.board.leaderboard import Leaderboard
from restorebench.catalog import Catalog
from restorebench.provided import Provided
from restorebench.published import Comparison

from .boards import Scores, board_of, column, hostile_board, row
from .pdflatex import compiled

INSTALLED = Catalog.installed()
VALUES = tuple(v for p in INSTALLED.groups["published"].values() for v in p.load()())
# The installed record, read once for all tests.
READ = {"read": Provided("read", VALUES, lambda: lambda: VALUES, "this test")}
CATALOG = Catalog({**INSTALLED.groups, "published": READ})
TASKS = ("sots_outdoor", "rain100l", "bsd68_s15", "bsd68_s25", "bsd68_s50")
PRINTED = {  # HAIR, table 1
    "sots_outdoor": (30.98, 0.979),
    "rain100l": (38.59, 0.983),
    "bsd68_s15": (34.16, 0.935),
    "bsd68_s25": (31.51, 0.892),
    "bsd68_s50": (28.24, 0.803),
}


def board(
    means: dict[str, tuple[float, float]] | None = None,
    *,
    title: str = "HAIR",
    protocol: str = "airnet",
    noise: str | None = None,
    columns: dict[str, Any] | None = None,
    **of_row: Any,
) -> Leaderboard:
    """HAIR as printed on whole real sets, unless it is changed."""
    means = PRINTED | (means or {})
    used = CATALOG.protocol(protocol, noise)
    scores: Scores = {("it", task): [means[task]] * 3 for task in TASKS}
    return board_of(
        [column(task, **(columns or {})) for task in TASKS],
        [row("it", title=title, **of_row), row("other")],
        {} if of_row.get("absent") else scores,
        suite="three_deg",
        protocol=used.id,
        protocol_hash=used.hash,
    )


def compared(given: Leaderboard, source: str = "hair 1") -> dict[tuple[str, str], Comparison]:
    [found] = [p for p in beside_published(given, CATALOG).printed if p.row and source in p.sources]
    return {(str(c.published.task), c.published.metric): c for c in found.cells}


@pytest.mark.parametrize(
    ("task", "psnr", "verdict"),
    [
        ("rain100l", 38.5949, "match"),
        ("rain100l", 38.5985, "within tolerance"),
        ("rain100l", 38.6010, "off"),
        ("bsd68_s25", 31.5055, "match"),
        ("bsd68_s25", 31.5245, "within tolerance"),
        ("bsd68_s25", 31.5255, "off"),
        ("sots_outdoor", 31.0345, "within tolerance"),
        ("sots_outdoor", 30.9255, "within tolerance"),
        ("sots_outdoor", 31.0355, "off"),
    ],
)
def test_the_tolerance_is_that_of_the_images(task: str, psnr: float, verdict: str) -> None:
    cell = compared(board({task: (psnr, 0.9)}))[task, "psnr"]
    assert cell.verdict == verdict
    assert cell.delta == pytest.approx(psnr - PRINTED[task][0], abs=1e-9)


def test_a_means_tolerance_is_that_of_its_columns() -> None:
    # DaAIR prints 32.51: half a unit, and (0.05 + 3 x 0.01) / 5 = 0.016 beside it.
    means = dict.fromkeys(TASKS, (32.51 + 0.0205, 0.9))
    cell = compared(board(means, title="DaAIR"), "daair 1")["average", "psnr"]
    assert (cell.verdict, round(cell.tolerance, 6)) == ("within tolerance", 0.021)
    means = dict.fromkeys(TASKS, (32.51 + 0.0215, 0.9))
    assert compared(board(means, title="DaAIR"), "daair 1")["average", "psnr"].verdict == "off"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"columns": {"words": ("partial: 2 of 3 images",)}}, "partial: 2 of 3 images"),
        ({"columns": {"words": ("sample: no benchmark",)}}, "sample: no benchmark"),
        ({"words": ("untrained: random weights",)}, "untrained: random weights"),
        ({"words": ("reconstruction: from the paper",)}, "reconstruction: from the paper"),
        ({"noise": "ndr-float"}, "measured with the noise ndr-float, unlike the papers' own"),
        (
            {"protocol": "moce_ir"},
            "printed under the protocol airnet, measured under moce_ir: "
            "ssim_uniform7, not ssim_gauss11_sample",
        ),
    ],
)
def test_no_difference_is_given_where_the_two_do_not_mean_the_same(
    changes: dict[str, Any], reason: str
) -> None:
    cells = compared(board(**changes))
    assert {c.verdict for c in cells.values()} == {"not comparable"}
    assert all(
        c.delta is None and c.measured is not None for k, c in cells.items() if "average" not in k
    )
    assert cells["rain100l", "ssim"].reason == reason


def test_a_protocol_that_only_bears_the_name_is_another_one() -> None:
    given = board()
    info = given.info.model_copy(
        update={"protocol": given.info.protocol.replace("crop16", "crop1")}
    )
    cells = compared(Leaderboard(info, given.records))
    assert {c.reason for c in cells.values() if c.published.value is not None} >= {
        "measured under another airnet protocol than the installed one"
    }
    info = given.info.model_copy(update={"protocol": "mine@1/rgb"})
    cells = compared(Leaderboard(info, given.records))
    assert "mine, which is not installed here" in cells["rain100l", "psnr"].reason


def test_another_draw_of_the_same_noise_may_be_compared() -> None:
    cells = compared(board(noise="airnet-stream"))
    assert cells["bsd68_s15", "psnr"].verdict == "match"


def test_a_lost_cell_has_no_verdict_and_a_doubted_one_says_why() -> None:
    cells = compared(board())
    assert cells["average", "psnr"].verdict == "not comparable"
    assert cells["average", "psnr"].reason == "lost between the PDF and the text"
    assert cells["average", "ssim"].reason.startswith("flagged in the record: stands alone")
    broken = compared(board(title="LPNet"), "daair 1")["sots_outdoor", "ssim"]
    assert broken.published.printed == "828"
    assert (broken.verdict, broken.delta) == ("not comparable", None)


def test_a_metric_that_nobody_can_tell_is_not_compared() -> None:
    ours = {"sots_outdoor": (28.64, 0.9616)}
    cells = compared(
        board(ours, title="NDR-Restore", protocol="ndr"), "ndr_restore V Noise+Rain+Haze"
    )
    assert cells["sots_outdoor", "psnr"].verdict == "match"
    assert cells["sots_outdoor", "ssim"].verdict == "not comparable"
    assert "the released script cannot have computed it" in cells["sots_outdoor", "ssim"].reason


def test_a_method_that_was_not_scored_is_published_only() -> None:
    cells = compared(board(absent="no weights: give a file", words=("no weights: give a file",)))
    scored = [c for c in cells.values() if c.published.value is not None]
    assert {(c.verdict, c.reason) for c in scored} == {
        ("published only", "no weights: give a file")
    }


@settings(max_examples=25)
@given(st.sets(st.sampled_from(TASKS), min_size=1), st.floats(-5, 5))
def test_a_column_with_a_word_never_gets_a_number(tasks: set[str], shift: float) -> None:
    given = board({task: (PRINTED[task][0] + shift, 0.9) for task in TASKS}, title="PromptIR")
    columns = tuple(
        c.model_copy(update={"words": ("limited to 2 of 3 images",), "extent": "limited"})
        if c.name in tasks
        else c
        for c in given.info.columns
    )
    given = Leaderboard(given.info.model_copy(update={"columns": columns}), given.records)
    cells = compared(given)
    for (task, _), cell in cells.items():
        whole = task not in tasks and task != "average"
        assert (cell.delta is not None) is whole
        assert (cell.verdict in ("match", "within tolerance", "off")) is whole


def test_papers_that_print_the_same_share_a_row_and_others_do_not() -> None:
    rows = [p for p in beside_published(board(title="AirNet"), CATALOG).printed if p.row == "it"]
    assert [p.protocol for p in rows] == ["airnet", "ndr"]
    assert {"hair 1", "daair 1", "anyir 1"} <= {*rows[0].sources}
    assert [p.comparable for p in rows] == [True, False]


def test_no_step_of_an_ablation_passes_for_a_method() -> None:
    methods = {p.method for p in beside_published(board(), CATALOG).printed}
    assert "AnyIR (2024)" in methods
    assert not {m for m in methods if "w/o" in m or "(a)" in m or "Baseline" in m}


def test_every_format_shows_the_verdicts_and_the_reasons(tmp_path: Path) -> None:
    means = {"rain100l": (38.70, 0.983), "bsd68_s15": (34.17, 0.935)}
    given = beside_published(board(means), CATALOG)
    files = {f.name: f for f in write_board(given, tmp_path, CATALOG).files}
    for name, marks in {
        "leaderboard.html": ("+0.11 ≠", "+0.01 ≈", "printed †", "AirNet ‡"),
        "leaderboard.md": ("+0.11 ≠", "+0.01 ≈", "printed †", "AirNet ‡"),
        "leaderboard.tex": (
            r"+0.11{\,$\neq$}",
            r"+0.01{\,$\approx$}",
            r"printed $\dagger$",
            r"$\ddagger$",
        ),
    }.items():
        text = files[name].read_text(encoding="utf-8")
        assert [
            mark for mark in (*marks, "lost between the PDF and the text") if mark not in text
        ] == []
    table = pd.read_csv(files["published.csv"])
    ours = (table["row"] == "it") & (table["task"] == "rain100l") & (table["metric"] == "psnr")
    [line] = table[ours].to_dict("records")
    assert (line["measured"], line["published"], line["verdict"]) == (38.7, 38.59, "off")
    assert line["delta"] == pytest.approx(0.11)
    assert (line["images"], line["paper_protocol"]) == (3, "airnet")
    assert len(line["data_fingerprint"]) == 64


def test_a_board_of_an_unknown_suite_has_nothing_beside_it(tmp_path: Path) -> None:
    given = beside_published(hostile_board(), CATALOG)
    assert given.printed == ()
    [(label, text)] = comparison_table(given).provenance
    assert (label, text) == ("Published", "the record holds nothing for the suite fixed")
    assert "published.csv" not in {f.name for f in write_board(given, tmp_path, CATALOG).files}


def test_a_board_without_printed_rows_is_rendered_as_before(tmp_path: Path) -> None:
    for name in CATALOG.names("renderers"):
        written = CATALOG.renderer(name)(board(), tmp_path, "plain")
        assert "beside published" not in written.read_text()


def test_tolerances_are_above_rounding_and_finite() -> None:
    for row_ in beside_published(board(), CATALOG).printed:
        for cell in row_.cells:
            if cell.published.value is not None:
                assert cell.published.half_unit < cell.tolerance < math.inf


@pytest.mark.slow
def test_the_latex_of_a_comparison_compiles_without_overflow(tmp_path: Path) -> None:
    write_board(beside_published(board(), CATALOG), tmp_path, CATALOG)
    log = compiled(tmp_path / "leaderboard.tex")
    assert "Overfull" not in log
    assert "too large" not in log
