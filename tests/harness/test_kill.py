"""A run that is killed goes on where it was, and ends with the table of one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

TIMED = ["seconds", "session"]


def start(suite: Path, data_root: Path, out: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "restorebench", "run", "--suite", str(suite)]
    command += ["--data-root", str(data_root), "-m", "identity", "-m", "nl_means"]
    with log.open("w") as file:
        return subprocess.Popen(
            [*command, "--out", str(out)],
            stdout=file,
            stderr=file,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def stored(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (out / "journal").glob("*.jsonl"))


def test_a_run_killed_again_and_again_ends_with_the_same_table(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(suite, data_root, whole, tmp_path / "log").wait(120) == 0

    rng, kills, before = random.Random(0), 0, 0
    for _ in range(8):
        process = start(suite, data_root, broken, tmp_path / "log")
        deadline = time.monotonic() + 60
        while stored(broken) <= before and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(rng.random() * 0.004)  # an image takes longer, so every kill leaves some
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            kills += 1
        assert stored(broken) >= before  # nothing that was written is lost
        before = stored(broken)
    assert kills >= 3, before
    assert start(suite, data_root, broken, tmp_path / "log").wait(120) == 0

    first, second = (pd.read_parquet(out / "records.parquet") for out in (whole, broken))
    pd.testing.assert_frame_equal(first.drop(columns=TIMED), second.drop(columns=TIMED))
    assert len(second) == second["key"].nunique() == 12
    for name in ("leaderboard.csv", "leaderboard.md", "leaderboard.tex"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()
    # Each image was measured once, except those that were in flight when a kill came.
    assert stored(broken) <= 12 + kills


def test_an_interrupt_ends_with_130_and_keeps_what_was_measured(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = start(suite, data_root, out, tmp_path / "log")
    deadline = time.monotonic() + 60
    while stored(out) < 1 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    complaint = (tmp_path / "log").read_text()
    assert "interrupted" in complaint
    assert "Traceback" not in complaint
    assert stored(out) >= 1
