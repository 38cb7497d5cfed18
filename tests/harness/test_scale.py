"""Bundles: any number of workers, in any order, dying at will, leave the records of one process."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from restorebench.catalog import Catalog
from restorebench.commands.scale import work
from restorebench.costs.profiling import read_costs
from restorebench.errors import StoreError, UsageError
from restorebench.rows import Options
from restorebench.scale.cutting import makespan
from restorebench.scale.dispatch import Dispatch, begin, front, resumed
from restorebench.scale.order import Order, bundles_of, newest_order
from restorebench.scale.status import Watcher
from restorebench.scale.work import perform
from restorebench.session import Session
from restorebench.store import read_journals, read_records

from ..orders import METHOD, alone, assert_equal_runs, scores, seen_through  # noqa: TID252
from .conftest import Cli

IMAGES = 12
# A method that ends its own process at one image, and an executor whose workers are processes.
PLUGIN = (
    METHOD
    + """
class Killer(Half):
    def restore(self, x):
        victim = Path(__file__).with_name("victim")
        if victim.exists() and abs(float(x.mean()) - float(victim.read_text())) < 1e-5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().restore(x)

class Forks:
    overhead, pause, outlives, here, secludes = 0.001, 0.01, False, False, False

    def __init__(self, folder, order):
        self.waiting, self.at_work, self.most = [], {}, order.workers

    def submit(self, bundles):
        self.waiting += bundles

    def poll(self, names):
        while self.waiting and len(self.at_work) < self.most:
            path = self.waiting.pop(0)
            process = get_context("fork").Process(target=perform, args=(path,))
            process.start()
            self.at_work[path.stem] = process
        over = {n: p.exitcode for n, p in self.at_work.items() if p.exitcode is not None}
        for name in over:
            del self.at_work[name]
        gone = set(names) - set(self.at_work) - {path.stem for path in self.waiting}
        return {name: "killed" if over.get(name) else "" for name in gone}

    def cancel(self):
        self.waiting.clear()

METHODS = {"killer": Killer}
EXECUTORS = {"forks": Forks}
"""
)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "killer.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def order(suite: Path, data_root: Path, plugin: Path, tmp_path: Path) -> Order:
    # A stream whose position at an image depends on all images before it.
    noise = "airnet-stream-continued"
    return Order(
        session="",
        suite=str(suite),
        methods=("identity", "nl_means"),
        options=Options(data_root=data_root, noise=noise, pictures=False),
        plugins=(plugin,),
        here=tmp_path,
        executor="forks",
        workers=2,
        settings={},
        bundle_seconds=0.001,
        rounds=3,
    )


@pytest.fixture
def whole(order: Order, tmp_path: Path) -> Path:
    """The run of one process without bundles."""
    return alone(order, tmp_path / "whole")


def ordered(order: Order, out: Path) -> Dispatch:
    """Write bundles, hand them over, and leave the folder's lock to others."""
    session = front(order, out, Catalog.installed(order.plugins))
    with session.opened() as store:
        return begin(session, store, order)


def collected(run: Path) -> Session:
    _, session = resumed(run)
    with session.opened() as store:
        dispatch = Dispatch(session, store, newest_order(run))
        for _ in dispatch.watch():
            pass
        dispatch.gather()
    session.finish()
    return session


def files_of_bundles(out: Path) -> list[Path]:
    folder = newest_order(out)
    return [folder / f"{name}.json" for name in bundles_of(folder)]


@pytest.mark.parametrize("workers", [2, 7])
def test_any_number_of_workers_leaves_the_records_and_tables_of_one_process(
    whole: Path, order: Order, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "run"
    seen_through(order.model_copy(update={"workers": workers}), out)
    assert len(files_of_bundles(out)) == IMAGES
    assert_equal_runs(out, whole)
    (session,) = json.loads((out / "manifest.json").read_text())["sessions"]
    (entry,) = session["workers"]
    assert entry["bundles"] == IMAGES


def test_noise_that_is_drawn_several_times_is_measured_and_counted_draw_by_draw(
    order: Order, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = replace(order.options, noise=None, repeats=2, protocols=("airnet", "ndr"))
    order = order.model_copy(update={"options": options})
    seen_through(order, out)
    assert_equal_runs(out, alone(order, tmp_path / "whole"))
    status = Watcher(newest_order(out)).status()
    assert (status.measured, status.images, status.over) == (IMAGES, IMAGES, True)
    noise = next(b for b in bundles_of(newest_order(out)).values() if b.task == "noise")
    (journal,) = (out / "journal").glob(f"*.{noise.name}.*.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 4
    journal.write_text("".join(lines[:-1]))  # as a worker leaves it that is at the second draw
    status = Watcher(newest_order(out)).status()
    assert (status.measured, status.over) == (IMAGES - 1, False)


def test_bundles_in_this_process_leave_the_same_records(
    whole: Path, order: Order, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    seen_through(order.model_copy(update={"executor": "local", "workers": 1}), out)
    assert_equal_runs(out, whole)


def test_bundles_may_be_measured_twice_and_by_anyone(
    whole: Path, order: Order, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ordered(order.model_copy(update={"executor": "hand", "bundle_seconds": 1000}), out)
    files = files_of_bundles(out)
    assert len(files) == 4  # one for each cell
    assert [perform(path) for path in (*files, *reversed(files))] == [""] * 8
    collected(out)
    assert_equal_runs(out, whole)


def test_images_of_unlike_size_are_cut_into_bundles_of_like_cost(
    order: Order, data_root: Path, tmp_path: Path
) -> None:
    for name in ("rain/input/2.png", "rain/target/2.png"):
        with PIL.Image.open(data_root / name) as image:
            image.resize((128, 48)).save(data_root / name)
    dispatch = ordered(order.model_copy(update={"bundle_seconds": 0.0074}), tmp_path / "run")
    rain = [b for b in dispatch.bundles.values() if (b.method, b.task) == ("identity", "rain")]
    assert sorted((b.first, b.stop) for b in rain) == [(0, 2), (2, 3)]
    assert rain[0].seconds == pytest.approx(rain[1].seconds)


@pytest.fixture
def victim(data_root: Path, plugin: Path) -> str:
    with PIL.Image.open(data_root / "rain/input/1.png") as image:
        mean = float(np.mean(np.asarray(image, np.float64) / 255))
    plugin.with_name("victim").write_text(str(mean))
    return "1"


def test_an_image_that_kills_every_worker_is_a_named_failed_cell_and_the_others_are_scored(
    order: Order, victim: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    session = seen_through(
        order.model_copy(update={"methods": ("killer",), "bundle_seconds": 1000}), out
    )
    failed = [record for record in read_journals(out).values() if record.error]
    assert [(r.identity.task, r.identity.image) for r in failed] == [("rain", victim)]
    assert failed[0].error == "not measured in 3 tries: killed"
    assert set(scores(out).values()) == {1}
    (written,) = session.finish()
    cell = written.board.cell("killer", "rain", "psnr")
    assert (cell.value, cell.scored, cell.expected) == (None, 2, 3)
    assert cell.reason == "2 of 3 images scored: not measured in 3 tries: killed"
    assert written.board.cell("killer", "noise", "psnr").scored == 3


def test_what_killed_its_worker_once_is_measured_by_the_next_run(
    order: Order, victim: str, plugin: Path, tmp_path: Path
) -> None:
    out, order = tmp_path / "run", order.model_copy(update={"methods": ("killer",)})
    seen_through(order, out)
    plugin.with_name("victim").unlink()
    seen_through(order, out)
    assert not [record for record in read_journals(out).values() if record.error]
    assert len([record for record in read_records(out) if record.error is None]) == 6


@pytest.mark.parametrize(
    ("raised", "code", "measured"),
    [
        (SystemExit(-1), 255, 0),  # submitit, once the job is in the queue again; Ray at SIGTERM
        (RuntimeError("not requeued"), 0, 3),  # submitit after too many time limits
    ],
)
def test_a_signal_that_ends_a_worker_fails_no_image(
    order: Order, plugin: Path, tmp_path: Path, raised: BaseException, code: int, measured: int
) -> None:
    out = tmp_path / "run"
    always = PLUGIN.replace("if victim.exists() and", "if True or")
    plugin.write_text(always.replace("SIGKILL", "SIGUSR2"))
    methods = {"methods": ("killer",), "executor": "hand", "bundle_seconds": 1000}
    ordered(order.model_copy(update=methods), out)

    def told(number: int, frame: object) -> None:
        raise raised

    def worker() -> None:
        signal.signal(signal.SIGUSR2, told)
        assert perform(files_of_bundles(out)[0]) == ""
        assert signal.getsignal(signal.SIGUSR2) is told

    process = get_context("fork").Process(target=worker)
    process.start()
    process.join(120)
    assert process.exitcode == code
    records = list(read_records(out))
    assert [record.error for record in records] == [None] * measured


def test_collect_takes_over_from_a_command_that_was_killed_with_its_workers(
    whole: Path, order: Order, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def doomed() -> None:
        session = front(order, out, Catalog.installed(order.plugins))
        with session.opened() as store:
            for count, _ in enumerate(begin(session, store, order).watch(), 1):
                if count == 5:
                    os.kill(os.getpid(), signal.SIGKILL)

    process = get_context("fork").Process(target=doomed)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    status = Watcher(newest_order(out)).status()
    assert status.images == IMAGES
    assert 5 <= status.measured < IMAGES
    assert not status.attended
    assert not status.over
    collected(out)
    assert read_journals(out).keys() == read_journals(whole).keys()
    # Its orphans may have ended their bundles meanwhile: with the very same scores.
    assert set(scores(out)) == set(scores(whole))
    assert (out / "leaderboard.csv").read_bytes() == (whole / "leaderboard.csv").read_bytes()
    assert Watcher(newest_order(out)).status().over


def test_a_table_of_what_is_there_so_far_has_no_means_of_parts(
    order: Order, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ordered(order.model_copy(update={"executor": "hand"}), out)
    for path in files_of_bundles(out)[:5]:
        assert perform(path) == ""
    _, session = resumed(out)
    with session.opened() as store:
        Dispatch(session, store, newest_order(out)).gather()
    (written,) = session.finish()
    assert session.missing == IMAGES - 5
    cells = [written.board.cell("nl_means", task, "psnr") for task in ("rain", "noise")]
    assert [cell.value is None for cell in cells] == [cell.scored < 3 for cell in cells]
    assert "3 images scored: not measured yet" in str([cell.reason for cell in cells])


def test_workers_with_other_data_refuse_and_the_cells_say_so(
    order: Order, data_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ordered(order.model_copy(update={"rounds": 1, "executor": "local", "workers": 1}), out)
    shutil.copy(data_root / "rain/target/0.png", data_root / "rain/input/0.png")
    reasons = {perform(path) for path in files_of_bundles(out)}
    assert (
        "identity on rain is not here what was planned: data_fingerprint differ; "
        "give workers the same versions, weights and data"
    ) in reasons


def test_a_worker_without_the_data_is_a_failed_cell_with_the_reason(
    order: Order, data_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    moved = order.model_copy(update={"rounds": 1, "bundle_seconds": 1000})
    session = front(moved, out, Catalog.installed(order.plugins))
    with session.opened() as store:
        dispatch = begin(session, store, moved)
        data_root.rename(data_root.with_name("elsewhere"))
        list(dispatch.watch())
    errors = {record.error for record in read_journals(out).values()}
    assert errors == {
        f"not measured in 1 tries: data root {data_root} is not a folder; give the folder that "
        "holds test/, or leave it out to use the embedded sample"
    }


def test_a_second_order_waits_for_jobs_that_outlive_their_command(
    order: Order, plugin: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    plugin.write_text(
        PLUGIN.replace(
            "here, secludes = 0.001, 0.01, False", "here, secludes = 0.001, 0.01, True"
        ).replace("gone = set(names)", "gone = set()")
    )
    ordered(order, out)
    with pytest.raises(StoreError, match=r"12 bundles of .* are still being measured"):
        ordered(order, out)


def test_what_a_suite_times_is_a_bundle_that_has_its_device_to_itself(
    order: Order, suite: Path, tmp_path: Path
) -> None:
    suite.write_text(suite.read_text() + "costs: [32, 48]\n")
    out, changed = tmp_path / "run", {"executor": "local", "workers": 1, "methods": ("identity",)}
    order = order.model_copy(update=changed)
    seen_through(order, out)
    timed = [b for b in bundles_of(newest_order(out)).values() if b.costs]
    assert [(b.costs, len(b.images)) for b in timed] == [((32, 48), 0)]
    costs = read_costs(out).values()
    assert sorted(c.identity.size for c in costs if c.latency) == [32, 48]
    assert Watcher(newest_order(out)).status().over
    with pytest.raises(UsageError, match="hand cannot keep a device to methods that are timed"):
        ordered(order.model_copy(update={"executor": "hand"}), tmp_path / "by hand")


def test_an_executor_says_which_settings_it_knows(order: Order, tmp_path: Path) -> None:
    wrong = order.model_copy(update={"executor": "slurm", "settings": {"partitoin": "gpu"}})
    with pytest.raises(UsageError, match=r"slurm has no setting 'partitoin'\. Known: partition, "):
        ordered(wrong, tmp_path / "run")
    wrong = order.model_copy(update={"executor": "slurm", "settings": {"minutes": "an hour"}})
    with pytest.raises(UsageError, match="minutes of slurm: 'an hour' is no number"):
        ordered(wrong, tmp_path / "run")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=96k none {folder} 2> /dev/null") != 0:
        pytest.skip("mounting a small disk needs a privileged user")
    yield folder
    os.system(f"umount {folder}")


def test_a_full_shared_disk_ends_the_run_and_costs_nothing_stored(
    whole: Path, order: Order, full_disk: Path
) -> None:
    out = full_disk / "run"
    ordered(order.model_copy(update={"executor": "hand", "bundle_seconds": 1000}), out)
    filler = full_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass
    reasons = [perform(path) for path in files_of_bundles(out)]
    assert all("No space left on device" in reason for reason in reasons)
    filler.unlink()
    assert [perform(path) for path in files_of_bundles(out)] == [""] * 4
    assert scores(out) == scores(whole)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["plan", "--workers", 3], ["6 images to measure on cpu", "2 bundles of about"]),
        (["run", "--executor", "hand", "--detach"], ["2 bundles for hand", "collect "]),
    ],
)
def test_the_command_line_hands_over_watches_and_collects(
    command: list[str | int],
    said: list[str],
    suite: Path,
    data_root: Path,
    tmp_path: Path,
    cli: Cli,
) -> None:
    out = tmp_path / "run"
    words = ["--suite", suite, "--data-root", data_root, "-m", "identity", "--out", out]
    handed = cli(*command, *words)
    assert handed.returncode == 0, handed.stderr
    assert all(part in handed.stdout + handed.stderr for part in said)
    status = json.loads(cli("status", out, "--json").stdout)
    assert (status["measured"], status["images"], status["over"]) == (0, 6, False)
    work = cli("work", *files_of_bundles(out))
    assert work.returncode == 0, work.stderr
    status = json.loads(cli("status", out, "--json").stdout)
    assert (status["measured"], status["images"], status["working"]) == (6, 6, [])
    assert status["over"]
    done = cli("collect", out)
    assert done.returncode == 0, done.stderr
    assert cli("verify", out).returncode == 0


@pytest.mark.parametrize("demanded", [True, False])
def test_a_collected_run_is_incomplete_without_a_method_that_was_named(
    demanded: bool, suite: Path, data_root: Path, tmp_path: Path, cli: Cli
) -> None:
    out = tmp_path / "run"
    methods = ["-m", "identity", "-m", "moce_ir"]  # which has no weights
    words = ["--suite", suite, "--data-root", data_root, *methods, "--out", out]
    handed = cli("run", "--executor", "hand", "--detach", *words)
    assert "moce_ir: no weights" in handed.stderr
    assert cli("work", *files_of_bundles(out)).returncode == 0
    path = newest_order(out) / "order.json"
    order = Order.model_validate_json(path.read_text())
    assert order.demanded
    order.model_copy(update={"demanded": demanded}).save(path)
    assert cli("collect", out).returncode == (3 if demanded else 0)


def test_a_bundle_that_is_not_there_is_called_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        work([tmp_path / "00001.json", tmp_path])
    assert ended.value.exit_code == 3
    lines = [f"restorebench: {path}: no such file" for path in (tmp_path / "00001.json", tmp_path)]
    assert capsys.readouterr().err.splitlines() == lines


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.integers(1, 8), st.floats(0, 2))
def test_a_predicted_end_lies_between_the_best_possible_and_twice_that(
    seconds: list[float], workers: int, overhead: float
) -> None:
    costs = [cost + overhead for cost in seconds]
    best = max(sum(costs) / workers, max(costs))
    assert best * (1 - 1e-9) <= makespan(seconds, workers, overhead) <= 2 * best
