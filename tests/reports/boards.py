"""Boards without a run: known numbers, and titles that no format takes for text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from restorebench.board.info import BoardInfo, ColumnInfo, MetricInfo, RowInfo
from restorebench.board.leaderboard import Leaderboard
from restorebench.costs.complexity import Complexity
from restorebench.costs.record import CostIdentity, CostRecord, Latency

Scores = Mapping[tuple[str, str], Sequence[tuple[float, float] | str]]
"""PSNR and SSIM of each image, or why it failed, by method and task."""

METRICS = (
    MetricInfo(name="psnr", title="PSNR", unit="dB", digits=2, higher_is_better=True),
    MetricInfo(name="ssim", title="SSIM", unit="", digits=4, higher_is_better=True),
)
MACHINE = "cpu: A_processor <model>"
AGREEING = {"torch": 132_227_693_472, "ptflops": 132_227_693_487, "fvcore": 132_233_513_888}
"""MACs of one network by three counters."""
SESSION = {
    "session": "20260102T030405-6",
    "command": "restorebench run --suite fixed -m 'first'",
    "packages": {"torch": "2.6.0", "numpy": "2.1.0"},
    "host": "a-host",
    "commit": None,
}
HOSTILE = (
    "<script>document.title = 'taken over'</script>",
    "<img src=x onerror=\"document.title='taken over'\">",
    '"><svg/onload=alert(1)>',
    "_%&#$~^\\{}",
    "\\input{/etc/passwd}",
    "σ 中文 🙂 é Łódź ħ",
    "[1cm] after a row",
    "* after a row",
    "``quotes'' -- --- ,, ?` <<>>",
    "a | b || c",
    "[red]not markup[/red] :smile:",
    "[a](https://example.org) ![b](c) <https://example.org>",
    "**bold** __bold__ `code` ~~struck~~ # 1. - +",
    "{{ 7 * 7 }} {% raw %} {# x #} << 7 * 7 >> <% raw %>",
    '=HYPERLINK("http://example.org","x")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "two\nlines\r\nor three\u2028or four",
    "\x1b[31mred \x07 \x9b2J",
    "\u202egnirts desrever",
    "&amp; &lt; &#60;",
)


def column(name: str, **changes: Any) -> ColumnInfo:
    """A whole real set of three images, unless it is changed."""
    given = {
        "title": name.capitalize(),
        "kind": "derain",
        "dataset": f"the set {name}",
        "origin": "real",
        "count": 3,
        "fingerprint": "0123456789abcdef" * 4,
        "extent": "",
        "tag": "3",
        "words": (),
        "mix": "",
        "where": "nowhere",
    }
    return ColumnInfo.model_validate({"name": name, **given, **changes})


def row(name: str, **changes: Any) -> RowInfo:
    """A method that needs no weights, unless it is changed."""
    given = {
        "title": name.capitalize(),
        "paper": "A. Author, A title, 2026",
        "status": "external",
        "weights": "none needed",
        "weights_file": None,
        "weights_read": "",
        "precision": "float32",
        "config": "",
        "code": "c0dec0dec0de",
        "words": (),
        "absent": None,
        "notes": (),
    }
    return RowInfo.model_validate({"name": name, **given, **changes})


def board_of(
    columns: Sequence[ColumnInfo], rows: Sequence[RowInfo], scores: Scores, **changes: Any
) -> Leaderboard:
    """Return a board with these scores."""
    given = {
        "suite": "fixed",
        "suite_version": 1,
        "title": "A fixed board",
        "average": "mean of all columns",
        "protocol": "airnet@1/rgb/crop16/noise=keyed:0",
        "protocol_hash": "5ca16ca980e7",
        "protocol_title": "test scripts of AirNet",
        "noise": "keyed by image",
        "device": "cpu",
        "metrics": METRICS,
        "columns": tuple(columns),
        "rows": tuple(rows),
        "sessions": (SESSION,),
    }
    records = [
        {
            "method": method,
            "task": task,
            "image": f"{index}.png",
            "psnr": float("nan") if isinstance(score, str) else score[0],
            "ssim": float("nan") if isinstance(score, str) else score[1],
            "error": score if isinstance(score, str) else None,
        }
        for (method, task), images in scores.items()
        for index, score in enumerate(images)
    ]
    names = ["method", "task", "image", "psnr", "ssim", "error"]
    frame = pd.DataFrame(records, columns=names).astype({"error": "string"})
    return Leaderboard(BoardInfo.model_validate({**given, **changes}), frame)


def cost(
    method: str,
    macs: Mapping[str, int] | None = None,
    *,
    parameters: int = 35_592_263,
    times: tuple[float, ...] = (),
    size: int = 224,
    batch: int = 1,
) -> CostRecord:
    """A method's cost as it is measured: MACs by counter, and times in milliseconds."""
    identity = CostIdentity(
        method=method,
        config="{}",
        weights="none needed",
        code="c0de",
        precision="float32",
        environment="e0",
        size=size,
        batch=batch,
        device=MACHINE,
        threads=2,
        tf32=False,
    )
    counted = Complexity(size, parameters, 35_000_000, ("never",), 7, dict(macs or {}), {})
    latency = Latency(restore=times, network=None, state="eager") if times else None
    return CostRecord(key=identity.key, identity=identity, complexity=counted, latency=latency)


def spread(psnr: float, ssim: float) -> list[tuple[float, float]]:
    """Three images around a mean."""
    return [(psnr + step, ssim + step / 100) for step in (-1.0, 0.25, 0.75)]


def board_with(*costs: CostRecord) -> Leaderboard:
    """Two methods on one task, with these costs."""
    scores = {("first", "rain"): spread(30, 0.9), ("second", "rain"): spread(20, 0.5)}
    return board_of([column("rain")], [row("first"), row("second")], scores, costs=costs)


def fixed_board() -> Leaderboard:
    """Five tasks with ties, a failure, a reconstruction and a method without weights."""
    names = ("haze", "rain", "noise", "blur", "dark")
    columns = [column(name) for name in names]
    columns[2] = column("noise", title="Noise σ=25", mix="GaussianNoise(sigma=25.0) of 0ddba11")
    rows = [
        row("first", weights="beef" * 16, weights_file="first_v1.ckpt", weights_read="EMA weights"),
        row("second"),
        row("twin", title="Second", words=("not the published size: {dim: 8}",), config="{dim: 8}"),
        row("third", title="Third_3", words=("reconstruction: built from the paper",)),
        row("broken"),
        row("absent", weights="", absent="no weights: none", words=("no weights: none",)),
    ]
    means = {"first": (30, 0.9), "second": (28, 0.8), "twin": (28, 0.8), "third": (20, 0.5)}
    scores: dict[tuple[str, str], list[tuple[float, float] | str]] = {
        (method, task): [*spread(psnr + index, ssim)]
        for method, (psnr, ssim) in means.items()
        for index, task in enumerate(names)
    }
    scores |= {("broken", task): [*spread(10, 0.1)] for task in names}
    scores["broken", "rain"][1] = "1.png cannot be read (100 % of it)"
    return board_of(columns, rows, scores)


def hostile_board() -> Leaderboard:
    """Every string is an attack on some format."""
    columns = [column(f"task{i}", title=text, dataset=text) for i, text in enumerate(HOSTILE[:4])]
    rows = [
        row(text, title=text, paper=text, words=(text,), notes=(text,), config=text)
        for text in HOSTILE
    ]
    scores: dict[tuple[str, str], list[tuple[float, float] | str]] = {
        (r.name, c.name): [*spread(20 + index, 0.5)]
        for index, r in enumerate(rows)
        for c in columns
    }
    for text in HOSTILE:
        scores[text, "task0"][0] = text
    texts = dict.fromkeys(["title", "average", "noise", "protocol_title", "device"], HOSTILE[0])
    sessions = ({"command": " ".join(HOSTILE), "packages": dict.fromkeys(HOSTILE, HOSTILE[0])},)
    return board_of(columns, rows, scores, **texts, sessions=sessions)
