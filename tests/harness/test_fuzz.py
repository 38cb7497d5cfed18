"""Spoilt files: every one is named by an error of this project, with its exit code.

`nox -s fuzz` tries thousands for each kind of file; the tests that always run, a few dozen.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from restorebench.catalog import Catalog
from restorebench.errors import BenchError, ImageError, SpecError, StoreError, WeightsError
from restorebench.image import read_image
from restorebench.store import read_journals
from restorebench.weights.checkpoint import load_weights

from .test_store import record

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "40"))

# What stands where something else is expected.
ODD = [b"", b"\0", b"\xff" * 8, b"-1", b"1e999", b"[" * 50, b"{", b"!!python/object:os.system ls"]
ODD += [b"../../etc/passwd", b"\x80\x05", b"&a [*a]", b"\xed\xa0\x80", "σ\u202e".encode(), b"\n\n"]


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to five changes, such as disks, nets and people make."""
    whole = bytearray(content)
    for _ in range(rng.randint(1, 5)):
        at, length = rng.randrange(len(whole) + 1), rng.choice([1, 1, 4, 30, 300])
        match rng.randrange(6):
            case 0 if at < len(whole):
                whole[at] ^= 1 << rng.randrange(8)
            case 1:
                del whole[at : at + length]
            case 2:
                whole[at:at] = rng.choice(ODD)
            case 3:
                whole[at : at + length] = rng.randbytes(length)
            case 4:
                whole[at:at] = whole[rng.randrange(len(whole) + 1) :][:length]
            case _:
                del whole[at:]
    return bytes(whole)


def yaml_files() -> list[bytes]:
    folder = files("restorebench_benchmarks")
    kinds = ("suites", "tasks", "datasets", "protocols", "noise")
    found = [file for kind in kinds for file in (folder / kind).iterdir()]
    contents = [file.read_bytes() for file in found if file.name.endswith(".yaml")]
    return [content for content in contents if b"\nsubsets:" not in content]  # no set by itself


def read_spec(path: Path) -> object:
    """Read a file as each kind of spec, as `--suite`, `--protocol` and `--noise` do."""
    catalog = Catalog.installed()
    kinds: list[Callable[[str], object]] = [catalog.suite, catalog.task, catalog.dataset]
    kinds += [catalog.protocol, lambda name: catalog.protocol("airnet", name)]
    errors = []
    for kind in kinds:
        try:
            return kind(str(path))
        except SpecError as error:
            errors.append(error)
    raise errors[-1]


def images() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24, 3), np.uint8)
    contents = []
    for options in ({"format": "PNG"}, {"format": "JPEG"}, {"format": "BMP"}):
        stream = BytesIO()
        PIL.Image.fromarray(pixels).save(stream, **options)
        contents.append(stream.getvalue())
    stream = BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "JPEG", progressive=True, icc_profile=bytes(300))
    return [*contents, stream.getvalue()]


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))


def checkpoints() -> list[bytes]:
    state = network().state_dict()
    wrapped = {"epoch": 3, "state_dict": state, "optimizer_states": [{"lr": [1e-4]}]}
    zipped, legacy = BytesIO(), BytesIO()
    torch.save(wrapped, zipped)
    torch.save(wrapped, legacy, _use_new_zipfile_serialization=False)
    return [zipped.getvalue(), legacy.getvalue(), safetensors.torch.save(state)]


def read_checkpoint(path: Path) -> object:
    return load_weights(network(), path)


def journals() -> list[bytes]:
    good = [record(str(number), psnr=30.0 + number, ssim=0.9) for number in range(3)]
    lines = [one.model_dump_json() for one in [*good, record("4", error="out of memory")]]
    return ["".join(f"{line}\n" for line in lines).encode()]


def read_run(path: Path) -> object:
    """Read a file as the journal of a run folder."""
    journal = path.parent / "run/journal/0001-a.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_bytes(path.read_bytes())
    return read_journals(path.parent / "run")


KINDS: dict[str, tuple[Callable[[], list[bytes]], Callable[[Path], object], type[BenchError]]] = {
    "spec.yaml": (yaml_files, read_spec, SpecError),
    "image.png": (images, read_image, ImageError),
    "weights.ckpt": (checkpoints, read_checkpoint, WeightsError),
    "journal.jsonl": (journals, read_run, StoreError),
}
EXIT_CODES = {"spec.yaml": 2, "image.png": 3, "weights.ckpt": 4, "journal.jsonl": 4}


def outcome(path: Path, content: bytes) -> str:
    """Read a spoilt file; return whether it was refused or is still a good one."""
    _, read, refusal = KINDS[path.name]
    path.write_bytes(content)
    try:
        read(path)
    except refusal as error:
        caught = error
    else:
        return "still good"
    assert caught.exit_code == EXIT_CODES[path.name]
    assert len(str(caught).splitlines()) == 1, repr(caught)
    return f"refused: {type(caught).__name__}, exit code {caught.exit_code}"


def spoilt_files(name: str) -> Iterator[bytes]:
    rng, originals = random.Random(name), KINDS[name][0]()
    while True:
        yield spoilt(rng.choice(originals), rng)


@pytest.mark.parametrize("name", KINDS)
def test_spoilt_files_are_refused_by_name(tmp_path: Path, name: str) -> None:
    found, refused = Counter[str](), 0
    for content in spoilt_files(name):
        what = outcome(tmp_path / name, content)
        found[what] += 1
        refused += what.startswith("refused")
        if refused == ROUNDS:
            break
    sys.stdout.write(f"\n{name}: {dict(found)}\n")


@pytest.mark.parametrize("name", KINDS)
def test_the_files_that_are_spoilt_are_good_ones(tmp_path: Path, name: str) -> None:
    for content in KINDS[name][0]():
        assert outcome(tmp_path / name, content) == "still good"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@settings(max_examples=ROUNDS)
@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=200) | ANY_JSON.map(repr))
def test_what_was_never_such_a_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes | str
) -> None:
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    head = {"weights.ckpt": b"\x80\x02", "image.png": b"\x89PNG\r\n\x1a\n"}.get(name, b"")
    path = tmp_path_factory.mktemp("fuzz") / name
    # A line that does not end is taken for torn and counts for nothing.
    assert outcome(path, head + raw + b"\n").startswith("refused")
