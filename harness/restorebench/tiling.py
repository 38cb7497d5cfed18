"""`Tiling`: a large image restored in tiles that overlap, each pixel taken from one of them.

Overlaps are cropped, not blended: a pixel comes from the tile in which it lies farther from a cut.
A method that looks at most half an overlap far then restores tiles as it restores the whole, to
the bit; one that pools over its whole input (attention over channels, prompts) does not, and its
score under tiling is that of another protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from restorebench.errors import UsageError
from restorebench.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

MIN_SIZE = 32


@dataclass(frozen=True, slots=True)
class Span:
    """Where a tile lies along one side of an image, and which of its pixels are kept."""

    start: int
    stop: int
    first: int
    end: int


class Tiling(Spec):
    """How an image that is larger than one tile is cut."""

    size: int = Field(ge=1)
    """Height and width of a tile, in pixels."""
    overlap: int = Field(ge=0)
    """What neighbouring tiles share at least."""

    @property
    def id(self) -> str:
        """Everything that moves a score, in one word."""
        return f"tile{self.size}-overlap{self.overlap}"

    @property
    def words(self) -> str:
        """The same for a reader."""
        return f"in tiles of {self.size}x{self.size} that overlap by {self.overlap}"

    def check(self, title: str, multiple: int, minimum: int) -> None:
        """Refuse a size that a network's tiles would have to be padded for.

        Args:
            title: the method's.
            multiple: of height and width, as the method needs it.
            minimum: the least height and width that it takes.

        Raises:
            UsageError: which names a size that can be taken.
        """
        least = max(MIN_SIZE, 2 * multiple, minimum, self.overlap + multiple)
        if self.size % multiple or self.size < least:
            near = max(self.size, least)
            near += -near % multiple
            raise UsageError(
                f"tiles of {self.size} that overlap by {self.overlap} do not suit {title}: "
                f"they must be multiples of {multiple} and at least {least}, such as {near}"
            )

    def spans(self, length: int, multiple: int) -> list[Span]:
        """Return the tiles along one side of an image; together they keep every pixel once.

        Every tile begins at a multiple, so that a network that samples down meets the same pixels
        together as in the whole image.

        Args:
            length: of that side.
            multiple: as for `check`.
        """
        if length <= self.size:
            return [Span(0, length, 0, length)]
        step = (self.size - self.overlap) // multiple * multiple
        last = -(-(length - self.size) // multiple) * multiple
        starts = [*range(0, last, step), last]
        stops = [min(start + self.size, length) for start in starts]
        cuts = [(a + b) // 2 for a, b in zip(starts[1:], stops[:-1], strict=True)]
        return [
            Span(*span) for span in zip(starts, stops, [0, *cuts], [*cuts, length], strict=True)
        ]

    def restore(self, restore: Callable[[Tensor], Tensor], x: Tensor, multiple: int) -> Tensor:
        """Restore a batch of images tile by tile.

        Args:
            restore: restores a batch of any size.
            x: (N, 3, H, W).
            multiple: as for `check`.

        Returns:
            (N, 3, H, W); what ``restore`` gives for the whole, if that fits one tile.
        """
        height, width = x.shape[-2:]
        if max(height, width) <= self.size:
            return restore(x)
        whole = x.new_empty(x.shape)
        for down, across in self._tiles(height, width, multiple):
            tile = restore(x[..., down.start : down.stop, across.start : across.stop].contiguous())
            whole[..., down.first : down.end, across.first : across.end] = tile[
                ...,
                down.first - down.start : down.end - down.start,
                across.first - across.start : across.end - across.start,
            ]
        return whole

    def _tiles(self, height: int, width: int, multiple: int) -> Iterator[tuple[Span, Span]]:
        for down in self.spans(height, multiple):
            for across in self.spans(width, multiple):
                yield down, across
