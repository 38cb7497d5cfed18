"""Parts of a plan: what workers score is what the whole plan would have scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from restorebench.catalog import Catalog
from restorebench.plan import Plan
from restorebench.planning import make_plans
from restorebench.record import Record
from restorebench.rows import Options
from restorebench.runner import measure
from restorebench.store import Store


@pytest.fixture
def plan(suite: Path, data_root: Path) -> Plan:
    # A stream whose position at an image depends on all images before it.
    options = Options(data_root=data_root, noise="airnet-stream-continued")
    (plan,) = make_plans(Catalog.installed(), str(suite), ["identity", "nl_means"], options)
    return plan


def measured(plan: Plan, out: Path) -> dict[str, Record]:
    with Store(out, "test") as store:
        records = list(measure([plan], store))
    return {r.key: r.model_copy(update={"session": "", "seconds": None}) for r in records}


def test_the_parts_of_a_plan_give_the_records_of_the_whole(plan: Plan, tmp_path: Path) -> None:
    whole = measured(plan, tmp_path / "whole")
    parts: dict[str, Record] = {}
    for row, column in plan.cells():
        for images in (range(2, 3), range(2)):
            part = plan.part(row.label, column.task.name, images)
            found = measured(part, tmp_path / "parts")
            assert len(found) == len(images)
            assert not found.keys() & parts.keys()
            parts |= found
    assert parts == whole
    assert len(whole) == 12


def test_a_part_keeps_the_fingerprint_of_the_whole_set(plan: Plan) -> None:
    part = plan.part("identity", "noise", range(1, 2))
    (column,) = part.columns
    assert [item.image for item in column.chosen] == ["1"]
    assert column.fingerprint == plan.columns[1].fingerprint
    assert replace(column, first=0, limit=None) == plan.columns[1]
