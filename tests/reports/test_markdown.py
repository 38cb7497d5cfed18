"""Markdown, as a parser reads it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import printable, table_of
from restorebench_reports.markdown import render

from .boards import HOSTILE, fixed_board, hostile_board

GOLDEN = Path(__file__).parent / "golden"


def parsed(board: Leaderboard, folder: Path) -> list[Token]:
    """Return the tokens of a board's Markdown."""
    text = render(board, folder, "plain").read_text(encoding="utf-8")
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)


def words_of(token: Token) -> str:
    """Return the text of an inline token without superscripts."""
    text, raised = "", False
    for child in token.children or []:
        if child.type == "html_inline":
            raised = child.content == "<sup>"
        elif child.type == "text" and not raised:
            text += child.content
    return text


def cells(tokens: list[Token]) -> list[list[str]]:
    """Return the texts of a table, row by row."""
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        if before.type in ("th_open", "td_open"):
            rows[-1].append(words_of(token))
    return rows


def test_the_file_is_known_byte_for_byte(tmp_path: Path) -> None:
    written = render(fixed_board(), tmp_path, "plain").read_text(encoding="utf-8")
    assert written == (GOLDEN / "leaderboard.md").read_text(encoding="utf-8")


def test_the_table_has_a_column_for_each_task(tmp_path: Path) -> None:
    board = fixed_board()
    rows = cells(parsed(board, tmp_path))
    assert {len(r) for r in rows} == {7}
    assert rows[0][0] == "Method"
    assert rows[0][3] == "Noise σ=253 imagesPSNR (dB) / SSIM"
    expected = [r.title for r in table_of(board).rows]
    assert [r[0][: len(title)] for r, title in zip(rows[1:], expected, strict=True)] == expected
    assert rows[1][1] == "30.00 / 0.9000"


def test_best_is_strong_and_second_is_underlined(tmp_path: Path) -> None:
    text = render(fixed_board(), tmp_path, "plain").read_text(encoding="utf-8")
    assert "| **30.00** / **0.9000** |" in text
    assert text.count("<ins>28.00</ins> / <ins>0.8000</ins>") == 2


def test_hostile_titles_are_text(tmp_path: Path) -> None:
    tokens = parsed(hostile_board(), tmp_path)
    inline = [child for token in tokens for child in token.children or []]
    kinds = {t.type for t in tokens} | {t.type for t in inline}
    assert not kinds & {"html_block", "image", "link_open", "code_inline", "em_open", "s_open"}
    html = {token.content for token in inline if token.type == "html_inline"}
    assert html <= {"<sup>", "</sup>", "<br>", "<ins>", "</ins>"}
    rows = cells(tokens)
    assert {len(r) for r in rows} == {6}
    for found, title in zip(rows[1:], HOSTILE, strict=True):
        shown = printable(title).strip()
        assert found[0].startswith(shown), found[0]
