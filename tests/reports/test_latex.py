"""LaTeX: the same bytes for the same board, and a PDF whatever a title holds."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.leaderboard import Leaderboard
from restorebench_reports.latex import render
from restorebench_reports.tex import escape

from .boards import board_of, column, fixed_board, hostile_board, row

GOLDEN = Path(__file__).parent / "golden"
PLAIN = r"[A-Za-z0-9 !'()+,./:;=?@¡-ž-]"
INERT = re.compile(
    rf"(?:{PLAIN}|\\[{{}}$&#_%]|\\text[a-z]+\{{\}}|\$\\[a-z]+\$|\$-\$|\{{[\[*]\}}|(?<=[-,'])\{{\}}|\])*"
)


def compiled(board: Leaderboard, folder: Path) -> str:
    """Compile a board and return the log."""
    engine = shutil.which("pdflatex") or shutil.which("tectonic")
    if engine is None:
        pytest.skip("neither pdflatex nor tectonic is on PATH")
    path = render(board, folder, "plain")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in engine else []
    done = subprocess.run(
        [engine, *options, path.name], cwd=folder, capture_output=True, timeout=300, check=False
    )
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert path.with_suffix(".pdf").is_file()
    return log


def test_the_file_is_known_byte_for_byte(tmp_path: Path) -> None:
    # To change the golden file, write the new one with `render` and look at its PDF.
    written = render(fixed_board(), tmp_path, "plain").read_text(encoding="utf-8")
    assert written == (GOLDEN / "leaderboard.tex").read_text(encoding="utf-8")


@pytest.mark.slow
def test_five_tasks_fit_one_page_without_overflow(tmp_path: Path) -> None:
    log = compiled(fixed_board(), tmp_path)
    assert not re.findall(r"(?:Overfull|Float too large).*", log)
    assert "(1 page" in log or "pdflatex" not in log


@pytest.mark.slow
def test_hostile_titles_compile(tmp_path: Path) -> None:
    compiled(hostile_board(), tmp_path)


@pytest.mark.slow
def test_every_letter_that_is_kept_compiles(tmp_path: Path) -> None:
    letters = [" ".join(map(chr, range(start, start + 32))) for start in range(0x20, 0x300, 32)]
    rows = [row(f"row{index}", title=text) for index, text in enumerate(letters)]
    compiled(board_of([column("one")], rows, {}), tmp_path)


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
