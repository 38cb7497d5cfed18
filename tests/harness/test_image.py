"""Reading images: what is accepted, and how each kind of bad file is named."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.errors import ImageError
from restorebench.image import centre_crop, decoder_versions, image_size, read_image
from restorebench.provenance import describe_session

GRADIENT = np.arange(20 * 24 * 3, dtype=np.uint8).reshape(20, 24, 3)


def png(path: Path, pixels: np.ndarray = GRADIENT, mode: str | None = None) -> Path:
    image = PIL.Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def png_16_bit_rgb(path: Path) -> Path:
    """Write a 16-bit RGB PNG by hand; Pillow cannot write one, but reads it as 8 bit."""
    header = struct.pack(">IIBBBBB", 24, 20, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(24 * 6) for _ in range(20))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_pixels_come_back_as_stored(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png")
    assert np.array_equal(read_image(path), GRADIENT)
    assert image_size(path) == (20, 24)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("L", "greyscale"),
        ("LA", "greyscale"),
        ("1", "black-and-white"),
        ("P", "palette"),
        ("RGBA", "without an alpha channel"),
        ("I;16", "16-bit"),
    ],
)
def test_other_kinds_of_image_are_refused_by_name(tmp_path: Path, mode: str, message: str) -> None:
    if mode == "I;16":
        path = png(tmp_path / "a.png", GRADIENT[..., 0].astype(np.uint16))
    else:
        path = png(tmp_path / "a.png", mode=mode)
    with pytest.raises(ImageError, match=message):
        read_image(path)


def test_16_bit_colour_is_not_cut_to_8_bit_silently(tmp_path: Path) -> None:
    path = png_16_bit_rgb(tmp_path / "a.png")
    with PIL.Image.open(path) as image:
        assert image.mode == "RGB"  # which is why the header has to be asked
    with pytest.raises(ImageError, match="16-bit"):
        read_image(path)


def test_a_torn_file_is_damaged(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(ImageError, match=r"a\.png: damaged image .* fetch the file again"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"<html>not here</html>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match="not a PNG, JPEG or BMP image"):
        read_image(tmp_path / "a.png")


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "a.png")


def test_an_image_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png")
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 20_000, 20_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"exceeds limit|over the limit"):
        read_image(path)


@pytest.mark.parametrize("before_pixels", [True, False])
@pytest.mark.parametrize(
    ("kind", "head"),
    [(b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0"), (b"iCCP", b"x\0\0")],
    ids=["zTXt", "iTXt", "iCCP"],
)
def test_a_bomb_in_a_chunk_beside_the_pixels_is_refused(
    tmp_path: Path, kind: bytes, head: bytes, before_pixels: bool
) -> None:
    path = png(tmp_path / "a.png")
    content = path.read_bytes()
    at = 33 if before_pixels else len(content) - 12  # after the header, or before the end
    bomb = chunk(kind, head + zlib.compress(bytes(100_000_000), 9))
    path.write_bytes(content[:at] + bomb + content[at:])
    with pytest.raises(ImageError, match="Decompressed data too large"):
        read_image(path)


@pytest.mark.parametrize("kind", ["PNG", "MPO"])
def test_several_images_in_one_file_are_refused(tmp_path: Path, kind: str) -> None:
    first, second = PIL.Image.fromarray(GRADIENT), PIL.Image.fromarray(255 - GRADIENT)
    path = tmp_path / "a.png"
    first.save(path, kind, save_all=True, append_images=[second])
    with pytest.raises(ImageError, match="2 images in one file; save the one that is meant"):
        read_image(path)


def test_a_file_larger_than_any_image_is_refused_unread(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png")
    with path.open("r+b") as file:
        file.truncate(400_000_001)  # sparse: takes no room
    with pytest.raises(ImageError, match="400000001 bytes are over the limit of 400 MB"):
        read_image(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path / "a.png")


@given(st.binary(max_size=400), st.integers(0, 60))
def test_a_spoilt_file_is_an_image_error_or_an_image(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "a.png"
    content = png(path).read_bytes()
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])
    found: object
    try:
        found = read_image(path).dtype
    except ImageError as error:
        found = len(str(error).splitlines())
    assert found in (np.uint8, 1)


@given(st.integers(16, 200), st.integers(16, 200), st.sampled_from([1, 8, 16]))
def test_the_crop_is_the_largest_and_central(height: int, width: int, multiple: int) -> None:
    image = np.arange(height * width).reshape(height, width)
    cropped = centre_crop(image, multiple)
    assert all(side % multiple == 0 for side in cropped.shape)
    above = (image.shape[0] - cropped.shape[0]) // 2
    left = (image.shape[1] - cropped.shape[1]) // 2
    assert cropped[0, 0] == image[above, left]
    assert height - cropped.shape[0] < multiple
    assert width - cropped.shape[1] < multiple


def test_a_side_below_16_is_too_small() -> None:
    with pytest.raises(ImageError, match="40x15 pixels are too few"):
        centre_crop(np.zeros((15, 40, 3)), 1)


def test_a_run_says_what_decoded_its_images() -> None:
    versions = decoder_versions()
    assert versions["pillow"] == PIL.__version__
    assert versions.keys() >= {"jpg", "zlib"}
    assert describe_session("one", "now", "cpu")["decoder"] == versions
