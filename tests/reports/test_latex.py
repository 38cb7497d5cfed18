"""LaTeX: the same bytes for the same board, and a PDF whatever a title holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench_reports.latex import render
from restorebench_reports.tex import escape

from .boards import board_of, column, fixed_board, hostile_board, row
from .pdflatex import compiled

GOLDEN = Path(__file__).parent / "golden"
PLAIN = r"[A-Za-z0-9 !'()+,./:;=?@¡-ž-]"
INERT = re.compile(
    rf"(?:{PLAIN}|\\[{{}}$&#_%]|\\text[a-z]+\{{\}}|\$\\[a-z]+\$|\$-\$|\{{[\[*]\}}|(?<=[-,'])\{{\}}|\])*"
)


def test_the_file_is_known_byte_for_byte(tmp_path: Path) -> None:
    # To change the golden file, write the new one with `render` and look at its PDF.
    written = render(fixed_board(), tmp_path, "plain").read_text(encoding="utf-8")
    assert written == (GOLDEN / "leaderboard.tex").read_text(encoding="utf-8")


@pytest.mark.slow
def test_five_tasks_fit_one_page_without_overflow(tmp_path: Path) -> None:
    log = compiled(render(fixed_board(), tmp_path, "plain"))
    assert not re.findall(r"(?:Overfull|Float too large).*", log)
    assert "(3 pages" in log  # the table, and a matrix of differences for each metric


@pytest.mark.slow
def test_an_older_siunitx_sets_it_likewise(tmp_path: Path) -> None:
    file = render(fixed_board(), tmp_path, "plain")
    file.write_text(file.read_text().replace(r"{siunitx}", r"{siunitx}[=v2]"))
    log = compiled(file)
    assert not re.findall(r"(?:Overfull|siunitx Warning).*", log)


@pytest.mark.slow
def test_hostile_titles_compile(tmp_path: Path) -> None:
    compiled(render(hostile_board(), tmp_path, "plain"))


@pytest.mark.slow
def test_every_letter_that_is_kept_compiles(tmp_path: Path) -> None:
    letters = [" ".join(map(chr, range(start, start + 32))) for start in range(0x20, 0x300, 32)]
    rows = [row(f"row{index}", title=text) for index, text in enumerate(letters)]
    compiled(render(board_of([column("one")], rows, {}), tmp_path, "plain"))


@given(st.text(alphabet=st.characters(max_codepoint=0x3000)))
def test_escaped_text_holds_no_command_of_its_own(text: str) -> None:
    assert INERT.fullmatch(escape(text)), escape(text)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("_%&#$", r"\_\%\&\#\$"),
        ("~^\\{}", r"\textasciitilde{}\textasciicircum{}\textbackslash{}\{\}"),
        ("--untrained", "-{}-untrained"),
        ("中", "U+4E2D"),
        ("🙂", "U+1F642"),
        ("[1cm]*", "{[}1cm]{*}"),
    ],
)
def test_special_letters_are_printed(text: str, escaped: str) -> None:
    assert escape(text) == escaped
