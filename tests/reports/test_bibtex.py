"""What a board cites: every method's paper and every data set's, and nothing that is no key."""

from __future__ import annotations

from pathlib import Path

import pytest

from restorebench.board.references import entries_in, installed_entries
from restorebench.catalog import Catalog
from restorebench_reports import latex
from restorebench_reports.bibtex import cited, render

from .boards import HOSTILE, board_of, column, row, spread
from .pdflatex import with_references

CATALOG = Catalog.installed()
KNOWN = installed_entries(CATALOG)


def test_every_method_and_data_set_that_is_installed_can_be_cited() -> None:
    methods = {name: CATALOG.method(name).info for name in CATALOG.names("methods")}
    keys = {name: card.cite for name, card in methods.items() if not card.returns_input}
    sets = [CATALOG.dataset(name) for name in CATALOG.names("datasets")]
    keys |= {dataset.name: dataset.cite for dataset in sets if not dataset.embedded}
    assert {name: key for name, key in keys.items() if key not in KNOWN} == {}


def test_entries_are_whole() -> None:
    for key, entry in KNOWN.items():
        assert entry.startswith("@")
        assert key in entry.splitlines()[0]
        assert entry.count("{") == entry.count("}")
        for needed in ("title", "author", "year"):
            assert f"\n  {needed} " in entry, key


def test_the_file_holds_what_the_board_cites_and_names_what_is_unknown(tmp_path: Path) -> None:
    columns = [column("rain", cite="yang2017deep"), column("more", cite="yang2017deep")]
    rows = [row("a", cite="cao2024hair"), row("b", cite="nobody2024"), row("c")]
    path = render(board_of(columns, rows, {}), tmp_path, "plain")
    text = path.read_text(encoding="utf-8")
    assert path.name == "references.bib"
    assert list(entries_in(text)) == ["cao2024hair", "yang2017deep"]
    assert "nobody2024: no installed package provides this entry" in text


def test_hostile_keys_are_left_out() -> None:
    rows = [row(f"row{n}", cite=text) for n, text in enumerate(HOSTILE)]
    columns = [column(f"task{n}", cite=text) for n, text in enumerate(HOSTILE)]
    kept = cited(board_of(columns, rows, {})).keys
    assert set(kept) <= {"+1", "-1"}


@pytest.mark.slow
def test_a_board_cites_its_methods_and_data_sets(tmp_path: Path) -> None:
    columns = [column("rain", cite="yang2017deep")]
    rows = [row("a", cite="cao2024hair"), row("b")]
    board = board_of(columns, rows, {(r.name, "rain"): spread(30, 0.9) for r in rows})
    render(board, tmp_path, "plain")
    log = with_references(latex.render(board, tmp_path, "plain"))
    assert "undefined" not in log
    assert "Warning: Citation" not in log
