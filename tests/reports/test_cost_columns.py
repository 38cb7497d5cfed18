"""Costs in tables: every number with its size and machine, none marked, none invented."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import table_of
from restorebench_reports.csv import tidy

from .boards import AGREEING, board_with, cost, hostile_board
from .conftest import RENDERERS, Rendered


@pytest.mark.parametrize("renderer", RENDERERS)
def test_costs_stand_beside_scores_with_size_and_machine(rendered: Rendered, renderer: str) -> None:
    board = board_with(cost("first", AGREEING, times=(1900.0, 1800.0, 2500.0)))
    text = re.sub(r"\s+|\\allowbreak\{\}", " ", rendered(board, renderer))
    values = ("35592263", "132227693472", "1900.0") if renderer == "csv" else ("35.59", "132.23")
    assert [value for value in values if value not in text] == []
    assert "1900.0" in text
    for said in ("224x224", "A", "processor", "2 threads"):
        assert said in text
    if renderer != "csv":
        for said in ("Params (M)", "MACs (G)", "Latency (ms)", "1 MAC", "2 FLOPs", "median"):
            assert said in text.replace("{", "").replace("}", "").replace("$=$", "=")
    assert (
        renderer in ("csv", "latex_numbers") or "—" in text or "textemdash" in text
    )  # the second has no costs


def test_a_cost_has_no_mark_and_what_is_not_measured_is_no_number() -> None:
    table = table_of(board_with(cost("first", AGREEING), cost("second")))
    assert table.groups[-1].metrics == ("Params (M)", "MACs (G)")
    first, second = (r.groups[-1] for r in table.rows)
    assert [c.text for c in first] == ["35.59", "132.23"]
    assert [c.text for c in second] == ["35.59", "—"]
    assert {c.mark for c in (*first, *second)} == {None}
    assert {c.notes for c in first} == {()}


def test_each_setting_has_columns_of_its_own() -> None:
    costs = [cost("first", AGREEING), cost("first", AGREEING, size=512, batch=4)]
    table = table_of(board_with(*costs))
    assert [g.tag for g in table.groups[1:]] == ["224x224", "4 images of 512x512"]
    assert all(len(r.groups) == 3 for r in table.rows)


def test_counters_that_disagree_are_a_footnote_at_the_number() -> None:
    table = table_of(board_with(cost("first", {**AGREEING, "fvcore": 121_000_000_000})))
    (note,) = table.rows[0].groups[-1][1].notes
    assert table.notes[note - 1] == (
        "counters disagree by 8%: torch 132.23 G, ptflops 132.23 G, fvcore 121.00 G"
    )


def test_without_costs_nothing_is_added() -> None:
    board = board_with()
    assert board.costs.empty
    assert len(table_of(board).groups) == 1
    assert not tidy(board)["task"].str.startswith("cost").any()


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_hostile_processor_is_inert(rendered: Rendered, renderer: str) -> None:
    hostile = hostile_board()
    text = hostile.info.rows[0].name
    record = cost(text, AGREEING)
    identity = record.identity.model_copy(update={"device": text})
    costs = (record.model_copy(update={"identity": identity}),)
    info = hostile.info.model_copy(update={"costs": costs})
    output = rendered(Leaderboard(info, hostile.records), renderer)
    assert ("<script>document" in output) == (renderer in ("csv", "terminal"))
    assert isinstance(Leaderboard(info, hostile.records).costs, pd.DataFrame)
