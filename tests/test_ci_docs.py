"""The worked example of docs/ci, word for word, and the workflows beside it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

CI = Path(__file__).resolve().parents[1] / "docs" / "ci"
README = (CI / "README.md").read_text(encoding="utf-8")
EXAMPLE = README[README.index("## A worked example") :]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RESTORE", "GITHUB"))}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=folder, env=environment
    )


@pytest.mark.slow
def test_the_worked_example_ends_as_it_says(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CI / "example", tmp_path / "example"))
    assert run(folder, "make_checkpoints.py").returncode == 0
    alias = re.search(r"alias gate='restorebench (.+)'", EXAMPLE)
    assert alias is not None
    codes = []
    for line, code, verdict in re.findall(r"^gate (.+?) +# (\d+) (.+)$", EXAMPLE, re.MULTILINE):
        words = [*alias[1].split(), *shlex.split(line)]
        done = run(folder, "-m", "restorebench", *words)
        assert done.returncode == int(code), done.stdout + done.stderr
        report = json.loads((folder / "runs/gate/gate.json").read_text())
        assert (report["verdict"], report["exit_code"]) == (verdict, int(code))
        for name in ("gate.junit.xml", "gate.md", "gate.metrics.txt"):
            assert verdict in (folder / "runs/gate" / name).read_text()
        codes.append(int(code))
    assert set(codes) == {0, 1, 2, 3, 4, 5}
    places = {row["name"]: row["verdict"] for row in report["rows"]}
    assert list(places)[-2:] == ["linear@clearly_worse", "linear@broken"]
    assert places["linear@good"] == places["linear@current"] == "pass"


def test_the_exit_codes_of_the_guide_are_those_of_the_program() -> None:
    from restorebench.gate.report import EXIT_CODES

    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE))
    for verdict, code in EXIT_CODES.items():
        assert verdict in rows[str(code)]
    assert set(rows) == {str(code) for code in EXIT_CODES.values()}


def commands_in(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node] if node.startswith("restorebench ") else []
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return [command for value in values for command in commands_in(value)]


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_workflows_are_yaml_with_commands_that_exist(name: str, tmp_path: Path) -> None:
    text = (CI / name).read_text(encoding="utf-8")
    (command,) = commands_in(YAML(typ="safe", pure=True).load(text))
    # Options are read before the help is shown, so that an unknown one is an error.
    done = run(tmp_path, "-m", *shlex.split(command), "--help")
    assert done.returncode == 0, done.stderr
    assert run(tmp_path, "-m", *shlex.split(command), "--no-such", "--help").returncode == 2
    for file in re.findall(r"runs/gate/([\w.]+)", text):
        assert file in {"gate.md", "gate.junit.xml", "gate.metrics.txt"}
