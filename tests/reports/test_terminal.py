"""The terminal: numbers are whole at any width, and marks are seen with and without colour."""

from __future__ import annotations

import re
from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from restorebench.board.table import Table, table_of
from restorebench.terminal import print_table

from .boards import fixed_board, hostile_board


def shown(table: Table, width: int, *, terminal: bool = False) -> str:
    """Return what is printed on a screen of some width."""
    file = StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
    )
    print_table(table, console)
    return file.getvalue()


@pytest.mark.parametrize("width", [200, 120, 80, 40, 20])
def test_numbers_are_whole_at_every_width(width: int) -> None:
    table = table_of(fixed_board())
    output = shown(table, width)
    assert "…" not in output
    expected = Counter(cell.text for row in table.rows for cell in row.cells if cell.text != "—")
    body = "\n".join(line for line in output.splitlines() if ":" not in line)
    assert Counter(re.findall(r"\b(?:\d+\.\d{2,4}|failed)", body)) == expected
    assert output.count("PSNR (dB)") == 6


@pytest.mark.parametrize(("width", "parts"), [(200, 1), (120, 2), (80, 3), (40, 6)])
def test_tasks_that_do_not_fit_are_continued_below(width: int, parts: int) -> None:
    table = table_of(fixed_board())
    output = shown(table, width)
    assert output.count("Method ") == parts
    assert output.count("PSNR (dB)") == len(table.groups)
    assert width == 40 or max(map(len, output.splitlines())) <= width


def test_plain_output_marks_with_signs() -> None:
    output = shown(table_of(fixed_board()), 200)
    assert "\x1b" not in output
    assert "30.00*  0.9000*" in output
    assert output.count("28.00+  0.8000+") == 2
    assert "*: best; +: second." in output


def test_a_terminal_marks_with_bold_and_underline() -> None:
    output = shown(table_of(fixed_board()), 200, terminal=True)
    assert "\x1b[1;32m30.00\x1b[0m" in output
    assert "\x1b[4m28.00\x1b[0m" in output
    assert "30.00*" not in output
    assert "Bold: best; underlined: second." in output


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    output = shown(table_of(fixed_board()), 200, terminal=True)
    codes = {
        int(code) for found in re.findall(r"\x1b\[([\d;]+)m", output) for code in found.split(";")
    }
    assert codes <= {0, 1, 2, 4}
    assert "\x1b[1m30.00\x1b[0m" in output


def test_titles_are_no_markup() -> None:
    output = shown(table_of(hostile_board()), 200, terminal=True)
    assert "[red]not markup[/red]" in output
    assert ":smile:" in output
    assert set(re.findall(r"\x1b[^m]*m", output)) == set(re.findall(r"\x1b\[[\d;]+m", output))


def test_columns_of_one_task_stand_below_their_heading() -> None:
    lines = shown(table_of(fixed_board()), 200).splitlines()
    heading = next(line for line in lines if line.lstrip().startswith("Method"))
    first = next(line for line in lines if line.lstrip().startswith("First"))
    ends = [found.end() for found in re.finditer(r"SSIM", heading)]
    numbers = [found.end() for found in re.finditer(r"0\.\d{4}", first)]
    assert len(numbers) == 6
    assert all(end - number == 1 for end, number in zip(ends, numbers, strict=True))
