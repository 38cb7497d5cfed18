"""A small network for the worked example: one 7x7 filter, the same for each colour channel."""

from __future__ import annotations

from torch import Tensor, nn

from restorebench import Card, Method


class Filter(nn.Module):
    """The linear denoiser whose weights `make_checkpoints.py` finds by least squares."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv2d(1, 1, 7, padding=3, padding_mode="reflect", bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Filter (B, 3, H, W) channel by channel."""
        batch, channels, height, width = x.shape
        filtered: Tensor = self.filter(x.reshape(batch * channels, 1, height, width))
        return filtered.reshape(x.shape)


class Linear(Method):
    """The filter as a method."""

    network_class = Filter
    info = Card(
        title="Linear filter",
        paper="none: an example; the least-squares filter of Wiener (1949)",
        status="external",
        trained_on=("noise",),
    )


METHODS = {"linear": Linear}
