"""Runs put together: what shares a table, what is kept apart, what is counted once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from torch import Tensor, nn

import restorebench
from restorebench.board.folders import folder_names, own_folder
from restorebench.board.leaderboard import BOARD, Leaderboard
from restorebench.board.merging import (
    RunBoard,
    load_boards,
    merged,
    run_names,
    versus,
)
from restorebench.board.table import table_of
from restorebench.errors import UsageError
from restorebench.method import Card, Method
from restorebench_reports.csv import render as render_csv

from .conftest import Cli


class Scaled(Method):
    """Returns the image less bright, by its configuration."""

    network_class = nn.Identity
    info = Card(title="Scaled", paper="none", status="external", needs_weights=False)
    factor = 0.9

    def restore(self, x: Tensor) -> Tensor:
        return x * self.factor


class Board:
    """Makes boards of small runs, each in a folder called after it."""

    def __init__(self, suite: Path, data_root: Path, folder: Path) -> None:
        self.suite, self.data_root, self.folder = suite, data_root, folder

    def __call__(self, run: str, *methods: str | Method, limit: int | None = None) -> RunBoard:
        board = restorebench.run(
            self.suite, methods, self.data_root, limit=limit, out=self.folder / run
        )
        return RunBoard(run, board)


@pytest.fixture
def board(suite: Path, data_root: Path, tmp_path: Path) -> Board:
    return Board(suite, data_root, tmp_path)


def scored(board: Leaderboard) -> pd.DataFrame:
    """Return what was measured, without when and how long."""
    return board.records.drop(columns=["seconds", "session"])


def test_methods_of_two_runs_stand_in_one_table_as_if_run_together(board: Board) -> None:
    [found] = merged([board("a", "identity"), board("b", "nl_means")])
    together = board("c", "identity", "nl_means").board
    pd.testing.assert_frame_equal(found.frame, together.frame)
    pd.testing.assert_frame_equal(scored(found), scored(together))
    assert found.info.rows == together.info.rows
    assert len(found.info.sessions) == 2
    assert {s["session"] for s in found.info.sessions} == set(found.records["session"])
    assert found.marks("psnr", "rain") == together.marks("psnr", "rain")


def test_a_measurement_that_two_runs_hold_counts_once(board: Board) -> None:
    a, b = board("a", "identity"), board("b", "identity", "nl_means")
    [found] = merged([a, b, a])
    assert [row.name for row in found.info.rows] == ["identity", "nl_means"]
    assert not found.records["key"].duplicated().any()
    assert len(found.records) == 12


def test_a_success_counts_more_than_the_failure_of_another_run(
    board: Board, data_root: Path
) -> None:
    whole = board("a", "identity")
    frame = whole.board.records.copy()
    torn = frame["image"] == "1"
    frame.loc[torn, ["psnr", "ssim"]] = np.nan
    frame.loc[torn, "error"] = "a full disk"
    broken = RunBoard("b", replace(whole.board, records=frame))
    for order in ([broken, whole], [whole, broken]):
        [found] = merged(order)
        assert found.records["error"].isna().all()
        pd.testing.assert_frame_equal(found.frame, whole.board.frame)


def test_one_name_for_two_measurements_is_told_apart_by_the_run(board: Board) -> None:
    a = board("a", "identity", Scaled())
    frame = a.board.records.copy()
    other = frame["method"] == "Scaled"
    frame.loc[other, "weights"] = "cafe" * 16
    frame.loc[other, "key"] = frame.loc[other, "key"].map(lambda key: key[::-1])
    rows = [r.model_copy(update={"weights": "cafe" * 16}) for r in a.board.info.rows[1:]]
    info = a.board.info.model_copy(update={"rows": (a.board.info.rows[0], *rows)})
    [found] = merged([a, RunBoard("b", Leaderboard(info, frame))])
    assert [row.name for row in found.info.rows] == ["identity", "Scaled@a", "Scaled@b"]
    assert found.info.rows[2].weights == "cafe" * 16
    assert found.records.groupby("method").size().to_dict() == {
        "identity": 6,
        "Scaled@a": 6,
        "Scaled@b": 6,
    }


def test_a_row_that_one_run_could_not_score_gives_way(board: Board) -> None:
    a, b = board("a", "identity", "moce_ir"), board("b", "nl_means")
    row = a.board.info.rows[1]
    assert row.absent
    [found] = merged([a, a, b])
    assert [r.name for r in found.info.rows] == ["identity", "moce_ir", "nl_means"]
    there = b.board.info.rows[0].model_copy(update={"name": "moce_ir"})
    renamed = Leaderboard(
        b.board.info.model_copy(update={"rows": (there,)}),
        b.board.records.assign(method="moce_ir"),
    )
    [found] = merged([a, RunBoard("b", renamed)])
    assert [(r.name, r.absent) for r in found.info.rows] == [
        ("identity", None),
        ("moce_ir", None),
    ]


def test_rows_of_other_versions_say_so(board: Board) -> None:
    a, b = board("a", "identity"), board("b", "nl_means")
    newer = replace(b.board, records=b.board.records.assign(environment="0ther"))
    [found] = merged([a, RunBoard("b", newer)])
    first = a.board.records["environment"][0]
    said = f"other versions: scored in environment 0ther, not {first}"
    assert [row.words for row in found.info.rows] == [(), (said,)]


def test_rows_of_another_device_say_so_and_each_line_has_its_own(
    board: Board, tmp_path: Path
) -> None:
    a, b = board("a", "identity"), board("b", "nl_means")
    faster = replace(
        b.board,
        info=b.board.info.model_copy(update={"device": "NVIDIA H200"}),
        records=b.board.records.assign(device="NVIDIA H200"),
    )
    runs = [a, RunBoard("b", faster)]
    [found] = merged(runs)
    said = "other device: measured on NVIDIA H200, not cpu"
    assert [row.words for row in found.info.rows] == [(), (said,)]
    assert [row.tag for row in table_of(found).rows] == ["", "other device"]
    assert said in table_of(found).notes
    lines = pd.read_csv(render_csv(found, tmp_path, "plain"))
    assert lines.groupby("method")["device"].unique().map(list).to_dict() == {
        "identity": ["cpu"],
        "nl_means": ["NVIDIA H200"],
    }
    [turned] = merged(runs[::-1])
    said = "other device: measured on cpu, not NVIDIA H200"
    assert [row.words for row in turned.info.rows] == [(), (said,)]
    [again] = merged([RunBoard("c", turned)])
    assert [row.words for row in again.info.rows] == [(), (said,)]
    comparison, _ = versus((a, "identity"), (runs[1], "nl_means"))
    assert comparison.info.rows[1].tag == "other device"


def test_other_images_protocols_and_suites_are_kept_apart(
    board: Board, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    one, limited = board("a", "identity"), board("b", "identity", limit=2)
    path = data_root / "rain" / "input" / "1.png"
    PIL.Image.fromarray(255 - np.asarray(PIL.Image.open(path))).save(path)
    changed = board("c", "identity")
    luma = restorebench.run(
        suite, "identity", data_root, protocol="restormer_derain", out=tmp_path / "d"
    )
    boards = merged([one, limited, changed, RunBoard("d", luma)])
    assert len(boards) == 4
    assert folder_names(boards) == ["", "airnet", "airnet-small", "restormer_derain"]


def test_a_suite_and_a_protocol_keep_their_folders(board: Board, tmp_path: Path) -> None:
    info, run = board("a", "identity").board.info, tmp_path / "run"

    def folders(*protocols: str, suite: str = "small") -> list[str]:
        found = []
        for place, protocol in enumerate(protocols):
            changes = {"suite": suite, "protocol": f"{protocol}@1/rgb/noise=keyed"}
            mine = info.model_copy(update=changes)
            folder = own_folder(run, mine, first=place == 0)
            folder.mkdir(exist_ok=True)
            (folder / BOARD).write_text(mine.model_dump_json())
            found.append(str(folder.relative_to(run)))
        return found

    assert folders("airnet", "ndr") == [".", "ndr"]
    assert folders("ndr", "airnet") == ["ndr", "."]
    assert folders("airnet", suite="large") == ["airnet"]
    assert folders("ndr", "airnet", suite="large") == ["ndr-large", "airnet"]
    assert folders("airnet", suite="other") == ["airnet-other"]
    (run / BOARD).write_text("torn")
    assert folders("moce_ir") == ["."], "what is damaged is written again"


def test_runs_are_called_by_the_shortest_end_that_is_their_own() -> None:
    paths = [Path("/x/a/run"), Path("/x/b/run"), Path("/x/c/other")]
    assert run_names(paths) == ["a/run", "b/run", "other"]
    assert run_names([]) == []


def test_a_run_of_two_protocols_has_its_boards_read(
    suite: Path, data_root: Path, tmp_path: Path, cli: Cli
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    protocols = ["--protocol", "airnet", "--protocol", "ndr"]
    wanted = ["--suite", suite, "--data-root", data_root, "-m", "identity"]
    assert cli("run", *wanted, *protocols, "--out", run).returncode == 0
    names = [b.board.info.protocol.partition("@")[0] for b in load_boards([run, run])]
    assert names == ["airnet", "ndr"]
    done = cli("report", run, "-o", out)
    assert done.returncode == 0, done.stderr
    for place in (".", "ndr"):
        here, there = (folder / place / "leaderboard.csv" for folder in (run, out))
        assert here.read_bytes() == there.read_bytes()


def test_two_rows_of_two_runs_are_compared_on_the_tasks_they_share(
    board: Board, data_root: Path
) -> None:
    a = board("a", "identity")
    path = data_root / "rain" / "input" / "1.png"
    PIL.Image.fromarray(255 - np.asarray(PIL.Image.open(path))).save(path)
    b = board("b", "nl_means")
    comparison, apart = versus((a, "identity"), (b, "nl_means"))
    data = [x.board.info.columns[0].fingerprint[:12] for x in (a, b)]
    assert apart == {"rain": f"in b: data {data[1]}, not {data[0]}"}
    assert comparison.frame["task"].tolist() == ["noise"] * 2  # one task has no average
    first, second = (
        x.board.cell(row, "noise", "psnr").value for x, row in ((a, "identity"), (b, "nl_means"))
    )
    assert first is not None
    assert second is not None
    assert comparison.frame["difference"][0] == pytest.approx(first - second)


def test_noise_from_elsewhere_in_a_stream_is_not_compared(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    head, tasks = suite.read_text().split("tasks:\n")
    rain, noise = tasks.split("  - name: noise\n")
    earlier = "  - name: earlier\n" + noise
    shorter, longer = tmp_path / "shorter.yaml", tmp_path / "longer.yaml"
    shorter.write_text(f"{head}tasks:\n{rain}  - name: noise\n{noise}")
    longer.write_text(f"{head}tasks:\n{rain}{earlier}  - name: noise\n{noise}")

    def run(suite: Path, method: str) -> RunBoard:
        out = tmp_path / f"{suite.stem}-{method}"
        board = restorebench.run(suite, method, data_root, noise="airnet-stream-continued", out=out)
        return RunBoard(suite.stem, board)

    a, b = run(shorter, "identity"), run(longer, "nl_means")
    comparison, apart = versus((a, "identity"), (b, "nl_means"))
    assert set(comparison.frame["task"]) == {"rain"}
    assert apart == {
        "earlier": "not in shorter",
        "noise": "in longer: the continued stream of its noise began elsewhere",
    }


def test_what_cannot_be_compared_is_refused_in_one_line(
    board: Board, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    a, short = board("a", "identity"), board("b", "identity", limit=2)
    luma = RunBoard("d", restorebench.run(
        suite, "identity", data_root, protocol="restormer_derain", out=tmp_path / "d"
    ))  # fmt: skip
    with pytest.raises(UsageError, match=r"identity of d cannot be compared: protocol restormer"):
        versus((a, "identity"), (luma, "identity"))
    with pytest.raises(UsageError, match=r"compared: rain: in b: images 2, not 3; noise: in b"):
        versus((a, "identity"), (short, "identity"))
    with pytest.raises(UsageError, match="they are one and the same measurement"):
        versus((a, "identity"), (a, "identity"))


def test_the_command_compares_and_writes(board: Board, tmp_path: Path, cli: Cli) -> None:
    board("a", "identity", "nl_means")
    board("b", "identity")
    done = cli("compare", tmp_path / "a", "-o", tmp_path / "out" / "both")
    assert done.returncode == 0, done.stderr
    assert "Two small tasks: Degraded input against NL-means" in done.stdout
    assert {p.suffix for p in (tmp_path / "out").iterdir()} == {".html", ".json", ".md", ".tex"}
    text = (tmp_path / "out" / "both.md").read_text()
    for word in ("Detectable", "airnet@1", "differ most", "not told apart", "3 images"):
        assert word in text
    refused = cli("compare", "a", "b")
    assert refused.returncode == 2
    assert "name the two methods to compare, with -m: a has identity, nl_means" in refused.stderr
    unsaid = cli("report", "a", "b")
    assert unsaid.returncode == 2
    assert "say where the tables of several runs go" in unsaid.stderr
