"""A run that is stopped, in whatever way, goes on and ends with the files of one that was not.

`nox -s crash` kills a run fifty times; the tests that always run, a few times.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from restorebench.store import Store, read_records

from .test_store import record

KILLS = int(os.environ.get("CRASH_KILLS", "3"))

TIMED = ["seconds", "session"]
TABLES = ("leaderboard.csv", "leaderboard.md", "leaderboard.tex")
IMAGES = 12

Process = subprocess.Popen[bytes]


def command(suite: Path, data_root: Path, out: Path) -> list[str]:
    words = [sys.executable, "-m", "restorebench", "run", "--suite", str(suite)]
    words += ["--data-root", str(data_root), "-m", "identity", "-m", "nl_means"]
    return [*words, "--out", str(out)]


def start(words: list[str], log: Path, **options: Any) -> Process:
    with log.open("w") as file:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(words, stdout=file, stderr=file, env=environment, **options)


def journals(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "journal").glob("*.jsonl")}


def stored(out: Path) -> int:
    return sum(content.count(b"\n") for content in journals(out).values())


def wait_for_journal(process: Process, out: Path, count: int) -> None:
    """Wait until the folder holds ``count`` journals, or the process has ended."""
    deadline = time.monotonic() + 60
    while len(journals(out)) < count and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def wait_for_images(process: Process, out: Path, count: int) -> None:
    """Wait until the folder holds ``count`` records, or the process has ended."""
    deadline = time.monotonic() + 60
    while stored(out) < count and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def timed_phases(words: list[str], out: Path, log: Path) -> dict[str, float]:
    """Run once without interruption; return how many seconds each phase took."""
    times = [time.monotonic()]
    process = start(words, log)
    wait_for_journal(process, out, 1)
    times.append(time.monotonic())
    wait_for_images(process, out, IMAGES)
    times.append(time.monotonic())
    assert process.wait(120) == 0, log.read_text()
    times.append(time.monotonic())
    return dict(zip(("starting", "measuring", "writing"), np.diff(times), strict=True))


def assert_same_files(whole: Path, other: Path) -> None:
    """Compare two run folders, apart from timings, dates and the count of sessions."""
    names = [sorted(str(p.relative_to(out)) for p in out.glob("*")) for out in (whole, other)]
    assert names[0] == names[1]
    first, second = (pd.read_parquet(out / "records.parquet") for out in (whole, other))
    pd.testing.assert_frame_equal(first.drop(columns=TIMED), second.drop(columns=TIMED))
    first, second = (pd.read_csv(out / "records.csv", dtype=str) for out in (whole, other))
    pd.testing.assert_frame_equal(first.drop(columns=TIMED), second.drop(columns=TIMED))
    boards = [json.loads((out / "board.json").read_text()) for out in (whole, other)]
    assert {**boards[0], "sessions": None} == {**boards[1], "sessions": None}
    pictures = [
        {p.relative_to(out): p.read_bytes() for p in out.glob("pictures/**/*") if p.is_file()}
        for out in (whole, other)
    ]
    assert pictures[0] == pictures[1] != {}
    for name in TABLES:
        assert (whole / name).read_bytes() == (other / name).read_bytes()
    measured = Counter(record.key for record in read_records(other))
    assert len(measured) == IMAGES
    assert set(measured.values()) == {1}, "an image was stored twice"


def test_a_run_killed_at_random_moments_ends_with_the_same_files(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    whole, broken, log = tmp_path / "whole", tmp_path / "broken", tmp_path / "log"
    phases = timed_phases(command(suite, data_root, whole), whole, log)

    rng, kills, rounds, found = random.Random(0), 0, 0, Counter[str]()
    while kills < KILLS:
        before = journals(broken)
        process = start(command(suite, data_root, broken), log)
        phase = rng.choice(["starting", "measuring", "measuring", "writing"])
        if phase != "starting":
            wait_for_journal(process, broken, len(before) + 1)
        if phase == "writing":
            wait_for_images(process, broken, IMAGES)
        time.sleep(rng.random() * phases[phase])
        process.send_signal(signal.SIGKILL)
        ended = process.wait()
        after = journals(broken)
        assert all(after[name] == content for name, content in before.items())
        if ended == -signal.SIGKILL:
            kills += 1
            found[f"{phase}, {stored(broken)} of {IMAGES} images stored"] += 1
            if kills < KILLS and (stored(broken) < IMAGES or rng.random() < 0.5):
                continue
            ended = start(command(suite, data_root, broken), log).wait(120)
        # It was quicker than the kill, or was let through: a run is over, and the next begins.
        assert ended == 0, log.read_text()
        assert_same_files(whole, broken)
        shutil.rmtree(broken)
        rounds += 1
    sys.stdout.write(f"\n{kills} kills in {rounds} runs: {dict(sorted(found.items()))}\n")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130_and_keeps_what_was_measured(
    suite: Path, data_root: Path, tmp_path: Path, kind: signal.Signals
) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    process = start(command(suite, data_root, out), log)
    wait_for_images(process, out, 1)
    process.send_signal(kind)
    assert process.wait(60) == 130, log.read_text()
    complaint = log.read_text()
    assert "interrupted" in complaint
    assert "Traceback" not in complaint
    assert all(content.endswith(b"\n") for content in journals(out).values())
    assert len(list(read_records(out))) == stored(out) >= 1


def test_a_second_run_on_the_same_folder_is_refused_and_nothing_is_stored_twice(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    out, logs = tmp_path / "run", [tmp_path / "log0", tmp_path / "log1"]
    with Store(out, "held"):
        assert start(command(suite, data_root, out), logs[0]).wait(120) == 4
    assert "is being written by another run; wait for it" in logs[0].read_text()
    assert not (out / "manifest.json").exists()
    processes = [start(command(suite, data_root, out), log) for log in logs]
    codes = sorted(process.wait(120) for process in processes)
    assert codes in ([0, 4], [0, 0])  # at once, or one after the other
    assert Counter(record.key for record in read_records(out)).most_common(1)[0][1] == 1


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 48 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "none", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs a privileged user")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_the_run_goes_on_once_there_is_room(
    suite: Path, data_root: Path, tmp_path: Path, full_disk: Path
) -> None:
    out, log = full_disk / "run", tmp_path / "log"
    assert start(command(suite, data_root, out), log).wait(120) == 4
    assert_one_complaint(log, "cannot be written (No space left on device)")
    assert not list(out.rglob(".*.unfinished"))
    subprocess.run(["mount", "-o", "remount,size=8m", str(full_disk)], check=True)
    assert start(command(suite, data_root, out), log).wait(120) == 0, log.read_text()
    assert stored(out) == IMAGES


def test_a_limit_on_file_sizes_is_one_line_and_costs_nothing_stored(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    out, log = tmp_path / "run", tmp_path / "log"
    words = [*command(suite, data_root, out), "--no-pictures"]
    process = start(words, log, preexec_fn=limited)
    assert process.wait(120) == 4
    assert_one_complaint(log, "cannot be written (File too large)")
    kept = len(list(read_records(out)))
    assert 0 < kept < IMAGES
    assert start(command(suite, data_root, out), log).wait(120) == 0, log.read_text()
    assert stored(out) == IMAGES


def test_a_folder_that_cannot_be_written_is_one_line(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    out.mkdir(mode=0o555)
    words = command(suite, data_root, out)
    if os.geteuid() == 0:  # to whom permissions say nothing, unless that power is given up
        if shutil.which("setpriv") is None:
            pytest.skip("the superuser writes everywhere, and there is no setpriv")
        words = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-all", *words]
    assert start(words, log).wait(120) == 4
    assert_one_complaint(log, f"{out} cannot be written (Permission denied); choose another --out")
    assert list(out.iterdir()) == []


def assert_one_complaint(log: Path, message: str) -> None:
    text = log.read_text()
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("restorebench: ")]
    assert message in line


# Reports every file that Python opens for writing, makes, moves or deletes, and every program that
# it starts.
WATCHED = """
import json, os, sys
log = []
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PATHS = {"os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.link": 2,
         "os.symlink": 2, "os.truncate": 1, "os.chmod": 1, "os.utime": 1}
def hook(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and args[2] & WRITING:
        log.append(["file", os.path.abspath(os.fsdecode(args[0]))])
    elif event in PATHS:
        log.extend(["file", os.path.abspath(os.fsdecode(p))] for p in args[:PATHS[event]]
                   if not isinstance(p, int))
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        log.append(["program", str(args[0])])
sys.addaudithook(hook)
from restorebench.cli import main
report = sys.argv.pop(1)
try:
    main()
finally:
    written = list(log)
    with open(report, "w") as file:
        json.dump(written, file)
"""


def test_a_run_writes_nowhere_but_into_its_folder(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    places = {name: tmp_path / name for name in ("home", "tmp", "here")}
    for place in places.values():
        place.mkdir()
    environment = {"HOME": str(places["home"]), "TMPDIR": str(places["tmp"]), "PATH": os.defpath}
    report = tmp_path / "report.json"
    before = set(tmp_path.rglob("*"))
    words = [sys.executable, "-B", "-c", WATCHED, str(report), "run", "--suite", str(suite)]
    words += ["--data-root", str(data_root), "-m", "identity", "-m", "nl_means", "-m", "promptir"]
    done = subprocess.run(
        [*words, "--out", "run"], cwd=places["here"], env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    out = places["here"] / "run"
    new = set(tmp_path.rglob("*")) - before - {report}
    assert {path for path in new if out not in (path, *path.parents)} == set()
    touched = json.loads(report.read_text())
    files = {Path(name) for kind, name in touched if kind == "file"}
    assert {path for path in files if out not in (path, *path.parents)} <= {Path(os.devnull)}
    assert {name for kind, name in touched if kind == "program"} <= {"git", "uname"}


def test_a_journal_that_was_torn_in_any_place_gives_all_whole_records_back(tmp_path: Path) -> None:
    with Store(tmp_path, "torn") as store:
        for number in range(5):
            store.append(record(str(number), psnr=30.0))
    (journal,) = (tmp_path / "journal").iterdir()
    content = journal.read_bytes()
    for length in range(len(content)):
        journal.write_bytes(content[:length])
        assert len(list(read_records(tmp_path))) == content[:length].count(b"\n")
