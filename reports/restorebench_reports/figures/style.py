"""What all figures share: sizes, fonts, colours that the colour-blind tell apart, and provenance.

A figure is a vector PDF and a PNG beside a LaTeX file that includes it with its caption. The same
records give the same bytes. What its numbers must not travel without stands in the picture, in the
caption and in the metadata of both files.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import printable, table_of, titles_of
from restorebench.store import write_atomically
from restorebench_reports.tex import environment

COLUMN, PAGE = 3.3, 6.9
"""Width in inches of one column of a paper, and of its page."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00", "#000000")
"""Okabe and Ito's, the yellow replaced by a brown that can be read on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
REMARK = "#A00000"
LETTERS = 24
"""Of a remark in an inch."""
FONT = "STIXGeneral"  # comes with matplotlib, so that it is the same everywhere
RASTER = 300
"""Dots per inch of the PNG."""
_SETTINGS: dict[str, Any] = {
    "font.family": FONT,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,  # embedded as TrueType, as publishers ask
    "savefig.dpi": RASTER,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure, and what is said below it."""

    figure: Figure
    title: str
    """What it shows, in a sentence without its full stop."""
    facts: tuple[tuple[str, str], ...]
    """What its numbers rest on: a label, and what is known under it."""


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save what is inside in the style of this module."""
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever a person's own style file says
        for name, value in _SETTINGS.items():
            mpl.rcParams[name] = value  # type: ignore[index]  # its stubs list every name
        yield


def blank(width: float, height: float, *, dense: bool = False) -> Figure:
    """Return an empty figure, sizes in inches, whose parts make room for one another.

    Args:
        width: in inches.
        height: in inches.
        dense: whether hardly any room is left between them, as between pictures.
    """
    layout = ConstrainedLayoutEngine()
    if dense:
        layout.set(h_pad=0.015, w_pad=0.015, hspace=0.0, wspace=0.0)
    return Figure(figsize=(width, height), layout=layout)


def shown(text: str) -> str:
    """Return text as figures can print it; letters that the font does not have become U+XXXX."""
    known = _letters()
    return "".join(c if ord(c) in known else f"U+{ord(c):04X}" for c in printable(text))


def remark(
    drawn: Figure, board: Leaderboard, tasks: Sequence[str] = (), rows: Sequence[str] = ()
) -> None:
    """Say in the picture what its numbers must not travel without.

    Args:
        drawn: the figure; a line is added below everything else.
        board: what it is drawn from.
        tasks: names of the tasks that are drawn; all by default.
        rows: names of the rows that are drawn; all that were scored by default.
    """
    titles = titles_of(board.info)
    columns = {c.title: [c.extent] for c in board.info.columns if not tasks or c.name in tasks}
    drawn_rows = {
        titles[row.name]: [word.partition(":")[0] for word in row.words]
        for row in board.info.rows
        if not row.absent and (not rows or row.name in rows)
    }
    if said := [*_together(columns), *_together(drawn_rows)]:
        letters = int(drawn.get_figwidth() * LETTERS)
        text = textwrap.fill(shown("; ".join(said)), letters)  # its own wrapping reads dollars
        drawn.supxlabel(text, fontsize=6, color=REMARK)


def _together(words: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield what is said of the same titles in one piece, without titles if it is of all."""
    among: dict[str, list[str]] = {}
    for title, said in words.items():
        for word in filter(None, said):
            among.setdefault(word, []).append(title)
    alike: dict[tuple[str, ...], list[str]] = {}
    for word, titles in among.items():
        alike.setdefault(tuple(titles), []).append(word)
    for those, said in alike.items():
        whose = "" if len(those) == len(words) else f"{', '.join(those)}: "
        yield whose + ", ".join(said)


def facts_of(board: Leaderboard) -> tuple[tuple[str, str], ...]:
    """Return what a board's numbers rest on, with every remark in full."""
    table = table_of(board)
    return (*table.provenance, *(("Remark", note) for note in table.notes))


def save(drawing: Drawing, file: Path) -> list[Path]:
    """Write ``file`` as ``.pdf``, as ``.png``, and as a ``.tex`` that includes the first.

    Raises:
        OutputFolderError: if they cannot be written.
    """
    text = "; ".join(f"{label}: {fact}" for label, fact in drawing.facts)
    about = {"Title": drawing.title, "Subject": text, "Creator": "restorebench"}
    # A date, or a version, would make other bytes of the same records.
    pdf = {**about, "Producer": None, "CreationDate": None}
    png = {"Title": drawing.title, "Description": text, "Software": None}
    written = []
    with styled():
        for suffix, canvas, metadata in (
            ("pdf", FigureCanvasPdf, pdf),
            ("png", FigureCanvasAgg, png),
        ):
            content = BytesIO()
            canvas(drawing.figure).print_figure(
                content, format=suffix, metadata=metadata, dpi=RASTER
            )
            written.append(write_atomically(Path(f"{file}.{suffix}"), content.getvalue()))
    template = environment().get_template("figure.tex.jinja")
    rendered = template.render(drawing=drawing, name=file.name)
    return [*written, write_atomically(Path(f"{file}.tex"), rendered)]


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())
