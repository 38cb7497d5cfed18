"""`restorebench data` as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from restorebench.data.manifest import Manifest

from .conftest import Cli


def test_verify_says_what_is_there_and_what_to_do(cli: Cli, suite: Path, data_root: Path) -> None:
    spec = suite.parent / "pairs.yaml"
    done = cli("data", "verify", "--data-root", data_root, "--dataset", spec)
    assert done.returncode == 0, done.stderr
    assert "no manifest of this set is on record" in done.stdout
    (data_root / "rain/input/1.png").unlink()
    done = cli("data", "verify", "--data-root", data_root, "--dataset", spec)
    assert done.returncode == 3
    assert "partial, 2 of 3" in done.stdout
    assert "expected below the data root as rain/input/*.png" in done.stdout


def test_verify_speaks_json(cli: Cli, suite: Path, data_root: Path) -> None:
    (data_root / "rain/input/[bold]\x1b[31m.png").write_bytes(b"no image")
    spec = suite.parent / "pairs.yaml"
    done = cli("data", "verify", "--json", "--data-root", data_root, "--dataset", spec)
    assert done.returncode == 3
    said = json.loads(done.stdout)
    (found,) = said["datasets"]
    assert found["status"] == "damaged"
    assert not found["ok"]
    assert "pillow" in said["decoder"]
    done = cli("data", "verify", "--data-root", data_root, "--dataset", spec)
    assert "\x1b" not in done.stdout
    assert "[bold]" in done.stdout


def test_verify_of_nothing_ends_with_5(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("data", "verify", "--data-root", "empty")
    assert done.returncode == 5
    assert done.stderr == "restorebench: no set was found below empty\n"
    done = cli("data", "verify", "--data-root", "empty", "--dataset", "kodak24", "--json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["datasets"][0]["status"] == "absent"
    photographs = tmp_path / "Kodak24"
    photographs.mkdir()
    (photographs / "kodim01.png").write_bytes(b"")
    done = cli("data", "verify", "--data-root", "empty")
    assert f"but some below {tmp_path}: give that" in done.stderr
    assert cli("data", "verify", "--data-root", "nowhere").returncode == 4
    assert cli("data", "verify").returncode == 2


def test_a_manifest_makes_a_set_known(cli: Cli, suite: Path, data_root: Path) -> None:
    spec = suite.parent / "pairs.yaml"
    call = ("data", "manifest", "--dataset", spec, "--data-root", data_root, "-o", "pairs.json")
    assert cli(*call).returncode == 0
    manifest = Manifest.read_json(suite.parent / "pairs.json")
    assert [(f.role, f.image, f.size) for f in manifest.files[:2]] == [
        ("degraded", "0", "64x48"),
        ("degraded", "1", "64x48"),
    ]
    assert len((suite.parent / "pairs.json").read_text().splitlines()) < len(manifest.files) + 15
    spec.write_text(spec.read_text() + "manifest: pairs.json\n")
    verify = ("data", "verify", "--data-root", data_root, "--dataset", spec)
    assert "6 of 6 files are those on record" in cli(*verify).stdout
    shutil.copy(data_root / "rain/target/0.png", data_root / "rain/target/1.png")
    assert "targets are not in the order of the images" in cli(*verify).stdout


def test_a_folder_is_recorded_and_compared_with(cli: Cli, suite: Path, data_root: Path) -> None:
    folder = data_root / "clean"
    (folder / "notes.txt").write_text("mine")
    done = cli("data", "manifest", folder)
    assert done.returncode == 0
    assert "left out: notes.txt" in done.stderr
    assert [file["image"] for file in json.loads(done.stdout)["files"]] == [
        "0.png",
        "1.png",
        "2.png",
    ]
    spec = suite.parent / "pairs.yaml"
    overlap = ("data", "overlap", "--train", folder, "--data-root", data_root, "--dataset", spec)
    done = cli(*overlap)
    assert done.returncode == 3
    assert "0.png = pairs 0 (target): equal pixels" in done.stdout
    assert "3 test images are among the 3 training images" in done.stdout
    (folder / "0.png").write_bytes(b"torn")
    done = cli(*overlap, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["train"] == 2
    assert "0.png: not a PNG, JPEG or BMP image" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("data", "manifest", ".", "-o", "no/x.json"), 2, "give a file in a folder that is there"),
        (("data", "manifest"), 2, "give either a folder, or --dataset"),
        (("data", "overlap", "--train", ".", "--data-root", "."), 5, "no test set was found"),
        (("data", "verify", "--data-root", ".", "--dataset", "lolv1"), 2, "Did you mean 'lol_v1'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    cli: Cli, arguments: tuple[str, ...], code: int, text: str
) -> None:
    done = cli(*arguments)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_names_that_are_no_utf8_are_told_and_survive(cli: Cli, data_root: Path) -> None:
    folder = os.fsencode(data_root / "clean")
    try:
        os.rename(folder + b"/0.png", folder + b"/\xff.png")  # noqa: PTH104 - no Path holds it
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    done = cli("data", "manifest", data_root / "clean")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][-1]["image"] == r"\udcff.png"
