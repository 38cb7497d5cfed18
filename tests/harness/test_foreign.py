"""Methods and packages of others: whatever they do is their own cell's failure."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import restorebench
from restorebench.catalog import Catalog
from restorebench.errors import RenderError, SetupError, UsageError
from restorebench.provenance import code_hash

from .conftest import Cli

HEAD = """
import sys
import torch
from restorebench import Card, Method

class Toy(Method):
    network_class = torch.nn.Identity
    info = Card(title="Toy", paper="none", status="external", needs_weights=False)

def exits(self, x):
    sys.exit(0)

def greedy(self, x):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB")

def starved(self, x):
    return torch.empty(10**15)

def raises(self, x):
    raise RuntimeError("two\\nlines")
"""

MISBEHAVING = {
    "raises": ("forward = raises", "Toy failed: RuntimeError: two"),
    "exits": ("forward = exits", "Toy failed: SystemExit: 0"),
    "bytes": ("forward = lambda self, x: (x * 255).byte()", "Toy returned torch.uint8"),
    "shape": ("forward = lambda self, x: x[..., :8]", "Toy returned (1, 3, 48, 8)"),
    "nans": ("forward = lambda self, x: x * float('nan')", "NaN or infinite"),
    "nothing": ("restore = lambda self, x: None", "Toy returned a NoneType, not a tensor"),
    "pair": ("forward = lambda self, x: (x, x)", "Toy returned a tuple, not a tensor of images"),
    "array": ("restore = lambda self, x: x.numpy()", "Toy returned a ndarray"),
    "double": ("restore = lambda self, x: x.double()", "torch.float64"),
    "memory": ("restore = greedy", "out of memory on cpu for (48, 64) pixels; use a larger device"),
    "starved": ("restore = starved", "out of memory on cpu for (48, 64) pixels"),
    "build": ("network_class = staticmethod(lambda: 1 / 0)", "cannot be built: division by zero"),
}


def write(path: Path, methods: str, *bodies: tuple[str, str]) -> Path:
    classes = "".join(f"\nclass Toy_{name}(Toy):\n    {body}\n" for name, body in bodies)
    path.write_text(f"{HEAD}{classes}\nMETHODS = {methods}\n")
    return path


def test_a_method_that_misbehaves_is_a_failed_cell(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    odd = ("odd", "restore = lambda self, x: x.mT.contiguous().mT.requires_grad_()")
    bodies = [(name, body) for name, (body, _) in MISBEHAVING.items()]
    names = [*MISBEHAVING, "odd"]
    methods = f"{{{', '.join(f'{name!r}: Toy_{name}' for name in names)}}}"
    plugin = write(tmp_path / "toy.py", methods, *bodies, odd)
    done = cli(
        "run", "--suite", suite, "--data-root", data_root, "--limit", 1, "--out", "run",
        "--plugin", plugin, *(x for name in [*names, "identity"] for x in ("-m", name)),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    records = dict(list(pd.read_csv(tmp_path / "run" / "records.csv").groupby("method")))
    for name, (_, reason) in MISBEHAVING.items():
        assert all(reason in str(error) for error in records[name]["error"]), name
        assert records[name]["psnr"].isna().all(), name
    # Gradients and memory layout are nobody's fault, and change nothing.
    assert records["odd"]["psnr"].tolist() == records["identity"]["psnr"].tolist()


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("[Toy]", "METHODS must be a dict by name"),
        ("{5: Toy}", "METHODS must be a dict by name"),
        ("{'toy': 5}", "method 'toy' of plugin {} is no class derived from Method, with a card"),
        ("{'toy': Toy()}", "see CONTRIBUTING.md, Adding a method"),
        ("{'identity': Toy}", "method 'identity' is of both package restorebench ("),
        ("{'identity': Toy}", " and plugin {}; rename one"),
        ("sys.exit(0)", "plugin {}:22: SystemExit: 0"),
        ("1 / 0", "plugin {}:22: ZeroDivisionError"),
        ("exits(0, 0)", "plugin {}:11: SystemExit: 0"),
        ("{", "plugin {}:22: SyntaxError: '{' was never closed"),
        ("{}; del METHODS", "plugin {} provides nothing: end it with METHODS = {"),
    ],
)
def test_a_wrong_plugin_is_one_line(tmp_path: Path, methods: str, message: str) -> None:
    plugin = write(tmp_path / "toy.py", methods)
    with pytest.raises(UsageError) as caught:
        Catalog.installed([plugin]).method("toy")
    assert message.replace("{}", str(plugin)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_plugin_files_of_one_name_have_each_their_own_code(tmp_path: Path) -> None:
    def codes() -> list[str]:
        catalog = Catalog.installed([tmp_path / "pa/net.v2.py", tmp_path / "pb/net.v2.py"])
        return [code_hash(catalog.method(name)) for name in ("a", "b")]

    for name in ("a", "b"):
        (tmp_path / f"p{name}").mkdir()
        write(tmp_path / f"p{name}/net.v2.py", f"{{'{name}': Toy}}")
    first_a, first_b = codes()
    assert first_a != first_b
    assert codes() == [first_a, first_b]
    write(tmp_path / "pa/net.v2.py", "{'a': Toy}  # edited")
    edited_a, same_b = codes()
    assert edited_a != first_a
    assert same_b == first_b


def test_a_title_is_text_and_no_markup(cli: Cli, tmp_path: Path) -> None:
    plugin = write(tmp_path / "toy.py", "{'toy': Toy}")
    plugin.write_text(plugin.read_text().replace('"Toy"', '"[/red] T[bold]"'))
    done = cli("list", "methods", "--plugin", plugin)
    assert done.returncode == 0, done.stderr
    assert "[/red] T[bold]" in done.stdout


def test_a_package_that_cannot_be_imported_leaves_the_others_alone(
    suite: Path, data_root: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "broken-1.0.dist-info").mkdir(parents=True)
    (site / "broken-1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n"
    )
    groups = ("methods", "suites", "tasks", "datasets", "metrics")
    entries = "".join(f"[restorebench.{group}]\nwreck = wreck:X\n" for group in groups)
    (site / "broken-1.0.dist-info/entry_points.txt").write_text(entries)
    (site / "wreck.py").write_text("raise RuntimeError('not built\\nfor this machine')\n")
    monkeypatch.setenv("PYTHONPATH", str(site))

    done = cli("list", "methods")
    assert done.returncode == 0
    assert "identity" in done.stdout
    assert "methods 'wreck' (wreck:X) cannot be imported: RuntimeError: not built;" in done.stderr
    assert cli("info", "three_deg").returncode == 0
    done = cli("run", "--suite", suite, "--data-root", data_root, "-m", "identity", "-m", "wreck")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "broken package" in done.stderr
    scores = pd.read_csv(tmp_path / "runs/small/records.csv")
    assert set(scores["method"]) == {"identity"}
    assert scores["psnr"].notna().all()

    monkeypatch.syspath_prepend(str(site))
    catalog = Catalog.installed()
    assert len(catalog.broken()) == len(groups)
    with pytest.raises(SetupError, match="cannot be imported"):
        catalog.method("wreck")


def test_a_renderer_that_fails_leaves_the_other_files_and_ends_with_3(
    suite: Path, data_root: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "poster-1.0.dist-info").mkdir(parents=True)
    (site / "poster-1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: poster\nVersion: 1.0\n"
    )
    (site / "poster-1.0.dist-info/entry_points.txt").write_text(
        "[restorebench.renderers]\na_poster = poster:render\nwreck = nowhere:render\n"
    )
    (site / "poster.py").write_text("def render(*arguments):\n    raise KeyError('no\\nink')\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    run = ("run", "--suite", suite, "--data-root", data_root, "-m", "identity", "--out", "run")
    for command in (run, ("report", "run", "--out", "again")):
        done = cli(*command)
        assert done.returncode == 3
        assert "Traceback" not in done.stderr
        assert "renderer 'a_poster' failed: KeyError: 'no\\nink'; the other files" in done.stderr
        assert "renderers 'wreck' (nowhere:render) cannot be imported" in done.stderr
        assert "Degraded input" in done.stdout
    names = {"board.json", "records.csv", "leaderboard.html", "leaderboard.tex", "leaderboard.md"}
    for folder in ("run", "again"):
        assert names <= {path.name for path in (tmp_path / folder).iterdir()}

    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(RenderError, match="renderer 'a_poster' failed"):
        restorebench.run(suite, "identity", data_root, out=tmp_path / "run")


TWINS = """
from pathlib import Path
from restorebench.data.dataset import Dataset, Item

class Twins(Dataset):
    name, title, count = "twins", "Twins", 2

    def find(self, data_root):
        files = sorted(Path(data_root).glob("clean/*"))
        return tuple(Item(image="one", target=path) for path in files)

DATASETS = {"twins": Twins()}
"""


def test_two_images_of_one_name_would_share_a_score(
    cli: Cli, suite: Path, data_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "twins.py").write_text(TWINS)
    suite.write_text(suite.read_text().replace(str(tmp_path / "clean.yaml"), "twins"))
    done = cli("run", "--suite", suite, "--plugin", "twins.py", "--data-root", data_root)
    assert done.returncode == 4
    assert "Twins has two images called one; rename one of them" in done.stderr
