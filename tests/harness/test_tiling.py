"""Tiles: each pixel once, the same as the whole for what looks no farther than half an overlap."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

import restorebench
from restorebench import Card, Method
from restorebench.catalog import Catalog
from restorebench.errors import UsageError
from restorebench.image import MIN_SIDE
from restorebench.planning import make_plans
from restorebench.rows import Options
from restorebench.tiling import MIN_SIZE, Tiling

MULTIPLES = st.sampled_from([1, 4, 8, 64])


class Local(nn.Module):
    """The largest value within some pixels, of the image sampled down and up again."""

    def __init__(self, reach: int = 0, factor: int = 1) -> None:
        super().__init__()
        self.reach, self.factor = reach, factor

    def forward(self, x: Tensor) -> Tensor:
        x = max_pool2d(x, self.factor).repeat_interleave(self.factor, -1)
        x = x.repeat_interleave(self.factor, -2)
        return max_pool2d(x, 2 * self.reach + 1, stride=1, padding=self.reach)


class LocalMethod(Method):
    """Looks ``reach`` pixels far, at pixels of ``factor`` each."""

    info = Card(
        title="Local", paper="none", status="external", needs_weights=False, size_multiple=8
    )
    network_class = Local


def tilings(draw: st.DrawFn, multiple: int) -> Tiling:
    overlap = draw(st.integers(0, 70))
    least = max(MIN_SIZE, 2 * multiple, overlap + multiple)
    size = -(-least // multiple) * multiple + draw(st.integers(0, 5)) * multiple
    tiling = Tiling(size=size, overlap=overlap)
    tiling.check("anything", multiple, 1)
    return tiling


@given(st.data(), MULTIPLES, st.integers(MIN_SIDE, 900))
def test_tiles_keep_every_pixel_once_and_share_what_they_should(
    data: st.DataObject, multiple: int, length: int
) -> None:
    tiling = data.draw(st.composite(lambda draw: tilings(draw, multiple))())
    spans = tiling.spans(length, multiple)
    assert [p for span in spans for p in range(span.first, span.end)] == list(range(length))
    for span in spans:
        assert span.start <= span.first < span.end <= span.stop <= length
        assert span.start % multiple == 0
        assert MIN_SIDE <= span.stop - span.start <= tiling.size
    for one, other in pairwise(spans):
        assert one.stop - other.start >= tiling.overlap
        assert one.end - other.start >= tiling.overlap // 2
        assert one.stop - one.end >= tiling.overlap // 2


@settings(max_examples=40)
@given(
    size=st.sampled_from([64, 72, 128]),
    overlap=st.integers(24, 48),
    height=st.integers(16, 200),
    width=st.integers(16, 200),
    factor=st.sampled_from([1, 8]),
)
def test_a_local_operator_restores_tiles_as_it_restores_the_whole(
    size: int, overlap: int, height: int, width: int, factor: int
) -> None:
    # A pixel of the factor's size may be cut off at its far side, but none is cut in two.
    method = LocalMethod(reach=overlap // 2 - (factor - 1), factor=factor)
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))
    tiling = Tiling(size=size, overlap=overlap)
    assert torch.equal(tiling.restore(method.restore, x, 8), method.restore(x))


def test_an_image_that_fits_one_tile_is_restored_in_one_piece() -> None:
    seen = []

    def restore(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape[-2:]))
        return x

    tiling = Tiling(size=64, overlap=16)
    for shape in ((64, 64), (40, 63), (64, 65)):
        tiling.restore(restore, torch.rand(2, 3, *shape), 8)
    assert seen == [(64, 64), (40, 63), (64, 64), (64, 57)]


@pytest.mark.parametrize(
    ("size", "overlap", "message"),
    [
        (500, 32, "must be multiples of 8 and at least 40, such as 504"),
        (32, 28, "at least 36, such as 40"),
        (32, 40, "tiles of 32 cannot overlap by 40"),
        (32, -1, "tiles of 32 cannot overlap by -1"),
        (0, 0, "tiles of 0 cannot overlap by 0"),
    ],
)
def test_tiles_that_do_not_suit_a_network_are_refused(
    size: int, overlap: int, message: str, suite: Path, data_root: Path
) -> None:
    options = Options(data_root=data_root, tile=size, overlap=overlap)
    with pytest.raises(UsageError, match=message):
        make_plans(Catalog.installed(), str(suite), [LocalMethod()], options)


def test_a_run_in_tiles_is_another_protocol_and_says_so(
    suite: Path, data_root: Path, tmp_path: Path
) -> None:
    def run(tile: int | None) -> restorebench.Leaderboard:
        method = LocalMethod(reach=2)
        out = tmp_path / "run"
        return restorebench.run(suite, [method], data_root, out=out, tile=tile, overlap=8)

    whole, tiled = run(None), run(32)
    assert tiled.info.protocol == f"{whole.info.protocol}/tile32-overlap8"
    assert tiled.info.protocol_hash != whole.info.protocol_hash
    assert "in tiles of 32x32 that overlap by 8" in tiled.info.protocol_title
    (row,) = tiled.info.rows
    assert "tiled: restored in tiles of 32x32 that overlap by 8" in row.words
    written = tmp_path / "run" / "airnet-tile32-overlap8" / "leaderboard.md"
    assert "tiled" in written.read_text()
    # Local enough, so that nothing but the protocol differs; and nothing stored is taken over.
    assert not set(whole.records["key"]) & set(tiled.records["key"])
    assert whole.records["psnr"].tolist() == tiled.records["psnr"].tolist()
