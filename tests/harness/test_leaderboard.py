"""The board: no mean over too few images, no average over unlike columns, nothing without words."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from torch import Tensor, nn

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import table_of
from restorebench.errors import (
    DataError,
    NothingSelectedError,
    SpecError,
    UnknownNameError,
    UsageError,
)
from restorebench.method import Card, Method


class Darker(Method):
    """Returns the image half as bright."""

    network_class = nn.Identity
    info = Card(title="Darker", paper="none", status="external", needs_weights=False)

    def restore(self, x: Tensor) -> Tensor:
        return x / 2


class Broken(Darker):
    """Fails on every image."""

    info = Card(title="Broken", paper="none", status="external", needs_weights=False)

    def restore(self, x: Tensor) -> Tensor:
        raise ZeroDivisionError("on purpose")


class Lying(Darker):
    """Returns values that are not numbers."""

    info = Card(title="Lying", paper="none", status="external", needs_weights=False)

    def restore(self, x: Tensor) -> Tensor:
        return x * math.nan


def test_the_frame_has_a_row_a_method_and_the_mean_of_the_images(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    board = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    assert list(board.frame.index) == ["identity"]
    assert [tuple(column) for column in board.frame.columns] == [
        ("rain", "psnr"),
        ("rain", "ssim"),
        ("noise", "psnr"),
        ("noise", "ssim"),
    ]
    assert len(board.records) == 6
    by_hand = []
    for index in range(3):
        images = [
            np.asarray(PIL.Image.open(data_root / "rain" / part / f"{index}.png"), float) / 255
            for part in ("input", "target")
        ]
        by_hand.append(-10 * np.log10(np.mean((images[0] - images[1]) ** 2)))
    assert board.frame.loc["identity", ("rain", "psnr")] == pytest.approx(
        np.mean(by_hand), abs=1e-5
    )
    both = board.frame.loc["identity"].unstack()["psnr"].mean()
    assert board.average("identity", "psnr") == pytest.approx(both)


def test_all_files_are_written(suite: Path, data_root: Path, tmp_path: Path) -> None:
    restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    written = {p.name for p in (tmp_path / "run").iterdir()}
    assert written >= {
        "board.json",
        "manifest.json",
        "records.parquet",
        "records.csv",
        "leaderboard.html",
        "leaderboard.tex",
        "leaderboard.md",
        "leaderboard.csv",
    }
    records = pd.read_parquet(tmp_path / "run" / "records.parquet")
    for name in ("weights", "protocol", "data_fingerprint", "code", "device", "environment"):
        assert records[name].notna().all()
        assert (records[name] != "").all()


def test_a_board_read_back_says_the_same(suite: Path, data_root: Path, tmp_path: Path) -> None:
    board = restorebench.run(str(suite), ["identity", "nl_means"], data_root, out=tmp_path / "run")
    again = Leaderboard.load(tmp_path / "run")
    pd.testing.assert_frame_equal(again.frame, board.frame)
    assert table_of(again) == table_of(board)


def test_every_record_in_a_file_says_what_must_be_said_of_it(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (data_root / "rain" / "input" / "2.png").unlink()
    out = tmp_path / "run"
    board = restorebench.run(
        suite, ["identity", "hair"], data_root, limit=2, untrained=True, out=out
    )
    for records in (pd.read_parquet(out / "records.parquet"), pd.read_csv(out / "records.csv")):
        assert len(records) == 8
        told = records[["method", "task", "extent", "remarks"]].fillna("").drop_duplicates()
        assert set(told.itertuples(index=False, name=None)) == {
            ("identity", "rain", "partial", ""),
            ("identity", "noise", "limited", ""),
            ("hair", "rain", "partial", "untrained"),
            ("hair", "noise", "limited", "untrained"),
        }
    pd.testing.assert_frame_equal(Leaderboard.load(out).told, board.told)
    old = pd.read_parquet(out / "records.parquet").drop(columns=["extent", "remarks"])
    old.to_parquet(out / "records.parquet", index=False)
    pd.testing.assert_frame_equal(Leaderboard.load(out).told, board.told)


def test_the_same_command_measures_nothing_twice(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    first = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    second = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    pd.testing.assert_frame_equal(first.records, second.records)  # sessions and seconds included


def test_changed_data_are_measured_again(suite: Path, data_root: Path, tmp_path: Path) -> None:
    restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    path = data_root / "rain" / "input" / "1.png"
    pixels = np.asarray(PIL.Image.open(path))
    PIL.Image.fromarray(255 - pixels).save(path)
    board = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    fresh = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "fresh")
    pd.testing.assert_frame_equal(board.frame, fresh.frame)


def test_limits_samples_and_partial_sets_say_so_and_are_not_averaged_with_others(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (data_root / "rain" / "input" / "2.png").unlink()
    board = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    assert board.info.columns[0].tag == "2 of 3"
    assert board.info.columns[0].words == ("partial: 2 of 3 images",)
    assert board.info.columns[1].words == ()
    assert board.average("identity", "psnr") is None
    assert "complete; partial" in str(board.average_reason)
    assert board.frame["rain"]["psnr"].notna().all()

    limited = restorebench.run(str(suite), ["identity"], data_root, limit=1, out=tmp_path / "run")
    assert limited.info.columns[1].tag == "1 of 3"
    assert limited.info.columns[1].words == ("limited to 1 of 3 images",)
    assert len(limited.records) == 2


def test_the_sample_stands_in_and_never_looks_real(tmp_path: Path) -> None:
    board = restorebench.run("three_deg", ["identity"], out=tmp_path / "run", limit=1)
    assert all(c.origin == "sample" for c in board.info.columns)
    table = table_of(board)
    assert all("sample" in group.tag for group in table.groups)
    assert any("in place of BSD68, no benchmark" in note for note in table.notes)
    assert not any("BSD68" in group.title for group in table.groups)


def test_real_data_can_be_demanded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SOTS-outdoor was not found because no data root is given"):
        restorebench.run("three_deg", ["identity"], out=tmp_path / "run", data="real")
    with pytest.raises(DataError, match="is not a folder"):
        restorebench.run("three_deg", ["identity"], tmp_path / "nowhere", out=tmp_path / "run")


def test_one_failing_method_leaves_the_others_alone(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    methods: list[str | Method] = ["identity", Broken(), Lying(), Darker()]
    board = restorebench.run(str(suite), methods, data_root, out=tmp_path / "run")
    assert list(board.frame.index) == ["identity", "Broken", "Lying", "Darker"]
    assert board.frame.loc[["identity", "Darker"]].notna().all().all()
    assert board.frame.loc[["Broken", "Lying"]].isna().all().all()
    assert len(board.failures()) == 12
    lines = Path(__file__).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "on purpose" in text)
    where = f"(test_leaderboard.py:{line})"
    assert f"Broken failed: ZeroDivisionError: on purpose {where}" in board.failures()[0]
    reason = board.cell("Lying", "rain", "psnr").reason
    assert reason is not None
    assert "returned 9216 values that are NaN or infinite" in reason
    row = next(r for r in table_of(board).rows if r.name == "Broken")
    assert [cell.text for cell in row.cells] == ["failed"] * 4 + ["—"] * 2


@pytest.mark.parametrize("fault", ["torn", "grey", "no target", "other size", "too small"])
def test_one_bad_image_fails_its_cells_and_no_other(
    suite: Path, data_root: Path, tmp_path: Path, fault: str
) -> None:
    bad = data_root / "rain" / "input" / "1.png"
    target = data_root / "rain" / "target" / "1.png"
    pixels = np.asarray(PIL.Image.open(bad))
    if fault == "torn":
        bad.write_bytes(bad.read_bytes()[:200])
    elif fault == "grey":
        PIL.Image.fromarray(pixels[..., 0]).save(bad)
    elif fault == "no target":
        target.unlink()
    elif fault == "other size":
        PIL.Image.fromarray(pixels[:32]).save(bad)
    else:
        PIL.Image.fromarray(pixels[:10]).save(bad)
        PIL.Image.fromarray(pixels[:10]).save(target)
    board = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    assert board.cell("identity", "rain", "psnr").value is None
    assert board.cell("identity", "rain", "psnr").scored == 2
    assert board.cell("identity", "noise", "psnr").value is not None
    assert board.average("identity", "psnr") is None
    [failure] = board.failures()
    assert "1.png" in failure or "1 has no target" in failure or "too few" in failure
    # Mended, the same command completes the board and measures only that image.
    PIL.Image.fromarray(pixels).save(bad)
    PIL.Image.fromarray(pixels).save(target)
    board = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    assert board.cell("identity", "rain", "psnr").value is not None


def test_a_network_without_weights_is_not_scored_unless_asked(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    board = restorebench.run(str(suite), ["identity", "moce_ir"], data_root, out=tmp_path / "run")
    assert board.frame.loc["moce_ir"].isna().all()
    row = next(r for r in table_of(board).rows if r.name == "moce_ir")
    assert row.tag == "no weights"
    assert any("MoCE_IR" in note for note in table_of(board).notes)
    small = restorebench.load_method(
        "restormer", dim=8, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1
    )
    scored = restorebench.run(str(suite), [small], data_root, out=tmp_path / "run", untrained=True)
    assert scored.frame.notna().all().all()
    table = table_of(scored)
    assert "untrained" in table.rows[0].tag
    assert "not the published size" in table.rows[0].tag


def test_paper_style_prints_three_digits_without_a_zero(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    board = restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")
    plain = [cell.text for cell in table_of(board, "plain").rows[0].cells]
    paper = [cell.text for cell in table_of(board, "paper").rows[0].cells]
    assert plain[0] == paper[0]
    assert plain[1].startswith("0.")
    assert len(plain[1]) == 6
    assert paper[1].startswith(".")
    assert len(paper[1]) == 4


def test_what_cannot_be_run_says_why(suite: Path, data_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(NothingSelectedError):
        restorebench.run(str(suite), [], data_root, out=out)
    with pytest.raises(UsageError, match="limit must be at least 1"):
        restorebench.run(str(suite), ["identity"], data_root, limit=0, out=out)
    with pytest.raises(UsageError, match="named twice"):
        restorebench.run(str(suite), ["identity", "identity"], data_root, out=out)
    with pytest.raises(UnknownNameError, match="Did you mean 'airnet-stream'"):
        restorebench.run(str(suite), ["identity"], data_root, noise="airnet-steam", out=out)
    with pytest.raises(UsageError, match="identity takes no weights"):
        restorebench.run(str(suite), ["identity"], data_root, weights={"identity": suite}, out=out)


def test_clean_images_without_a_mix_are_no_task(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    text = suite.read_text()
    suite.write_text(text[: text.index("    mix:")])
    with pytest.raises(SpecError, match=r"small\.yaml:13:5: .* give task noise a mix"):
        restorebench.run(str(suite), ["identity"], data_root, out=tmp_path / "run")


def test_one_draw_of_several_is_no_score(suite: Path, data_root: Path, tmp_path: Path) -> None:
    board = restorebench.run(str(suite), ["identity"], data_root, repeats=2, out=tmp_path / "run")
    assert board.cell("identity", "noise", "psnr").value is not None
    first = board.records[board.records["draw"] == 0].drop(columns="draw")
    begun = replace(board, records=first.reset_index(drop=True))
    found = begun.cell("identity", "noise", "psnr")
    assert (found.value, found.scored) == (None, 0)
    assert found.reason is not None
    assert "not all draws of its noise are measured yet" in found.reason
    assert begun.cell("identity", "rain", "psnr") == board.cell("identity", "rain", "psnr")
