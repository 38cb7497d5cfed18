"""HTML: one file, no network, nothing run but our own script, and small with many images."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from html.parser import HTMLParser
from pathlib import Path

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import printable
from restorebench_reports.html import render
from restorebench_reports.strips import strips

from .boards import (
    HOSTILE,
    METRICS,
    Scores,
    board_of,
    column,
    fixed_board,
    hostile_board,
    row,
    spread,
)
from .test_paper_tables import clear_board

OURS = {"html", "head", "meta", "title", "style", "body", "main", "header", "p", "h1", "h2", "span"}
OURS |= {"div", "table", "thead", "tbody", "tr", "th", "td", "sup", "a", "svg", "path", "ol", "ul"}
OURS |= {"li", "details", "summary", "small", "dl", "dt", "dd", "code", "br", "script"}
OURS |= {"nav", "section", "input", "label", "select", "option", "button", "figure", "figcaption"}
OURS |= {"colgroup", "col", "h3"}


class Page(HTMLParser):
    """The elements of a page, each with its attributes and the text directly after its tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.elements:
            tag, attributes, text = self.elements[-1]
            self.elements[-1] = (tag, attributes, text + data)

    def texts(self, tag: str) -> list[str]:
        return [text.strip() for name, _, text in self.elements if name == tag]


def page(board: Leaderboard, folder: Path) -> Page:
    return Page(render(board, folder, "plain").read_text(encoding="utf-8"))


def test_nothing_is_fetched_and_only_our_script_and_style_are_allowed(tmp_path: Path) -> None:
    text = render(fixed_board(), tmp_path, "plain").read_text(encoding="utf-8")
    assert not re.search(r"https?:|\bsrc=(?!.data:image/webp;base64,)|@import|url\(|<link", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert 'style="' not in text


def test_a_number_says_how_far_it_lies_behind_the_best(tmp_path: Path) -> None:
    cells = [attrs for tag, attrs, _ in page(clear_board(), tmp_path).elements if tag == "td"]
    a, _, b, *_ = [attrs.get("title") for attrs in cells if set(attrs) <= {"class", "title"}]
    assert a is None
    assert b == "1.00 behind the best, interval 1.00 to 1.00, p by Holm 0.023"


def test_hostile_titles_are_text(tmp_path: Path) -> None:
    found = page(hostile_board(), tmp_path)
    assert {tag for tag, _, _ in found.elements} <= OURS
    scripts = [a.get("type") for tag, a, _ in found.elements if tag == "script"]
    assert scripts == ["application/json", None]
    assert not [
        name for _, attributes, _ in found.elements for name in attributes if name.startswith("on")
    ]
    titles = [text for tag, a, text in found.elements if tag == "th" and a.get("scope") == "row"]
    assert titles[: len(HOSTILE)] == [printable(text) for text in HOSTILE]


def test_every_footnote_is_linked_from_the_number(tmp_path: Path) -> None:
    found = page(fixed_board(), tmp_path)
    links = {a["href"] for tag, a, _ in found.elements if tag == "a"}
    notes = {f"#{a['id']}" for tag, a, _ in found.elements if tag == "li" and "id" in a}
    parts = {f"#{a['id']}" for tag, a, _ in found.elements if tag == "section"}
    assert links == notes | parts
    assert notes != set()


def test_the_board_reads_without_scripts(tmp_path: Path) -> None:
    found = page(fixed_board(), tmp_path)
    columns = [
        text.strip() for tag, a, text in found.elements if tag == "th" and a.get("scope") == "col"
    ]
    assert columns[:3] == ["Method", "PSNR (dB)", "SSIM"]
    spans = [(text, a.get("class")) for tag, a, text in found.elements if tag == "span"]
    assert ("30.00", "best") in spans
    assert spans.count(("28.00", "second")) == 2
    assert ("failed", None) in spans


def test_provenance_holds_sessions_methods_and_failures(tmp_path: Path) -> None:
    found = page(fixed_board(), tmp_path)
    known = " ".join(found.texts("dd") + found.texts("span") + found.texts("code"))
    for text in ("restorebench run --suite fixed", "a-host", "torch 2.6.0", "-m twin", "A. Author"):
        assert text in known
    assert "None" not in found.texts("dd")
    assert "broken on rain, 1.png: 1.png cannot be read (100 % of it)" in found.texts("li")


def test_every_image_is_listed_once_with_all_its_scores(tmp_path: Path) -> None:
    text = render(fixed_board(), tmp_path, "plain").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith('<tr><th scope="row">')]
    assert len(lines) == 5 * 3
    assert lines[4].count("<td>") == 5 * 2
    assert lines[4].endswith("<td>failed<td>failed")
    assert lines[0].startswith('<tr><th scope="row">0.png<td>29.00<td>0.8900<td>27.00<td>0.7900')


def test_an_image_has_a_dash_for_a_metric_that_is_unavailable(tmp_path: Path) -> None:
    lacking = METRICS[1].model_copy(update={"unavailable": "a package is missing"})
    scores: Scores = {("a", "rain"): [(20.0, math.nan)] * 3}
    board = board_of([column("rain")], [row("a")], scores, metrics=(METRICS[0], lacking))
    text = render(board, tmp_path, "plain").read_text(encoding="utf-8")
    assert '<tr><th scope="row">0.png<td>20.00<td>—' in text
    assert "nan" not in " ".join(page(board, tmp_path).texts("td")).split()


def test_every_images_scores_stand_below_what_their_task_is(tmp_path: Path) -> None:
    columns = [column("haze", tag="3 of 500", extent="partial"), column("rain")]
    scores: Scores = {("a", task.name): spread(20, 0.5) for task in columns}
    text = render(board_of(columns, [row("a")], scores), tmp_path, "plain").read_text("utf-8")
    heads = [line for line in text.splitlines() if line.startswith("<summary>")]
    assert '<small class="warn">3 of 500 images, partial</small>' in heads[0]
    assert "<small>3 images</small>" in heads[1]


def test_ten_thousand_images_stay_a_small_page(tmp_path: Path) -> None:
    columns = [column(f"task{i}", count=1000, tag="1000") for i in range(5)]
    images = [(20 + i / 100, 0.5 + i / 4000) for i in range(1000)]
    scores = {(m, c.name): images for m in "ab" for c in columns}
    path = render(board_of(columns, [row("a"), row("b")], scores), tmp_path, "plain")
    assert path.stat().st_size < 500_000


def test_strips_share_one_scale_for_each_column() -> None:
    scores: Scores = {
        ("a", "one"): [(10.0, 0.5), (20.0, 0.5), (30.0, 0.5)],
        ("b", "one"): [(30.0, 0.5), (40.0, 0.5), (50.0, 0.5)],
        ("c", "one"): [(10.0, 0.5), (float("inf"), 0.5), (20.0, 0.5)],
        ("d", "one"): [(0.0, 0.5), (0.0, 0.5), "torn"],
    }
    drawn = strips(board_of([column("one")], [row(name) for name in "abcd"], scores))
    assert set(drawn) == {("a", "one", "psnr"), ("b", "one", "psnr")}
    a, b = drawn["a", "one", "psnr"], drawn["b", "one", "psnr"]
    assert (a.low, a.quarter, a.mean, a.three_quarters, a.high) == (0, 12.5, 25, 37.5, 50)
    assert (b.low, b.mean, b.high) == (50, 75, 100)


def test_the_legend_explains_strips_only_where_there_are_any(tmp_path: Path) -> None:
    one = board_of(
        [column("one", count=1, tag="1 of 3")], [row("a")], {("a", "one"): [(20.0, 0.5)]}
    )
    assert "images' own scores" in render(fixed_board(), tmp_path, "plain").read_text()
    text = render(one, tmp_path, "plain").read_text()
    assert "images' own scores" not in text
    assert "<svg" not in text
