"""`plan_again`: the plan of a stored run, as it was asked for then and on what is here now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from restorebench.board.info import BoardInfo
from restorebench.catalog import Catalog
from restorebench.errors import SetupError, StoreError
from restorebench.plan import Plan, method_name
from restorebench.planning import make_plans
from restorebench.rows import OPTIONS


def plan_again(
    info: BoardInfo,
    catalog: Catalog,
    *,
    data_root: Path | None = None,
    weights: Mapping[str, Path] | None = None,
) -> Plan:
    """Plan a board's run again as it was asked for the last time.

    Args:
        info: of the board.
        catalog: where names are looked up.
        data_root: where the data lie, if they have moved.
        weights: files by the row's name, of those that have moved.

    Raises:
        BenchError: if that cannot be done here.
    """
    try:
        request = dict(info.sessions[-1]["asked"])
        suite, methods = str(request.pop("suite")), list(request.pop("methods"))
        options = OPTIONS.validate_json(json.dumps(request))
    except (IndexError, KeyError, TypeError, ValueError, ValidationError) as error:
        raise StoreError("the manifest does not say what was asked for; run it again") from error
    if strange := sorted(m for m in methods if method_name(m) not in catalog.names("methods")):
        raise SetupError(
            f"{', '.join(strange)} cannot be measured again: restored elsewhere, built in Python, "
            "or from a plugin; name its file with --plugin"
        )
    # A method that was built in Python is called after the weights that it came with.
    variants = {m: m.partition("@")[2] for m in methods}
    carried = {
        m: Path(v) for m, v in variants.items() if v in catalog.shipped_weights(method_name(m))
    }
    moved = {**carried, **options.weights, **(weights or {})}
    options = replace(options, weights=moved, data_root=data_root or options.data_root)
    plans = make_plans(catalog, suite, methods, options)
    plan = next((p for p in plans if p.protocol.id == info.protocol), None)
    if plan is None:
        raise StoreError(f"no protocol of the manifest is {info.protocol}")
    for row, stored in zip(plan.rows, info.rows, strict=False):
        if row.absent and not stored.absent:
            raise SetupError(f"{row.label} cannot be measured again: {row.absent}")
    return plan
