"""Figures: what they draw and say, and that the same records give the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from matplotlib.text import Text
from typer.testing import CliRunner

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.catalog import Catalog
from restorebench.errors import NothingSelectedError, StoreError, UnknownNameError, UsageError
from restorebench.pictures import Crop
from restorebench.replan import plan_again
from restorebench.rows import Options
from restorebench.session import Session
from restorebench_reports.figures.affinity import affinity
from restorebench_reports.figures.bars import bars
from restorebench_reports.figures.bubble import bubble
from restorebench_reports.figures.command import figure
from restorebench_reports.figures.embedding import embedding, principal, tints
from restorebench_reports.figures.representation import seen
from restorebench_reports.figures.strip import kept_panels, strip
from restorebench_reports.figures.style import Drawing, save, shown

from .boards import (
    AGREEING,
    MACHINE,
    board_of,
    board_with,
    column,
    cost,
    fixed_board,
    hostile_board,
    row,
    spread,
)
from .pdflatex import compiled


def texts(drawing: Drawing) -> list[str]:
    return [t.get_text() for t in drawing.figure.findobj(Text) if t.get_text()]


def marked_board() -> Leaderboard:
    """An untrained and a plain row on a sample and a whole set."""
    columns = [column("rain"), column("noise", extent="sample", tag="sample, 3", words=("sample",))]
    rows = [row("first"), row("second", words=("untrained: random weights",))]
    scores = {(r.name, c.name): spread(30 + n, 0.9) for n, r in enumerate(rows) for c in columns}
    return board_of(columns, rows, scores)


def test_bars_are_the_means_and_gaps_where_there_is_none() -> None:
    drawing = bars(fixed_board())
    (axes,) = drawing.figure.axes
    heights = [patch.get_height() for patch in axes.patches]  # type: ignore[attr-defined]
    assert heights[:5] == pytest.approx([30, 31, 32, 33, 34])  # first, on five tasks
    broken = heights[20:25]
    assert broken[0] == pytest.approx(10)
    assert np.isnan(broken[1])
    assert "absent" not in " ".join(texts(drawing)).lower()


def test_bars_over_a_row_are_differences_with_paired_intervals() -> None:
    board = fixed_board()
    drawing = bars(board, over="second")
    (axes,) = drawing.figure.axes
    assert axes.patches[0].get_height() == pytest.approx(2)  # type: ignore[attr-defined]
    assert "PSNR over Second (second) (dB)" in texts(drawing)
    with pytest.raises(UnknownNameError, match="row"):
        bars(board, over="nobody")


@pytest.mark.parametrize("drawing", [bars(marked_board()), bars(marked_board(), "first")])
def test_what_numbers_must_not_travel_without_stands_in_the_picture(drawing: Drawing) -> None:
    assert "Noise: sample; Second: untrained" in texts(drawing)


def test_a_bubble_needs_a_mean_and_a_cost() -> None:
    board = board_with(cost("first", AGREEING, times=(1.0, 2.0, 3.0)))
    drawing = bubble(board, "latency_ms")
    assert "First" in texts(drawing)
    assert "Second" not in texts(drawing)
    assert any(MACHINE.split(": ")[1] in text for text in texts(drawing))
    (axes,) = drawing.figure.axes
    offsets = [c.get_offsets() for c in axes.collections]
    assert np.asarray(offsets).ravel().tolist() == pytest.approx([2.0, 30.0])
    with pytest.raises(NothingSelectedError, match="run --costs"):
        bubble(fixed_board())


def test_files_are_the_same_bytes_and_carry_their_provenance(tmp_path: Path) -> None:
    first = save(bars(marked_board()), tmp_path / "one" / "bars")
    second = save(bars(marked_board()), tmp_path / "two" / "bars")
    assert [path.name for path in first] == ["bars.pdf", "bars.png", "bars.tex"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert b"/FontFile2" in first[0].read_bytes()  # embedded as TrueType
    with PIL.Image.open(first[1]) as picture:
        said = picture.info["Description"]
    for fact in ("5ca16ca980e7", "0123456789ab", "untrained: random weights", "3 images"):
        assert fact in said
        assert fact in first[2].read_text(encoding="utf-8").replace(r"\allowbreak{}", "")


def test_names_are_printed_as_they_are_and_strange_letters_by_their_number() -> None:
    assert shown("a$b_{c}$ σ=25") == "a$b_{c}$ σ=25"
    assert shown("\u4e2d\x1b[31m") == "U+4E2D\ufffd[31m"


def test_hostile_names_are_drawn(tmp_path: Path) -> None:
    save(bars(hostile_board()), tmp_path / "bars")


@pytest.mark.slow
def test_the_latex_of_a_hostile_figure_compiles(tmp_path: Path) -> None:
    save(bars(hostile_board()), tmp_path / "bars")
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}"
        r"\usepackage{graphicx}\begin{document}\input{bars}\end{document}"
    )
    compiled(tmp_path / "paper.tex")


@pytest.fixture
def kept(suite: Path, data_root: Path, tmp_path: Path) -> Path:
    """A run of two methods that keeps its pictures."""
    restorebench.run(str(suite), ["identity", "nl_means"], data_root, out=tmp_path / "run")
    return tmp_path / "run"


def test_a_strip_shows_the_kept_pictures_with_their_scores(kept: Path) -> None:
    board = Leaderboard.load(kept)
    panels, task, image = kept_panels(board, kept, "rain", "1")
    assert [panel.title for panel in panels] == ["Degraded", "NL-means", "Target"]
    scores = {
        name: board.image_scores(name, "rain")["psnr"].to_dict()["1"]
        for name in ("identity", "nl_means")
    }
    assert [panel.score for panel in panels] == [scores["identity"], scores["nl_means"], None]
    drawing = strip(board, panels, task, image, Crop(top=8, left=4, height=16, width=24))
    assert f"NL-means\n{scores['nl_means']:.2f} dB" in texts(drawing)
    assert ("Part", "24x16 pixels from column 4, row 8") in drawing.facts
    enlarged = drawing.figure.axes[4].images[0].get_array()
    assert np.array_equal(np.asarray(enlarged), panels[1].picture[8:24, 4:28])


@pytest.mark.parametrize(
    "box", [Crop(top=0, left=60, height=8, width=8), Crop(top=-1, left=0, height=8, width=8)]
)
def test_what_is_enlarged_lies_in_the_picture(kept: Path, box: Crop) -> None:
    board = Leaderboard.load(kept)
    with pytest.raises(UsageError, match="must lie in the picture of 64x48"):
        strip(board, *kept_panels(board, kept), box)


def test_without_a_choice_the_image_is_that_on_which_methods_differ_most(kept: Path) -> None:
    board = Leaderboard.load(kept)
    scores = board.records.pivot_table(index=["task", "image"], columns="method", values="psnr")
    gap = (scores["identity"] - scores["nl_means"]).abs()["noise"]
    assert kept_panels(board, kept, "noise")[2] == gap.idxmax()


def test_principal_components_are_those_of_a_known_cloud() -> None:
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((50, 2)) * (5, 1)
    turn, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    points, shares = principal(flat @ turn[:2] + 7)
    centred = flat - flat.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    assert np.abs(points) == pytest.approx(np.abs(centred @ axes.T), abs=1e-6)
    assert sum(shares) == pytest.approx(1)
    assert shares[0] > 0.9


def test_tasks_of_one_kind_share_a_hue_and_the_strongest_is_the_darkest() -> None:
    columns = [column("n15", kind="denoise"), column("rain"), column("n50", kind="denoise")]
    weak, rain, strong = (np.array(tint) for tint in tints(columns))
    assert (weak > strong).all()
    assert (1 - weak) / (1 - weak).max() == pytest.approx((1 - strong) / (1 - strong).max())
    assert not np.allclose(rain, strong)


SEER = """
from torch.nn import Identity
from torch.nn.functional import avg_pool2d

from restorebench import Card, Method


class Seer(Method):
    network_class = Identity
    info = Card(
        title="Seer", paper="none", status="external", needs_weights=False, size_multiple=32
    )

    def embedding(self, x):
        padded = self.prepare(x)
        return {"maps": avg_pool2d(padded, 8), "mean": x.mean(dim=(-2, -1))}


METHODS = {"seer": Seer}
"""


def test_a_network_is_asked_again_what_it_sees(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "seer.py").write_text(SEER)
    catalog = Catalog.installed([tmp_path / "seer.py"])
    session = Session(str(suite), ["seer"], Options(data_root=data_root), tmp_path / "run", catalog)
    assert len(list(session.measure())) == 6
    board = session.finish()[0].board
    found = list(seen(board, plan_again(board.info, catalog), "seer", 2))
    places = [(one.column.task.name, one.image) for one in found]
    assert places == [("rain", "0"), ("rain", "1"), ("noise", "0"), ("noise", "1")]
    assert found[0].named["mean"] == pytest.approx(found[0].degraded.mean(axis=(0, 1)), abs=1e-6)

    drawing = embedding(board, {"seer": found})
    assert drawing.facts[0] == ("Embeddings", "Seer: mean")
    assert {"Rain", "Noise"} <= set(texts(drawing))
    maps = affinity(board, "seer", [found[0], found[2]], maps=2)
    assert len(maps.figure.axes) == 2 * 3 + 1  # two tasks, and the scale of colours
    # 64 x 48 pixels in an image of 64 x 64: a map of 8 x 8 of which 6 rows belong to the image.
    assert np.asarray(maps.figure.axes[1].images[0].get_array()).shape == (6, 8)
    with pytest.raises(UnknownNameError, match="representation"):
        embedding(board, {"seer": found}, "nothing")
    with pytest.raises(UnknownNameError, match="row"):
        list(seen(board, plan_again(board.info, catalog), "hair", 1))

    (data_root / "rain" / "input" / "2.png").unlink()
    with pytest.raises(StoreError, match="the images of rain are others now"):
        list(seen(board, plan_again(board.info, catalog), "seer", 1))


def test_the_commands_write_three_files_each(kept: Path, tmp_path: Path) -> None:
    for name in ("bars", "strip"):
        done = CliRunner().invoke(figure, [name, str(kept), "-o", str(tmp_path / "out")])
        assert done.exit_code == 0, done.output
        for suffix in ("pdf", "png", "tex"):
            assert (tmp_path / "out" / f"{name}.{suffix}").stat().st_size > 500
    done = CliRunner().invoke(figure, ["strip", str(kept), "--zoom", "1,2"])
    assert isinstance(done.exception, UsageError)
    assert "four whole numbers" in str(done.exception)
