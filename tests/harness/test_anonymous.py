"""`report --anonymous`: no file that is written tells who made it, and no number changes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import restorebench
from restorebench.board.anonymous import PATH, anonymous
from restorebench.board.files import write_board
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.merging import RunBoard
from restorebench.catalog import Catalog

from .conftest import Cli

HOST, COMMIT, USER = "lab-machine-7", "c0ffee" * 6 + "beef", "alice"


@pytest.fixture
def run(suite: Path, data_root: Path, tmp_path: Path) -> Path:
    """A run of a user whose name stands in every path, with an image that cannot be read."""
    home = tmp_path / "home" / USER
    root = home / "my data"  # whose own name stays
    home.mkdir(parents=True)
    data_root.rename(root)
    (root / "clean" / "1.png").write_bytes(b"no image")
    out = home / "runs" / "first"
    restorebench.run(str(suite), "identity", root, out=out)
    path = out / "board.json"
    board = json.loads(path.read_text())
    board["sessions"][0] |= {
        "host": HOST,
        "commit": COMMIT,
        "novelty": f"made by {USER}",
        "command": f"restorebench run --suite {suite} --data-root '{root}' --weights=hair={home}/w",
    }
    board["rows"][0]["words"] = [f"remark: read from {home / 'w.ckpt'} on {HOST}"]
    path.write_text(json.dumps(board))
    return out


def leaks(folder: Path, tmp_path: Path) -> list[str]:
    """Return every file below a folder that holds what tells who made it."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".parquet":  # compressed
                content = pd.read_parquet(path).to_csv().encode()
            secrets = (HOST, COMMIT, USER, str(tmp_path))
            found += [f"{path.name}: {s}" for s in secrets if s.encode() in content]
    return found


def test_no_file_tells_host_user_folder_or_commit(cli: Cli, run: Path, tmp_path: Path) -> None:
    plain, blind = tmp_path / "plain", tmp_path / "blind"
    write_board(Leaderboard.load(run), plain, Catalog.installed())
    done = cli("report", run, "-o", blind, "--anonymous")
    assert done.returncode == 0
    names = [sorted(p.name for p in folder.rglob("*")) for folder in (plain, blind)]
    assert names[0] == names[1]
    assert len({leak.partition(":")[0] for leak in leaks(plain, tmp_path)}) >= 5
    assert leaks(blind, tmp_path) == []
    assert HOST not in done.stdout
    assert USER not in done.stdout.partition("written:")[0]


def test_numbers_hashes_and_the_names_of_files_stay(run: Path) -> None:
    before = Leaderboard.load(run)
    (blind,) = anonymous([RunBoard("run", before)])
    after = blind.board
    told = ["error"]
    assert before.records.drop(columns=told).equals(after.records.drop(columns=told))
    assert list(after.records["error"].dropna().unique()) == [
        "clean/1.png: not a PNG, JPEG or BMP image, or a damaged one; fetch the file again"
    ]
    (session,) = after.info.sessions
    assert session["packages"] == before.info.sessions[0]["packages"]
    assert session["data"] == before.info.sessions[0]["data"]
    command = "restorebench run --suite small.yaml --data-root 'my data' --weights=hair=w"
    assert session["command"] == command
    assert after.info.rows[0].words == ("remark: read from w.ckpt on …",)
    kept = {"sessions", "rows"}
    assert before.info.model_dump(exclude=kept) == after.info.model_dump(exclude=kept)


def test_runs_are_called_by_numbers(run: Path) -> None:
    board = Leaderboard.load(run)
    named = [RunBoard("alice/first", board), RunBoard("b", board), RunBoard("alice/first", board)]
    assert [each.run for each in anonymous(named)] == ["run1", "run2", "run1"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/al/x.png: no such file", ["/home/al/x.png"]),
        ("file 'C:\\Users\\al\\x.png'", ["C:\\Users\\al\\x.png"]),
        ("in ~al/data, not ../al/w.ckpt", ["~al/data", "../al/w.ckpt"]),
        ("weights=/mnt/al", ["/mnt/al"]),
        ("test/denoise/*.png and/or 5/500", []),
        ("airnet@1/rgb/float[0,1],clamped/rounding=none/noise=keyed:0", []),
        ("https://example.org/a/b", []),
    ],
)
def test_only_paths_from_a_root_are_paths(text: str, left: list[str]) -> None:
    assert [match[0] for match in PATH.finditer(text)] == left
