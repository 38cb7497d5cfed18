"""Reading weight files without running anything in them, and loading them into a network.

A checkpoint comes from strangers. Only tensors and plain containers are read (torch's weights-only
unpickler, or safetensors); what a file is gets decided by its first bytes, since downloads are
often not what their name says.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO

import safetensors.torch
import torch
from torch import nn

from restorebench.data.dataset import readable
from restorebench.errors import WeightsError
from restorebench.method import Weights
from restorebench.weights.pickles import check_depth, names_in
from restorebench.weights.state_dict import check_values, choose, coverage, misfit, try_on

# Lightning files of this field hold their command line as a Namespace. Building one calls no code
# of the file's choosing: it has no __setstate__ and no __reduce__, so the unpickler only fills the
# attributes of an object that nobody reads. Nothing else is let in.
HARMLESS: list[Callable[..., object] | tuple[Callable[..., object], str]] = [Namespace]

HEAD_BYTES = 4096
SAFETENSORS_HEADER_LIMIT = 100_000_000
# In a file of torch before 1.6: magic number, version, system, the object, names of its storages.
LEGACY_PICKLES = 5
# Ten times what a network of this field takes with its optimiser; read into memory as a whole.
MAX_BYTES = 16_000_000_000

# First bytes, and what such a file is.
FOREIGN = (
    (b"version https://git-lfs", "a Git-LFS pointer, not the file itself; run 'git lfs pull'"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ\x00", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a rar archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
)
TAR_MAGIC = slice(257, 262)

RESAVE = "if you trust its source, save its state_dict alone, as .safetensors"


def load_weights(network: nn.Module, path: str | Path, *, strict: bool = True) -> Weights:
    """Load the weights in a .ckpt, .pth, .pt or .safetensors file into ``network``.

    Containers (``state_dict``, ``params_ema``, ...) and key prefixes (``net.``, ``module.``, ...)
    are taken off where that makes the names fit; averaged (EMA) weights are preferred. On any
    error the network is as it was before.

    Args:
        network: gets the values; keeps its own types, devices and memory layouts.
        path: the file; its name does not matter.
        strict: whether every tensor must fit. If not, those that fit by name and shape are loaded,
            as long as they are at least half of the network's.

    Returns:
        Where the weights came from; `Weights.strict` is False only if something did not fit.

    Raises:
        WeightsError: if the file is missing, is something else, is damaged, wants to run code,
            holds values that are not finite, or does not fit the network.
    """
    path = Path(path).expanduser()  # a shell leaves the ~ of NAME=~/FILE alone
    try:
        content, sha256 = _read(path)
        expected = network.state_dict()
        choice = choose(content, expected)
        fit = try_on(network, choice.tensors)
        if not fit.complete and (strict or 2 * fit.filled < fit.total):
            raise WeightsError(misfit(fit, choice))
        check_values(fit.tensors, expected)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    # Completeness is settled; torch's own strictness would refuse files that store tied tensors
    # once, as safetensors does.
    network.load_state_dict(fit.tensors, strict=False)
    return Weights(
        file=readable(path.name),
        sha256=sha256,
        container=choice.describe(),
        ema=choice.ema,
        strict=fit.complete,
        coverage=coverage(fit, choice),
    )


def _read(path: Path) -> tuple[object, str]:
    """Return what the file holds, and the SHA-256 of its bytes."""
    try:
        if not path.is_file():
            raise WeightsError(_absence(path))
        with path.open("rb") as stream:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise WeightsError(f"{size} bytes are over the limit of {MAX_BYTES // 10**9} GB")
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            reader = _reader(stream.read(HEAD_BYTES), size)
            stream.seek(0)
            return _guarded(reader, stream), sha256
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}") from error


def _absence(path: Path) -> str:
    if path.is_dir():
        return f"a folder, not a file; name one of the files in it: {_some_names(path)}"
    if path.exists():
        return "not a regular file"
    if not path.parent.is_dir():
        return f"no such file, and no folder {path.parent}"
    near = get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=3)
    return f"no such file; near in that folder: {', '.join(near)}" if near else "no such file"


def _some_names(folder: Path) -> str:
    names = sorted(p.name for p in folder.iterdir())
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "") or "nothing, it is empty"


def _reader(head: bytes, size: int) -> Callable[[BinaryIO], object]:
    """Return what reads a file that begins with ``head``.

    Raises:
        WeightsError: if it is no checkpoint; says what it is instead.
    """
    if not head:
        raise WeightsError("an empty file; download it again")
    # First, because such a file begins with a number, which may look like any of the others.
    header = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and header <= SAFETENSORS_HEADER_LIMIT:
        if 8 + header > size:
            raise WeightsError(f"a safetensors file cut off within its header, at {size} bytes")
        return _read_safetensors
    for magic, what in FOREIGN:
        if head.startswith(magic):
            raise WeightsError(what)
    # Besides not being a checkpoint: in torch before 2.6 the tar reader could be made to run code.
    if head[TAR_MAGIC] == b"ustar":
        raise WeightsError("a tar archive; unpack it first")
    if head.startswith(b"PK"):
        return _read_zip
    if head.startswith(b"\x80"):
        return _read_legacy
    raise WeightsError(_text(head) or f"not a checkpoint: it begins with the bytes {head[:8]!r}")


def _text(head: bytes) -> str:
    """Name the kind of text that ``head`` begins, or nothing if it is none."""
    try:
        # Incremental, since the head may end within a character.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head).strip()
    except UnicodeDecodeError:
        return ""
    if not all(c.isprintable() or c.isspace() for c in text):
        return ""
    if re.match(r"<(!doctype html|html)", text, re.IGNORECASE):
        return "an HTML page, not the file behind it; download from the direct link"
    kind = "a JSON file" if text.startswith(("{", "[")) else "a text file"
    return f"{kind}, not a checkpoint; it begins with {text[:40]!r}"


def _guarded(reader: Callable[[BinaryIO], object], stream: BinaryIO) -> object:
    """Call a reader; whatever a damaged file makes it raise becomes a `WeightsError`."""
    try:
        # The notices about protocols and old storages are for authors of files, not for readers.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return reader(stream)
    except WeightsError:
        raise
    except Exception as error:  # interpreting damaged bytes can fail in any way there is
        raise WeightsError(_reason(error, stream)) from error


def _read_safetensors(stream: BinaryIO) -> object:
    return safetensors.torch.load(stream.read())


def _read_torch(stream: BinaryIO) -> object:
    with torch.serialization.safe_globals(HARMLESS):
        return torch.load(stream, map_location="cpu", weights_only=True)


def _read_legacy(stream: BinaryIO) -> object:
    # What is no pickle is left to torch, which says what it found instead.
    with suppress(ValueError, LookupError, TypeError, AssertionError):
        for _ in range(LEGACY_PICKLES):
            check_depth(stream)
    stream.seek(0)
    return _read_torch(stream)


def _read_zip(stream: BinaryIO) -> object:
    try:
        pickles = _pickles_in_zip(stream)
    except zipfile.BadZipFile as error:
        raise WeightsError(f"a zip or torch file cut off or damaged ({error})") from error
    for pickle in pickles:
        with suppress(ValueError, LookupError, TypeError, AssertionError):
            check_depth(pickle)
    stream.seek(0)
    return _read_torch(stream)


def _pickles_in_zip(stream: BinaryIO) -> list[BytesIO]:
    """Return the pickles of a torch file, after checking that it is one.

    Raises:
        WeightsError: if it is another kind of zip file, or unpacks to more than it is.
    """
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if not any(_is_pickle_of_torch(name) for name in names):
            inside = ", ".join(names[:3]) or "nothing"
            raise WeightsError(
                f"a zip archive, not a checkpoint; unpack it first. It holds: {inside}"
            )
        if any(name.endswith("/constants.pkl") for name in names):
            raise WeightsError(f"a TorchScript program, which is code; {RESAVE}")
        unpacked, size = sum(entry.file_size for entry in entries), stream.seek(0, SEEK_END)
        if unpacked > size:  # torch.save compresses nothing
            raise WeightsError(
                f"refused: {size} bytes that unpack to {unpacked}; save it again with torch.save"
            )
        return [BytesIO(archive.read(e)) for e in entries if _is_pickle_of_torch(e.filename)]


def _is_pickle_of_torch(name: str) -> bool:
    return name.count("/") == 1 and name.endswith("/data.pkl")


def _reason(error: Exception, stream: BinaryIO) -> str:
    """Say in one line why a file could not be read."""
    # torch names the culprit, but amid advice to switch the protection off.
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip()
    if match := re.search(r"GLOBAL (\S+)", text):
        return f"refused: reading it would mean to run or build {match[1]}; {RESAVE}"
    if names := names_in(_first_pickle(stream)):
        return (
            "refused: a pickle of protocol 4 or 5, which cannot be read without running what it "
            f"names: {', '.join(names[:3])}; {RESAVE}"
        )
    line = text.partition("\n")[0] or "no reason given"
    return f"damaged or cut off, or not written by torch.save ({type(error).__name__}: {line})"


def _first_pickle(stream: BinaryIO) -> BinaryIO:
    stream.seek(0)
    is_zip = stream.read(2) == b"PK"
    stream.seek(0)
    try:
        return _pickles_in_zip(stream)[0] if is_zip else stream
    except Exception:  # a damaged archive names nothing
        return BytesIO()
