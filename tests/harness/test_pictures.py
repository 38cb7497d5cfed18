"""Pictures that a run keeps: what they show, where, and that no number knows of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.catalog import Catalog
from restorebench.consistency import check_files
from restorebench.method import Card, Method
from restorebench.pictures import Crop, find_pictures, telling_crop
from restorebench.store import read_journals

Float = NDArray[np.float32]


class Darker(Method):
    """Halves every value."""

    network_class = nn.Identity
    info = Card(title="Darker", paper="none", status="external", needs_weights=False)

    def restore(self, x: Tensor) -> Tensor:
        return x / 2


def scored(suite: Path, data_root: Path, out: Path, *, pictures: bool = True) -> Leaderboard:
    methods: list[str | Method] = ["identity", Darker()]
    return restorebench.run(str(suite), methods, data_root, out=out, pictures=pictures)


def pixels(path: Path) -> NDArray[np.uint8]:
    with PIL.Image.open(path) as image:
        assert image.mode == "RGB"
        return np.array(image)


def numbered(board: Leaderboard, method: str, task: str) -> list[str]:
    records = board.records
    return list(records[(records["method"] == method) & (records["task"] == task)]["key"])


def test_every_record_has_its_picture_and_every_image_one_of_input_and_target(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    board = scored(suite, data_root, tmp_path / "run")
    found = find_pictures(board.pictures)
    restored = {path for key, path in found.items() if key in set(board.records["key"])}
    assert len(restored) == len(board.records) == 12
    assert len({path.parent for path in restored}) == 6
    for index, key in enumerate(numbered(board, "Darker", "rain")):
        folder = found[key].parent
        degraded = pixels(data_root / "rain/input" / f"{index}.png")
        assert np.array_equal(pixels(folder / "degraded.webp"), degraded)
        clean = pixels(data_root / "rain/target" / f"{index}.png")
        assert np.array_equal(pixels(folder / "target.webp"), clean)
        assert np.array_equal(pixels(found[key]), np.rint(degraded / 2).astype(np.uint8))
        about = json.loads((folder / "crop.json").read_text())
        assert about["task"] == "rain"
        assert about["image"] == str(index)
        assert (about["height"], about["width"]) == (48, 64)


def test_no_number_and_no_key_knows_of_pictures(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    with_them = scored(suite, data_root, tmp_path / "with")
    without = scored(suite, data_root, tmp_path / "without", pictures=False)
    timed = ["seconds", "session"]
    assert with_them.records.drop(columns=timed).equals(without.records.drop(columns=timed))
    assert without.pictures == ()
    assert not (tmp_path / "without" / "pictures").exists()


def test_a_resumed_run_completes_the_pictures_and_leaves_the_others(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    scored(suite, data_root, out)
    before = {p: p.stat().st_mtime_ns for p in out.glob("pictures/*/*")}
    (journal,) = (out / "journal").iterdir()
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-1]))
    lost = find_pictures([out / "pictures"])[json.loads(lines[-1])["key"]]
    lost.unlink()
    torn = lost.with_name(f".{lost.name}.abc.unfinished")
    torn.write_bytes(b"RIFF")
    board = scored(suite, data_root, out)
    assert find_pictures(board.pictures).keys() >= read_journals(out).keys()
    assert not torn.exists()
    untouched = {p: p.stat().st_mtime_ns for p in before if p.parent != lost.parent}
    assert untouched.items() <= before.items()
    assert set(out.glob("pictures/*/*")) == set(before)


def test_each_protocol_has_pictures_and_all_boards_find_theirs(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    from restorebench.rows import Options
    from restorebench.session import Session

    options = Options(data_root=data_root, protocols=("airnet", "restormer_derain"))
    session = Session(str(suite), ["identity"], options, tmp_path / "run")
    assert len(list(session.measure())) == 12
    session.finish()
    for folder in (tmp_path / "run", tmp_path / "run" / "restormer_derain"):
        board = Leaderboard.load(folder)
        assert set(board.records["key"]) <= find_pictures(board.pictures).keys()


def test_a_board_with_pictures_verifies(suite: Path, data_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    scored(suite, data_root, out)
    checks = check_files(out, Leaderboard.load(out), read_journals(out), Catalog.installed())
    assert all(check.agrees for check in checks)


def test_the_crop_is_where_a_detailed_part_is_damaged() -> None:
    rng = np.random.default_rng(0)
    clean = np.full((400, 500, 3), 0.5, np.float32)
    clean[208:368, 320:480] += rng.normal(0, 0.1, (160, 160, 3)).astype(np.float32)
    clean[:160, :160] += rng.normal(0, 0.1, (160, 160, 3)).astype(np.float32)
    degraded = clean.copy()
    degraded[200:, :] += np.float32(0.2)  # the flat part is damaged too, the other detail is not
    assert telling_crop(degraded, clean) == Crop(208, 320, 160, 160)


@pytest.mark.parametrize(("height", "width"), [(160, 160), (16, 500), (167, 161), (480, 320)])
def test_a_crop_lies_within_its_image(height: int, width: int) -> None:
    image = np.random.default_rng(1).random((height, width, 3), np.float32)
    for clean in (None, image[::-1]):
        crop = telling_crop(image, clean)
        assert crop.of(image).shape == (min(160, height), min(160, width), 3)
        assert (crop.top % 8, crop.left % 8) == (0, 0)
