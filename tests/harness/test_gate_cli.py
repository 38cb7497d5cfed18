"""`restorebench gate` as a real process: what no other test of the gate can see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from .conftest import Cli
from .test_gate import PLUGIN

pytestmark = pytest.mark.slow
SLOW = (
    PLUGIN.replace("x / 0", "time.sleep(0.2) or x")
    .replace("import torch\n", "import time\nimport torch\n", 1)
    .replace('"faulty"', '"sleepy"')
)


def verdict_in(folder: Path) -> str:
    return str(json.loads((folder / "runs/gate/gate.json").read_text())["verdict"])


def test_an_interrupted_gate_says_so_in_its_reports(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    arguments = ["gate", "--suite", str(suite), "--data-root", str(data_root), "-m", "sleepy"]
    arguments += ["--plugin", "slow.py"]
    assert cli(*arguments, "--update").returncode == 0
    for journal in (tmp_path / "runs/gate/journal").iterdir():
        journal.unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "restorebench", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 60
    while not any(p.stat().st_size for p in (tmp_path / "runs/gate/journal").glob("*.jsonl")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert b"Traceback" not in complaint
    assert verdict_in(tmp_path) == "interrupted"
    assert cli(*arguments).returncode == 0
    assert verdict_in(tmp_path) == "pass"


def test_a_folder_of_checkpoints_with_odd_names_is_gated_each(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    for name in ("a/epoch=9-step=100.ckpt", "b/epoch=9-step=100.ckpt", "b/\x1b[31mred\n.pt"):
        (tmp_path / "ckpts" / name).parent.mkdir(parents=True, exist_ok=True)
        torch.save({"gain": torch.ones(1)}, tmp_path / "ckpts" / name)
    (tmp_path / "ckpts/b/notes.txt").write_text("no checkpoint")
    common = ["gate", "--suite", suite, "--data-root", data_root, "-m", "gain"]
    common += ["--plugin", "plugin.py"]
    done = cli(*common, "--weights", "ckpts/a/epoch=9-step=100.ckpt", "--update")
    assert done.returncode == 0, done.stderr
    done = cli(*common, "--weights", "gain=ckpts/a", "--weights", "ckpts/b")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    rows = json.loads((tmp_path / "runs/gate/gate.json").read_text())["rows"]
    assert sorted(row["name"] for row in rows) == [
        "gain@a/epoch=9-step=100",
        "gain@b/epoch=9-step=100",
        "gain@b/�[31mred ",
    ]


def test_a_gate_of_foreign_weights_or_tolerances_is_a_usage_error(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    common = ["gate", "--suite", suite, "--data-root", data_root, "-m", "identity"]
    for arguments, message in (
        (["--weights", "hair=x.ckpt"], "weights are given for hair, not selected by -m"),
        (["--weights", "x.ckpt"], "say for which method"),
        (["--tolerance", "psnr=-1"], "say NAME=LOSS"),
    ):
        done = cli(*common, *arguments)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert verdict_in(tmp_path) == "usage"
