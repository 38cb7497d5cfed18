"""The command line as a real process: exit codes, one-line errors, what is printed."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

import restorebench
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.merging import load_boards
from restorebench.catalog import Catalog
from restorebench.errors import StoreError
from restorebench.rows import Options
from restorebench.session import Session
from restorebench.verify import Asked, verify

from .conftest import Cli


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return the command's complaint, after checking that it is one line and no traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("restorebench: ")]
    assert lines, done.stderr
    return lines[-1]


def test_a_run_prints_its_table_and_writes_its_files(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    done = cli("run", "--suite", suite, "--data-root", data_root, "-m", "identity", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "Degraded input" in done.stdout
    assert "airnet@1/rgb" in done.stdout
    table = pd.read_csv(tmp_path / "run" / "leaderboard.csv")
    assert set(table["task"]) == {"rain", "noise", "average (mean of the two tasks)"}
    assert table["value"].notna().all()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    session = manifest["sessions"][0]
    assert session["packages"]["torch"]
    assert "--suite" in session["command"]
    assert session["threads"] == 1
    assert session["weights"] == {"identity": "none needed"}
    assert len(session["data"]["rain"]) == 64
    again = cli("report", "run", "-o", "tables", "--style", "paper")
    assert again.returncode == 0
    assert (tmp_path / "tables" / "leaderboard.html").is_file()
    assert " 0." not in again.stdout.split("Degraded input")[1].splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--suite", "three_dge"], 2, "Did you mean 'three_deg'?"),
        (["-m", "promptr"], 2, "no method is called 'promptr'. Did you mean 'promptir'?"),
        (["--protocol", "airnett"], 2, "Did you mean 'airnet'?"),
        (["--limit", "0"], 2, "limit must be at least 1"),
        (["--limit", "many"], 2, "valid int"),
        (["--no-such-option"], 2, "No such option"),
        (["--data", "reel"], 2, "'reel' is not one of"),
        (["--data-root", "nowhere"], 4, "data root nowhere is not a folder"),
        (["--suite", "three_deg", "--data", "real"], 4, "SOTS-outdoor was not found"),
        (["--device", "cuda:7"], 4, "device 'cuda:7' cannot be used"),
        (["--device", "toaster"], 4, "device 'toaster' cannot be used"),
        (["--out", "file/run"], 4, "file/run cannot be written"),
        (["-m", "moce_ir"], 4, "no weights: give --weights moce_ir=FILE"),
        (["--weights", "small"], 2, "--weights small: say for which method"),
        (["-m", "promptir", "--weights", "none.ckpt"], 4, "none.ckpt: no such file"),
        (["-m", "promptir", "--weights", "file"], 4, "file"),
        (
            ["-m", "hair", "--weights", "smal"],
            4,
            "smal: no such file, nor weights that hair comes with. Did you mean 'small'?",
        ),
        (
            ["-m", "moce_ir", "--weights", "small"],
            4,
            "moce_ir comes with no small weights; airnet, ",
        ),
        (
            ["-m", "hair", "--weights", "har=no.ckpt"],
            2,
            "har=no.ckpt: no such file, and no method is called 'har'. Did you mean 'hair'?",
        ),
        (["-m", "hair", "--weights", "epoch=9.ckpt"], 2, "no method is called 'epoch'."),
        (["--weights", "hair=file"], 2, "weights are given for hair, not selected"),
        (["--plugin", "nothing.py"], 2, "plugin nothing.py: no such file"),
        (["--plugin", "file"], 2, "plugin file: not a Python file"),
    ],
)
def test_bad_usage_is_one_line_with_its_own_exit_code(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path, arguments: list[str], code: int,
    message: str,
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("not a checkpoint")
    given = {"--suite": str(suite), "--data-root": str(data_root), "-m": "identity", "--out": "run"}
    defaults = [x for key, value in given.items() if key not in arguments for x in (key, value)]
    done = cli("run", *defaults, *arguments)
    assert done.returncode == code, done.stderr
    assert message in said(done)


def test_a_bad_spec_names_its_place(cli: Cli, suite: Path, data_root: Path) -> None:
    suite.write_text(suite.read_text().replace("average:", "averag:"))
    done = cli("run", "--suite", suite, "--data-root", data_root, "-m", "identity")
    assert done.returncode == 2
    assert f"{suite}:4:1: unknown key 'averag'. Did you mean 'average'?" in said(done)


def test_a_failed_image_leaves_the_rest_and_ends_with_3(
    cli: Cli, suite: Path, data_root: Path
) -> None:
    bad = data_root / "rain" / "input" / "1.png"
    bad.write_bytes(bad.read_bytes()[:100])
    done = cli("run", "--suite", suite, "--data-root", data_root, "-m", "identity")
    assert done.returncode == 3
    assert "identity on rain, 1:" in said(done)
    assert "2 of 3 images scored" in done.stdout


def test_networks_without_weights_are_no_failure_unless_they_were_asked_for(
    cli: Cli, suite: Path, data_root: Path
) -> None:
    both = ("-m", "identity", "-m", "moce_ir")
    done = cli("run", "--suite", suite, "--data-root", data_root, *both)
    assert done.returncode == 3
    assert "no weights" in said(done)
    done = cli("run", "--suite", suite, "--data-root", data_root)
    assert done.returncode == 0
    assert "no weights" in done.stdout
    assert "no weights" not in done.stderr


def test_what_is_demanded_and_cannot_be_scored_is_said_before_the_first_image_and_by_plans(
    cli: Cli, suite: Path, data_root: Path
) -> None:
    both = ("-m", "identity", "-m", "hair", "--weights", "hair=nofile.ckpt")
    words = ("--suite", suite, "--data-root", data_root, *both)
    line = "restorebench: hair: weights not usable: nofile.ckpt: no such file"
    done = cli("run", *words)
    assert done.returncode == 3
    first, *progress, last = done.stderr.splitlines()
    assert first == last == line
    assert "6/6 identity on noise" in progress[-1]
    done = cli("plan", *words, "--out", "planned")
    assert (done.returncode, done.stderr) == (3, f"{line}\n")
    assert "6 images to measure" in done.stdout
    alone = cli("run", "--suite", suite, "--data-root", data_root, "-m", "moce_ir")
    assert alone.returncode == 4
    assert alone.stderr.count("moce_ir: no weights") == 1


def test_nothing_to_score_can_never_end_with_0(cli: Cli, suite: Path, data_root: Path) -> None:
    for path in data_root.rglob("*.png"):
        path.write_bytes(b"")
    done = cli("run", "--suite", suite, "--data-root", data_root, "-m", "identity")
    assert done.returncode == 3
    for path in data_root.rglob("*.png"):
        path.unlink()
    done = cli("run", "--suite", suite, "--data-root", data_root, "-m", "identity")
    assert done.returncode == 4


def test_the_data_root_may_come_from_the_environment(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "restorebench", "run", "--suite", str(suite), "-m", "identity"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "", "RESTOREBENCH_DATA_ROOT": str(data_root), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "small" / "records.parquet").is_file()


def test_help_needs_neither_torch_nor_any_heavy_package(cli: Cli) -> None:
    heavy = ("torch", "numpy", "pandas", "pydantic", "scipy", "skimage", "matplotlib")
    code = (
        "import sys, contextlib, io\n"
        "sys.argv = ['restorebench', '--help']\n"
        "from restorebench.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    code = "import restorebench, sys; print('torch' in sys.modules, restorebench.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("False 0.")


def test_the_version_is_printed(cli: Cli) -> None:
    done = cli("--version")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"restorebench {restorebench.__version__}\n"


def test_names_are_listed_and_described(cli: Cli) -> None:
    done = cli("list", "methods")
    assert done.returncode == 0, done.stderr
    assert "nl_means" in done.stdout
    assert "parity-proven" in done.stdout
    done = cli("list", "suites")
    assert "mean of the five columns" in done.stdout
    done = cli("info", "three_deg")
    assert "GaussianNoise(sigma=15.0)" in done.stdout
    done = cli("info", "promptir")
    assert "35,592,263" in done.stdout
    assert "132.23 GMACs at 224x224" in done.stdout
    assert "Potlapalli" in done.stdout
    done = cli("info", "promptri")
    assert done.returncode == 2
    assert "Did you mean 'promptir'?" in said(done)


def test_the_doctor_tells_a_good_copy_from_others(cli: Cli, real_data: Path) -> None:
    done = cli("doctor", "--data-root", real_data)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "ok" in lines["rain100l"]
    assert "airnet: PSNR 25.5234 dB, SSIM 0.8140" in lines["rain100l"]
    assert "restormer_derain: PSNR 26.9001 dB, SSIM 0.8383" in lines["rain100l"]
    assert "ok" in lines["lol_v1"]
    assert "5 of 500" in lines["sots_outdoor"]
    assert "PSNR 19.3084 dB, SSIM 0.9125" in lines["sots_outdoor"]
    assert "partial" in lines["sots_outdoor"]
    assert "absent" in lines["gopro"]
    for sigma, score in ((15, "24.8328"), (25, "20.5379"), (50, "15.0043")):
        assert score in lines[f"bsd68_s{sigma}"]


def test_the_doctor_sees_a_re_encoded_copy(cli: Cli, real_data: Path, tmp_path: Path) -> None:
    for part in ("input", "target"):
        folder = tmp_path / "data/test/enhance/lol" / part
        folder.mkdir(parents=True)
        for path in (real_data / "test/enhance/lol" / part).iterdir():
            with PIL.Image.open(path) as image:
                image.convert("RGB").save(folder / f"{path.stem}.jpg", quality=90)
    done = cli("doctor", "--data-root", tmp_path / "data")
    assert done.returncode == 3
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["lol_v1", "15", "of", "15"] in [words[:4] for words in lines]
    assert "re-encoded copy" in done.stdout
    # The texts may be folded, at any blank.
    assert "expected airnet: PSNR 7.7708 dB" in " ".join(done.stdout.split())
    assert "pixels near but not equal (30 files)" in " ".join(done.stdout.split())


def test_a_terminal_without_our_letters_gets_their_numbers(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("run", "--suite", "three_deg", "--limit", 1, "-m", "identity", "--out")
    assert cli(*arguments, "plain").returncode == 0
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    done = cli(*arguments, "poor")
    assert done.returncode == 0, done.stderr
    assert r"\u03c3=25" in done.stdout
    for name in ("leaderboard.csv", "leaderboard.md", "leaderboard.tex"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "poor" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("board.json", "[]", "board.json is damaged"),
        ("board.json", '{"suite": "x"}', "board.json is damaged: suite_version: Field required"),
        ("records.parquet", "", "records.parquet cannot be read"),
        ("records.parquet", None, "records.parquet cannot be read"),
        (
            "board.json",
            None,
            "was interrupted before its tables; repeat its command, which goes on",
        ),
        ("manifest.json", "[]", "manifest.json is damaged: it names no sessions; delete it"),
        ("manifest.json", "{", "manifest.json is damaged"),
    ],
)
def test_a_damaged_run_folder_is_one_line(
    suite: Path, data_root: Path, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    run = tmp_path / "run"
    restorebench.run(suite, "identity", data_root, limit=1, out=run)
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content)
    again = partial(restorebench.run, suite, "identity", data_root, limit=1, out=run)
    with pytest.raises(StoreError) as caught:
        again() if name == "manifest.json" else Leaderboard.load(run)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_run_folder_is_told_for_what_it_is(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    session = Session(str(suite), ["identity"], Options(data_root=data_root), run)
    next(session.measure())
    places = {
        run: f"run was interrupted before its tables; .* from there: {Path(sys.argv[0]).name}",
        run / "manifest.json": "manifest.json is a file, not a run folder$",
        run / "journal": "journal is no run folder: it has no board.json$",
        tmp_path / "nowhere": "nowhere is not there$",
    }
    for place, message in places.items():
        with pytest.raises(StoreError, match=message):
            load_boards([place])
    with pytest.raises(StoreError, match="run was interrupted before its tables"):
        list(verify(Asked(folder=run), Catalog.installed()))
    (run / "bundles").mkdir()
    with pytest.raises(StoreError, match=f"has no tables yet: restorebench collect {run}"):
        load_boards([run])


PLUGIN = """
import torch
from restorebench import Card, Method

class Brighter(torch.nn.Module):
    def __init__(self, gain: float = 1.5) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x):
        return x * self.gain

class BrighterMethod(Method):
    network_class = Brighter
    info = Card(title="Brighter", paper="none", status="external", needs_weights=False)
"""


def test_a_file_on_disk_adds_a_method(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN + "\nMETHODS = {'brighter': BrighterMethod}\n")
    common = ("run", "--suite", suite, "--data-root", data_root, "-m", "brighter")
    done = cli(*common, "--plugin", "mine.py")
    assert done.returncode == 0, done.stderr
    assert "Brighter" in done.stdout
    assert cli(*common).returncode == 2


def test_a_run_says_which_methods_its_table_held_before(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN + "\nMETHODS = {'brighter': BrighterMethod}\n")
    common = ("run", "--suite", suite, "--data-root", data_root, "--out", "run")
    mine, both = ("--plugin", "mine.py", "-m", "brighter"), ("-m", "identity")
    said = "not in this table any more: identity."
    assert said not in cli(*common, "-m", "identity").stdout
    assert said in cli(*common, *mine).stdout
    journals = sorted((tmp_path / "run" / "journal").iterdir())
    done = cli(*common, *mine, *both)
    assert "any more" not in done.stdout
    assert all(title in done.stdout for title in ("Brighter", "Degraded input"))
    added = set((tmp_path / "run" / "journal").iterdir()) - set(journals)
    assert not any(path.read_text() for path in added), "nothing is measured twice"


def test_an_installed_package_adds_a_method_a_degradation_and_a_suite(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    wheel = tmp_path / "toy_restorer-1.0-py3-none-any.whl"
    entries = (
        "[restorebench.methods]\nbrighter = toy_restorer:BrighterMethod\n"
        "[restorebench.degradations]\ndarken = toy_restorer:Darken\n"
        "[restorebench.metrics]\nbias = toy_restorer:BIAS\n"
        "[restorebench.suites]\ntoy = toy_restorer:SUITES\n"
    )
    code = PLUGIN + (
        "\nfrom dataclasses import dataclass\nfrom pathlib import Path\n"
        "from restorebench import Degradation, Metric\n"
        "SUITES = Path(__file__).parent\n"
        "@dataclass(frozen=True)\nclass Darken(Degradation):\n    factor: float\n"
        "    def apply(self, scene, rng):\n        return scene.image * self.factor\n"
        "BIAS = Metric(title='Bias', unit='', digits=3, higher_is_better=False,\n"
        "              score=lambda restored, clean: float((restored - clean).mean()))\n"
    )
    spec = suite.read_text().replace("name: small", "name: dark", 1)
    spec = spec.replace("gaussian_noise: {sigma: 25}", "darken: {factor: 0.5}")
    info = "toy_restorer-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy_restorer/__init__.py", code)
        archive.writestr("toy_restorer/dark.yaml", spec)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-restorer\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", entries)
        archive.writestr(f"{info}/RECORD", "")
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(target), str(wheel)], check=True, capture_output=True)
    (tmp_path / "protocol.yaml").write_text(
        "name: biased\nversion: 1\ntitle: with a bias\nsource: a test\ncolour: rgb\n"
        "value_range: float [0, 1], clamped\nrounding: none\ncentre_crop: 16\n"
        "metrics: {psnr: psnr, bias: bias}\nnoise: keyed\n"
    )
    command = [sys.executable, "-m", "restorebench", "run", "--suite", "dark", "-m", "brighter"]
    command += ["--data-root", str(data_root), "--protocol", "protocol.yaml", "-m", "identity"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(target), "PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "runs/dark/leaderboard.csv")
    value = table.set_index(["method", "task", "metric"])["value"]
    clean = [
        np.asarray(PIL.Image.open(data_root / f"clean/{i}.png"), float).mean() / 255
        for i in range(3)
    ]
    assert value["identity", "noise", "bias"] == pytest.approx(-np.mean(clean) / 2, abs=2e-3)
    assert value["brighter", "noise", "bias"] > value["identity", "noise", "bias"]
