"""What the page draws: costs, distances from the best, and images worth a look."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from torch import Tensor, nn

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import table_of
from restorebench.method import Card, Method
from restorebench.pictures import find_pictures
from restorebench_reports import gallery
from restorebench_reports.clouds import Cloud, clouds_of
from restorebench_reports.gallery import Case, cases_of
from restorebench_reports.html import render
from restorebench_reports.panels import panels_of

from .boards import AGREEING, METRICS, board_of, board_with, column, cost, fixed_board, row, spread


def clouds(board: Leaderboard) -> dict[str, Cloud]:
    return {cloud.cost: cloud for cloud in clouds_of(board, table_of(board))}


def test_each_cost_in_each_setting_has_a_picture() -> None:
    times = [cost(m, AGREEING, times=(t,)) for m, t in (("first", 20.0), ("second", 10.0))]
    one_alone = cost("first", AGREEING, size=512)
    found = clouds(board_with(*times, one_alone))
    machine = "224x224, cpu: A_processor <model>, 2 threads"
    assert list(found) == ["Parameters (M)", "MACs (G), 224x224 pixels", f"Time (ms), {machine}"]
    first, second = found[f"Time (ms), {machine}"].points
    assert (first.title, first.cost, first.value, first.first) == ("First", "20", "30.00", True)
    assert first.x > second.x
    assert first.y < second.y, "better is higher up"


def test_a_method_without_a_mean_or_a_cost_is_not_drawn() -> None:
    board = fixed_board()
    costs = tuple(cost(name, AGREEING) for name in ("first", "second", "broken"))
    info = board.info.model_copy(update={"costs": costs})
    found = clouds(Leaderboard(info, board.records))
    assert [p.title for p in found["Parameters (M)"].points] == ["First", "Second (second)"]
    assert clouds(board) == {}


def test_what_must_be_known_of_a_row_stands_above_what_is_drawn_of_it(tmp_path: Path) -> None:
    rows = [
        row("first", words=("untrained: random weights",)),
        row("second"),
        row("absent", weights="", absent="no weights: none", words=("no weights: none",)),
    ]
    columns = [column(name, extent="sample", tag="sample, 3") for name in ("rain", "haze")]
    scores = {(r.name, c.name): spread(30, 0.9) for r in rows[:2] for c in columns}
    costs = [cost("first", AGREEING), cost("second", AGREEING)]
    board = board_of(columns, rows, scores, costs=costs)
    page = render(board, tmp_path, "plain").read_text()
    for part in ("costs", "tasks", "scores"):
        section = page.partition(f'<section id="{part}">')[2].partition("</section>")[0]
        assert 'First: <span class="warn">untrained</span>.' in section
        assert "no weights" not in section


def test_what_a_mean_was_taken_over_stands_above_the_costs() -> None:
    columns = [column(name, extent="sample", tag="sample, 3") for name in ("rain", "haze")]
    rows = [row("first"), row("second")]
    scores = {(r.name, c.name): spread(30, 0.9) for r in rows for c in columns}
    costs = [cost("first", AGREEING), cost("second", AGREEING)]
    whole = board_of(columns, rows, scores, costs=costs)
    assert clouds(whole)["Parameters (M)"].over == "Average, mean of all columns, sample"
    alone = {key: images for key, images in scores.items() if key[1] == "rain"}
    single = board_of(columns[:1], rows, alone, costs=costs)
    assert clouds(single)["Parameters (M)"].over == "Rain, sample, 3 images, sample"


def test_bars_are_distances_from_the_best() -> None:
    panel = panels_of(fixed_board(), table_of(fixed_board()))[1]
    assert [(bar.title, bar.behind, bar.value) for bar in panel.bars] == [
        ("First", "", "31.00"),
        ("Second (second)", "−2.00", "29.00"),
        ("Second (twin)", "−2.00", "29.00"),
        ("Third_3", "−10.00", "21.00"),
    ]
    longest = 10 * 1.04
    assert [bar.length for bar in panel.bars[1:]] == [
        round(100 * behind / longest, 1) for behind in (2, 2, 10)
    ]


def test_where_lower_is_better_the_lowest_is_the_best() -> None:
    metric = METRICS[0].model_copy(update={"higher_is_better": False})
    scores = {("a", "rain"): spread(3, 0.9), ("b", "rain"): spread(2, 0.5)}
    given = board_of([column("rain")], [row("a"), row("b")], scores, metrics=(metric,))
    (panel,) = panels_of(given, table_of(given))
    assert [(bar.title, bar.behind) for bar in panel.bars] == [("B", ""), ("A", "+1.00")]


class Darker(Method):
    """Takes a fifth of all light."""

    network_class = nn.Identity
    info = Card(title="Darker", paper="none", status="external", needs_weights=False)

    def restore(self, x: Tensor) -> Tensor:
        return x * 0.8


@pytest.fixture
def shown(suite: Path, data_root: Path, tmp_path: Path) -> Leaderboard:
    """A run of two methods with pictures."""
    restorebench.run(str(suite), ["identity", Darker()], data_root, out=tmp_path / "run")
    return Leaderboard.load(tmp_path / "run")


def names(cases: tuple[Case, ...]) -> list[str]:
    return [f"{case.task}/{case.image}" for case in cases]


def test_a_case_says_why_and_holds_the_files_that_the_run_kept(shown: Leaderboard) -> None:
    cases = cases_of(shown, "plain")
    assert sorted(names(cases)) == [f"{task}/{i}" for task in ("noise", "rain") for i in range(3)]
    frame = shown.records[shown.records["task"] == "rain"].set_index(["method", "image"])["psnr"]
    apart = (frame["identity"] - frame["Darker"]).abs()
    first = cases[0]
    assert first.image == apart.idxmax()
    assert f"furthest apart: {apart.max():.2f} dB" in first.reasons[0]
    titles = [shot.title for shot in first.shots]
    assert titles == ["Degraded", "Degraded input", "Darker", "Target"]
    kept = find_pictures(shown.pictures)
    key = shown.records.query("task == 'rain' and method == 'Darker'").set_index("image")["key"]
    assert base64.b64decode(first.shots[2].data) == kept[key[first.image]].read_bytes()
    assert first.shots[2].scores.startswith(f"{frame['Darker', first.image]:.2f} / ")


def test_pictures_that_are_damaged_or_missing_are_left_out(shown: Leaderboard) -> None:
    kept = find_pictures(shown.pictures)
    keys = shown.records.set_index(["task", "method", "image"])["key"]
    kept[keys["rain", "Darker", "0"]].write_bytes(b"")  # as a failure of the power leaves it
    kept[keys["rain", "Darker", "1"]].with_name("crop.json").write_bytes(b"")
    kept[keys["rain", "Darker", "2"]].with_name("target.webp").unlink()
    cases = {f"{case.task}/{case.image}": case for case in cases_of(shown, "plain")}
    assert "rain/1" not in cases
    titles = {name: [shot.title for shot in case.shots] for name, case in cases.items()}
    assert titles["rain/0"] == ["Degraded", "Degraded input", "Target"]
    assert titles["rain/2"] == ["Degraded", "Degraded input", "Darker"]


def test_tasks_share_the_room_for_pictures(
    shown: Leaderboard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = cases_of(shown, "plain")
    size = max(sum(len(shot.data) for shot in case.shots) * 3 // 4 for case in whole)
    monkeypatch.setattr(gallery, "BYTES", 2 * size)
    assert {case.task for case in cases_of(shown, "plain")} == {"rain", "noise"}
    monkeypatch.setattr(gallery, "BYTES", 0)
    assert cases_of(shown, "plain") == ()
    text = render(shown, tmp_path, "plain").read_text()
    assert "viewer" not in text.partition("<script")[0].partition("</style>")[2]


def test_a_board_without_pictures_has_no_cases(shown: Leaderboard) -> None:
    assert cases_of(Leaderboard(shown.info, shown.records), "plain") == ()
    assert cases_of(fixed_board(), "plain") == ()
