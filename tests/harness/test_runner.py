"""How a run goes about its images: steps beside one another, in order, and nothing left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from restorebench import Card, Method
from restorebench.catalog import Catalog
from restorebench.data.dataset import Item, Photograph
from restorebench.data.folder import FolderDataset
from restorebench.errors import OutputFolderError, UsageError
from restorebench.plan import Plan
from restorebench.planning import make_plans
from restorebench.record import Record
from restorebench.rows import Options
from restorebench.runner import AHEAD, measure
from restorebench.store import Store, read_records

from .test_store import record

WAIT = 60.0


class Toy(Method):
    """Darkens; whatever else it does is up to the test."""

    info = Card(title="Toy", paper="none", status="external", needs_weights=False)
    network_class = torch.nn.Identity

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.9


@pytest.fixture
def root(data_root: Path) -> Path:
    """The small data, with one pair of another size in their middle."""
    for folder in ("input", "target"):
        path = data_root / "rain" / folder / "1.png"
        with PIL.Image.open(path) as image:
            pixels = np.array(image)
        PIL.Image.fromarray(pixels[:32]).save(path)
    return data_root


def planned(suite: Path, root: Path, *methods: str | Method) -> Plan:
    (plan,) = make_plans(Catalog.installed(), str(suite), methods, Options(data_root=root))
    return plan


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def names(records: list[Record]) -> list[tuple[str, str, str]]:
    return [(r.identity.method, r.identity.task, r.identity.image) for r in records]


def test_each_kind_of_foreign_code_is_called_from_one_thread(
    suite: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: dict[str, set[str]] = {"data": set(), "method": set(), "metric": set(), "keep": set()}

    def here(what: str) -> None:
        called[what].add(threading.current_thread().name.rpartition("_")[0])

    class Watched(Toy):
        def forward(self, x: Tensor) -> Tensor:
            here("method")
            return super().forward(x)

    def watched_load(self: FolderDataset, item: Item) -> Photograph:
        here("data")
        return load(self, item)

    def watched_psnr(*images: Any) -> float:
        here("metric")
        return psnr.score(*images)

    load = FolderDataset.load
    monkeypatch.setattr(FolderDataset, "load", watched_load)
    plan = planned(suite, root, "identity", Watched())
    psnr = plan.metrics["psnr"]
    plan = replace(plan, metrics={**plan.metrics, "psnr": replace(psnr, score=watched_psnr)})
    with Store(tmp_path / "run", "test") as store:
        records = list(measure([plan], store, lambda *_: here("keep")))
    main = threading.current_thread().name.rpartition("_")[0]
    assert called == {
        "data": {"loader"},
        "method": {main},
        "metric": {"scorer"},
        "keep": {"scorer"},
    }
    tasks = [(task, image) for task in ("rain", "noise") for image in "012"]
    assert names(records) == [(m, *rest) for m in ("identity", "Watched") for rest in tasks]
    assert list(read_records(tmp_path / "run")) == records
    assert all(r.error is None for r in records)


def test_images_are_loaded_while_others_are_restored_but_only_a_few_ahead(
    suite: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, restored = threading.Semaphore(0), [0]
    waiting: list[int] = []

    class Slow(Toy):
        def forward(self, x: Tensor) -> Tensor:
            # The first image is done only once another one is there.
            if restored[0] == 0:
                assert loaded.acquire(timeout=WAIT)
                assert loaded.acquire(timeout=WAIT)
            restored[0] += 1
            return super().forward(x)

    def watched_load(self: FolderDataset, item: Item) -> Photograph:
        waiting.append(len(waiting) + 1 - restored[0])
        loaded.release()
        return load(self, item)

    load = FolderDataset.load
    monkeypatch.setattr(FolderDataset, "load", watched_load)
    with Store(tmp_path / "run", "test") as store:
        records = list(measure([planned(suite, root, Slow())], store))
    assert [r.error for r in records] == [None] * 6
    # Those ahead, and the one in hand.
    assert max(waiting) <= AHEAD + 1


@pytest.mark.parametrize("ending", ["end", "close", "error", "interrupt"])
def test_no_thread_outlives_a_run(ending: str, suite: Path, root: Path, tmp_path: Path) -> None:
    before = threads()

    class Interrupted(Toy):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyboardInterrupt

    method = Interrupted() if ending == "interrupt" else Toy()
    with Store(tmp_path / "run", "test") as store:
        records = measure([planned(suite, root, "identity", method)], store)
        if ending == "end":
            assert len(list(records)) == 12
        elif ending == "close":
            next(records)
            assert threads() > before
            assert isinstance(records, Iterator)
            records.close()  # type: ignore[attr-defined]
        elif ending == "error":
            store.append = refuse  # type: ignore[method-assign]
            with pytest.raises(OutputFolderError, match="disk is full"):
                list(records)
        else:
            with pytest.raises(KeyboardInterrupt):
                list(records)
        assert threads() == before
    stored = names(list(read_records(tmp_path / "run")))
    assert len(stored) == len(set(stored))
    assert len(stored) >= {"end": 12, "close": 1, "error": 0, "interrupt": 6}[ending]


def refuse(record: Record) -> None:
    raise OutputFolderError("disk is full")


def test_after_a_torn_line_a_journal_takes_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with Store(tmp_path, "full") as store:
        store.append(record("0", psnr=30.0))
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputFolderError, match="No space left"):
            store.append(record("1", psnr=30.0))
        monkeypatch.undo()
        with pytest.raises(OutputFolderError, match="No space left"):
            store.append(record("2", psnr=30.0))
    assert [r.identity.image for r in read_records(tmp_path)] in (["0"], ["0", "1"])


@pytest.mark.parametrize("batch", [2, 3])
def test_batches_are_of_one_size_and_score_as_single_images(
    batch: int, suite: Path, root: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, ...]] = []

    class Watched(Toy):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(tuple(x.shape))
            return super().forward(x)

    plan = planned(suite, root, Watched())
    scores = []
    for size in (1, batch):
        seen.clear()
        with Store(tmp_path / str(size), "test") as store:
            records = list(measure([plan], store, batch=size))
        scores.append([r.scores for r in records])
        assert [r.seconds is not None for r in records] == [True] * 6
    # Rain: 48, 32 and 48 rows; noise: three of 48. The third and fourth are neighbours.
    runs = {2: [1, 1, 2, 2], 3: [1, 1, 3, 1]}[batch]
    assert [shape[0] for shape in seen] == runs
    assert [r.batch for r in records] == [n for n in runs for _ in range(n)]
    assert scores[0] == scores[1]


def test_a_batch_that_fails_is_restored_image_by_image(
    suite: Path, root: Path, tmp_path: Path
) -> None:
    class Single(Toy):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(x)

    with Store(tmp_path / "run", "test") as store:
        records = list(measure([planned(suite, root, Single())], store, batch=4))
    assert [(r.error, r.batch) for r in records] == [(None, 1)] * 6


@pytest.mark.parametrize("room", [True, False])
def test_metrics_are_computed_where_the_method_ran_if_there_is_room(
    room: bool, suite: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []

    def watched(*tensors: Tensor) -> float:
        called.append([tuple(t.shape) for t in tensors])
        if not room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert psnr.of_tensors is not None
        return psnr.of_tensors(*tensors)

    plan = planned(suite, root, Toy())
    psnr = plan.metrics["psnr"]
    plan = replace(plan, metrics={**plan.metrics, "psnr": replace(psnr, of_tensors=watched)})
    found = []
    for gpus in (set[str](), {"cpu"}):  # the CPU stands in for a GPU that is not here
        monkeypatch.setattr("restorebench.work.GPUS", gpus)
        with Store(tmp_path / str(len(gpus)), "test") as store:
            found.append([r.scores for r in measure([plan], store)])
    assert called == [[(rows, 64, 3)] * 2 for rows in (48, 32, 48, 48, 48, 48)]
    for here, there in zip(*found, strict=True):
        assert there == pytest.approx(here, abs=1e-6)


@pytest.mark.parametrize(
    ("side", "tile", "advice"),
    [
        (96, None, "; use a larger device"),
        (300, None, "; restore it in tiles (--tile 128 --overlap 32) or use a larger device"),
        (3000, None, "; restore it in tiles (--tile 512 --overlap 32) or use a larger device"),
        (3000, 1024, "restore it in smaller tiles (--tile 512 --overlap 32)"),
    ],
)
def test_a_lack_of_memory_suggests_tiles(
    side: int, tile: int | None, advice: str, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    class Greedy(Toy):
        def forward(self, x: Tensor) -> Tensor:
            return torch.empty(10**15)

    pixels = np.zeros((side, 64, 3), np.uint8)
    for folder in ("input", "target"):
        PIL.Image.fromarray(pixels).save(data_root / "rain" / folder / "0.png")
    options = Options(data_root=data_root, tile=tile)
    (plan,) = make_plans(Catalog.installed(), str(suite), [Greedy()], options)
    with Store(tmp_path / "run", "test") as store:
        first = next(iter(measure([plan], store)))
    assert f"out of memory on cpu for ({side // 16 * 16}, 64) pixels" in str(first.error)
    assert str(first.error).endswith(advice) or advice in str(first.error)


def test_a_batch_of_none_is_refused(suite: Path, root: Path) -> None:
    with pytest.raises(UsageError, match="batch must be at least 1"):
        make_plans(Catalog.installed(), str(suite), ["identity"], Options(data_root=root, batch=0))


def test_an_image_that_changes_during_a_run_has_no_score(
    suite: Path, root: Path, tmp_path: Path
) -> None:
    plan = planned(suite, root, Toy())
    before = [column.fingerprint for column in plan.columns]
    path = root / "rain" / "target" / "2.png"
    kept = path.read_bytes()
    path.write_bytes((root / "rain" / "input" / "2.png").read_bytes())

    def errors() -> list[str | None]:
        with Store(tmp_path / "run", "test") as store:
            return [r.error for r in measure([plan], store) if r.identity.task == "rain"]

    assert errors() == [None, None, "2: its files were changed during the run; start anew"]
    path.write_bytes(kept)  # the same bytes, written later
    assert errors() == [None, None, None]
    assert [column.fingerprint for column in plan.columns] == before
