"""Boards and comparisons as notebooks show them."""

from __future__ import annotations

from html.parser import HTMLParser

from restorebench.board.table import printable

from .boards import HOSTILE, fixed_board, hostile_board

VOID = {"br"}


class Page(HTMLParser):
    """Collects elements and texts, and holds elements to be closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_board_shows_itself_with_marks_words_and_protocol() -> None:
    page = Page(fixed_board()._repr_html_())
    text = "".join(page.texts)
    for word in ("A fixed board", "3 images", "reconstruction", "airnet@1/rgb", "1.png cannot"):
        assert word in text
    assert "<strong>30.00</strong>" in fixed_board()._repr_html_()
    assert "<u>28.00</u>" in fixed_board()._repr_html_()


def test_a_comparison_shows_itself() -> None:
    comparison = fixed_board().compare("first", "second")
    text = "".join(Page(comparison._repr_html_()).texts)
    for word in ("First against Second", "+2.00", "Detectable", "differ most", "0.png"):
        assert word in text


def test_hostile_texts_are_texts() -> None:
    board = hostile_board()
    for html in (board._repr_html_(), board.compare(*HOSTILE[:2])._repr_html_()):
        page = Page(html)
        allowed = {"table", "caption", "thead", "tbody", "tr", "th", "td", "br", "sup", "small"}
        allowed |= {"strong", "u", "p", "div", "details", "summary", "ul", "li"}
        assert page.elements <= allowed
        assert page.attributes <= {"rowspan", "colspan"}
        assert printable(HOSTILE[0]) in "".join(page.texts)
        assert [c for c in html if c != "\n" and not c.isprintable()] == []
