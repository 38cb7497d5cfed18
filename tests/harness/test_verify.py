"""`verify` finds whatever was changed in a run folder, its weights or its data."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch

import restorebench
from restorebench.catalog import Catalog
from restorebench.errors import DataError, NothingSelectedError, SetupError, StoreError
from restorebench.rows import Options
from restorebench.session import Session
from restorebench.verify import Asked, tolerance, verify

from .conftest import Cli
from .test_store import record

PLUGIN = """
import torch
from restorebench import Card, Method

class Toy(Method):
    network_class = lambda self: torch.nn.Conv2d(3, 3, 1)
    info = Card(title="Toy", paper="none", status="external")

METHODS = {"toy": Toy}
"""


@pytest.fixture
def finished(suite: Path, data_root: Path, tmp_path: Path) -> Path:
    """A finished run of two methods on two tasks of three images."""
    restorebench.run(suite, ["identity", "nl_means"], data_root, out=tmp_path / "run")
    return tmp_path / "run"


def differing(folder: Path, **asked: object) -> dict[str, str]:
    """Return what differs and how."""
    checks = verify(Asked(folder=folder, **asked), Catalog.installed())  # type: ignore[arg-type]
    return {Path(check.what).name: check.detail for check in checks if check.agrees is False}


def test_an_honest_run_agrees_in_everything(finished: Path) -> None:
    checks = list(verify(Asked(folder=finished, sample=100), Catalog.installed()))
    assert [check for check in checks if not check.agrees] == []
    again = [check.what for check in checks if " on " in check.what]
    assert len(again) == 12
    few = list(verify(Asked(folder=finished, sample=4), Catalog.installed()))
    other = list(verify(Asked(folder=finished, sample=4, seed=1), Catalog.installed()))
    assert len(few) == len(other) == len(checks) - 8
    assert few != other


def measured_again(folder: Path, **asked: object) -> list[str]:
    """Return which records were measured again, sorted."""
    checks = verify(Asked(folder=folder, **asked), Catalog.installed())  # type: ignore[arg-type]
    return sorted(check.what for check in checks if " on " in check.what)


def test_records_are_chosen_by_method_task_and_image(finished: Path) -> None:
    assert len(measured_again(finished)) == 5
    mine = measured_again(finished, methods=("nl_means",))
    assert mine == [f"nl_means on {task}, {n}" for task in ("noise", "rain") for n in range(3)]
    one = {"methods": ("identity",), "tasks": ("rain",), "images": ("2",)}
    assert measured_again(finished, **one) == ["identity on rain, 2"]
    two = measured_again(finished, tasks=("noise",), images=("0", "1"), sample=3)
    assert len(two) == 3
    assert set(two) < {f"{m} on noise, {n}" for m in ("identity", "nl_means") for n in (0, 1)}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            {"methods": ("nl_mean",)},
            "is of method 'nl_mean'. Did you mean 'nl_means'? It has identity, nl_means",
        ),
        ({"tasks": ("rain", "haze")}, "is of task 'haze'. It has noise, rain"),
        ({"images": ("2.png",)}, "is of image '2.png'. It has 0, 1, 2"),
    ],
)
def test_names_that_no_record_has_are_refused(
    finished: Path, chosen: dict[str, object], message: str
) -> None:
    with pytest.raises(NothingSelectedError) as caught:
        measured_again(finished, **chosen)
    assert str(caught.value) == f"no scored record of {finished} {message}"


def test_names_that_no_record_has_at_once_are_refused(finished: Path, data_root: Path) -> None:
    (finished / "journal").rename(finished / "old")
    for path in (data_root / "rain/input/1.png",):
        path.write_bytes(b"torn")
    restorebench.run(data_root.parent / "small.yaml", "identity", data_root, out=finished)
    with pytest.raises(NothingSelectedError) as caught:
        measured_again(finished, tasks=("rain",), images=("1",))
    assert str(caught.value) == f"no scored record of {finished} is of task rain, image 1"


def edit(name: str, pattern: str, by: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (path,) = folder.glob(name)
        before = path.read_text()
        path.write_text(re.sub(pattern, by, before, count=1))
        assert path.read_text() != before

    return change


def edit_parquet(folder: Path) -> None:
    records = pd.read_parquet(folder / "records.parquet")
    records["psnr"] = records["psnr"] + 0.01
    records.to_parquet(folder / "records.parquet", index=False)


def relabel_parquet(folder: Path) -> None:
    records = pd.read_parquet(folder / "records.parquet").assign(extent="sample")
    records.to_parquet(folder / "records.parquet", index=False)


def drop_from_parquet(folder: Path) -> None:
    records = pd.read_parquet(folder / "records.parquet")
    records.iloc[:-1].to_parquet(folder / "records.parquet", index=False)


TAMPERINGS = {
    "a score in the journal": (edit("journal/*", r'"psnr":(\d)', r'"psnr":1\1'), "records.parquet"),
    "a name in the journal": (edit("journal/*", '"method":"i', '"method":"I'), "journals"),
    "a score in the records": (edit_parquet, "records.parquet"),
    "a word in the records": (relabel_parquet, "records.parquet"),
    "fewer records": (drop_from_parquet, "records.parquet"),
    "a score in records.csv": (edit("records.csv", r"\.\d", ".99"), "records.csv"),
    "a mean in the CSV": (edit("leaderboard.csv", r"psnr,\d", "psnr,9"), "leaderboard.csv"),
    "a mean in Markdown": (edit("leaderboard.md", r"\d\.\d\d", "9.99"), "leaderboard.md"),
    "a mean in LaTeX": (edit("leaderboard.tex", r"\d\.\d\d", "9.99"), "leaderboard.tex"),
    "a mean in HTML": (edit("leaderboard.html", r"\d\.\d\d</", "9.99</"), "leaderboard.html"),
    "data": (edit("board.json", r'"fingerprint": "..', '"fingerprint": "zz'), "board.json"),
    "a count of images": (edit("board.json", r'"count": 3', '"count": 500'), "board.json"),
    "the protocol": (edit("board.json", r"crop16", "crop8"), "StoreError"),
    "the sessions": (edit("manifest.json", r'"host": "', '"host": "other-'), "manifest"),
}


def test_whatever_is_changed_in_a_run_folder_is_found(finished: Path, tmp_path: Path) -> None:
    for change, (tamper, found_in) in TAMPERINGS.items():
        folder = tmp_path / "changed" / change
        shutil.copytree(finished, folder)
        tamper(folder)
        try:
            found = " ".join(differing(folder, sample=0))
        except StoreError as error:
            found = f"StoreError: {error}"
        assert found_in in found, change


def test_a_score_that_was_changed_everywhere_is_found_by_measuring_again(
    finished: Path, suite: Path, data_root: Path
) -> None:
    edit("journal/*", r'"psnr":(\d)', r'"psnr":1\1')(finished)
    # The same command writes all tables anew, from records that it has no reason to doubt.
    restorebench.run(suite, ["identity", "nl_means"], data_root, out=finished)
    assert differing(finished, sample=0) == {}
    found = differing(finished, sample=100)
    assert list(found) == ["identity on rain, 0"]
    assert re.search(r"psnr 1\d\d\.\d+, now \d\d\.\d+", found["identity on rain, 0"])


def test_a_record_that_was_slipped_in_is_found(finished: Path) -> None:
    (journal,) = (finished / "journal").iterdir()
    forged = re.sub(r'"psnr":(\d)', r'"psnr":1\1', journal.read_text().splitlines()[0])
    (finished / "journal/0000-forged.jsonl").write_text(forged + "\n")
    assert "stored twice with different scores" in differing(finished)["journals"]


def test_changed_data_are_found_and_missing_data_are_an_error(
    finished: Path, data_root: Path
) -> None:
    path = data_root / "rain/target/1.png"
    pixels = np.array(PIL.Image.open(path))
    pixels[0, 0, 0] ^= 1
    PIL.Image.fromarray(pixels).save(path)
    found = differing(finished, sample=100)
    assert set(found) == {"board.json", "data_fingerprint of rain"}
    data_root.rename(data_root.parent / "moved")
    with pytest.raises(DataError, match="is not a folder"):
        differing(finished)
    assert "board.json" in differing(finished, data_root=data_root.parent / "moved")


def test_swapped_weights_are_found_and_missing_weights_are_an_error(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "toy.py").write_text(PLUGIN)
    catalog, file = Catalog.installed([tmp_path / "toy.py"]), tmp_path / "toy.pt"
    torch.save({"weight": torch.eye(3)[..., None, None], "bias": torch.zeros(3)}, file)
    options = Options(data_root=data_root, weights={"toy": file})
    session = Session(str(suite), ["toy"], options, tmp_path / "run", catalog)
    assert all(record.error is None for record in session.measure())
    session.finish()
    asked = Asked(folder=tmp_path / "run")
    assert all(check.agrees for check in verify(asked, catalog))
    with pytest.raises(SetupError, match=r"toy cannot be measured again: .* name its file with"):
        list(verify(asked, Catalog.installed()))

    torch.save({"weight": torch.eye(3)[..., None, None], "bias": torch.ones(3)}, file)
    (found,) = [c for c in verify(asked, catalog) if c.what == "weights of toy"]
    assert found.agrees is False
    assert found.detail.startswith("6 records were made with ")
    file.rename(tmp_path / "kept.pt")
    with pytest.raises(SetupError, match=r"toy cannot be measured again: .* no such file"):
        list(verify(asked, catalog))


def test_changed_code_is_said_and_the_scores_decide(finished: Path) -> None:
    for path in [*finished.glob("journal/*"), finished / "board.json"]:
        text = path.read_text()
        code = json.loads((finished / "board.json").read_text())["rows"][0]["code"]
        path.write_text(text.replace(code, "0123456789ab"))
    lines = {check.what: check for check in verify(Asked(folder=finished), Catalog.installed())}
    # The keys were made for the true code, so that even this cannot be changed by hand.
    assert lines["journals"].agrees is False


def test_the_tolerance_is_that_of_the_device_and_the_environment() -> None:
    here = record().identity
    gpu = here.model_copy(update={"device": "NVIDIA H200"})
    half = here.model_copy(update={"precision": "bfloat16"})
    newer = here.model_copy(update={"environment": "other"})
    found = [tolerance(*pair) for pair in [(here, here), (gpu, gpu), (gpu, here), (here, newer)]]
    assert [*found, tolerance(half, half)] == [1e-5, 3e-4, 1e-3, 1e-3, 1e-2]


def test_the_command_ends_with_0_3_and_4(finished: Path, cli: Cli) -> None:
    done = cli("verify", finished, "--sample", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("agrees") == len(done.stdout.splitlines())
    done = cli("verify", finished, "-m", "identity", "--task", "rain", "--image", 1)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if " on " in line] == [
        line for line in done.stdout.splitlines() if "identity on rain, 1:" in line
    ]
    assert done.stdout.count(" on ") == 1
    done = cli("verify", finished, "-m", "identity", "-m", "hair")
    assert done.returncode == 5
    assert done.stderr.startswith("restorebench: no scored record of ")
    edit("leaderboard.md", r"\d\.\d\d", "9.99")(finished)
    done = cli("verify", finished, "--sample", 0)
    assert done.returncode == 3, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("DIFFERS")]
    assert line.endswith("leaderboard.md: not what the records give")
    done = cli("verify", finished / "journal")
    assert done.returncode == 4
    assert "is no run folder" in done.stderr
