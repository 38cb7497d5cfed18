"""HAIR beyond the golden values: per-image weights, boxes, sizes, precision, configuration."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from restorebench.errors import ConfigError
from restorebench_methods.hair import HAIR, HAIRMethod
from restorebench_methods.hair_blocks import Classifier, HyperLevel, kernel_shapes
from restorebench_methods.layers import transformer_level

SMALL: dict[str, Any] = {
    "dim": 16,
    "num_blocks": (1, 1, 1, 2),
    "num_refinement_blocks": 1,
    "classifier_dim": 12,
    "classifier_groups": 4,
    "giv_dim": 16,
}


def small_method(**config: Any) -> HAIRMethod:
    return HAIRMethod(**{**SMALL, **config})


def images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def level_with_vivid_selections() -> HyperLevel:
    """Return a level whose selections differ from image to image, as after training."""
    torch.manual_seed(0)
    level = HyperLevel(8, 2, 2.7, blocks=2, boxes=3, giv_dim=16)
    for extract in level.extracts:
        nn.init.normal_(extract.get_parameter("net.6.weight"), std=20)
    return level


CONVOLUTIONS = (
    "attn.qkv",
    "attn.qkv_dwconv",
    "attn.project_out",
    "ffn.project_in",
    "ffn.dwconv",
    "ffn.project_out",
)


def plain_level_of(level: HyperLevel, selection: Tensor) -> nn.Sequential:
    """Return Restormer's level with the weights that ``selection`` (blocks, boxes) makes."""
    plain = transformer_level(8, 2, 2.7, len(level.blocks))
    for i, (block, row) in enumerate(zip(plain, selection, strict=True)):
        mixed, start = torch.einsum("n,nt->t", row, level.kernel_box), 0
        state = level.blocks[i].state_dict()
        for name in CONVOLUTIONS:
            weight = block.get_submodule(name).get_parameter("weight")
            part = mixed[start : start + weight.numel()]
            state[f"{name}.weight"], start = part.reshape(weight.shape), start + weight.numel()
        assert start == len(mixed)
        block.load_state_dict(state)
    return plain


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@torch.no_grad()
def test_a_hyper_level_is_restormers_level_with_weights_of_each_image(
    layout: torch.memory_format,
) -> None:
    level = level_with_vivid_selections()
    x, v_g = images(3, 8, 9, 7).to(memory_format=layout), torch.randn(3, 16)
    selections = level.selection(v_g)
    assert (selections[0] - selections[1]).abs().max() > 0.1  # else all images share weights
    restored = level(x, v_g)
    assert restored.is_contiguous(memory_format=layout)
    for i in range(3):
        expected = plain_level_of(level, selections[i])(x[i : i + 1])
        torch.testing.assert_close(restored[i : i + 1], expected, rtol=0, atol=1e-5)


def test_box_rows_start_like_fresh_convolutions_without_bias() -> None:
    torch.manual_seed(0)
    level = HyperLevel(16, 2, 2.66, blocks=1, boxes=5, giv_dim=16)
    start = 0
    for out, fan, k, _ in kernel_shapes(16, 2.66):
        size = out * fan * k * k
        part = level.kernel_box[:, start : start + size]
        bound = nn.Conv2d(fan, out, k, bias=False).weight.abs().max()
        start += size
        # Both are the largest of many uniform numbers, so they lie just below the true bound.
        torch.testing.assert_close(part.abs().max(), bound, rtol=0.05, atol=0)
        assert part.abs().max() <= (fan * k * k) ** -0.5
        torch.testing.assert_close(part.std(), part.abs().max() / 3**0.5, rtol=0.1, atol=0)
    assert start == level.kernel_box.shape[1]


@pytest.mark.parametrize(
    ("config", "boxes"),
    [
        ({}, [9, 6, 7, 5, 5]),
        ({"spare_boxes": (1, 1, 1, 1)}, [9, 7, 7, 5, 5]),
        ({"num_blocks": (1, 2, 5, 6), "num_refinement_blocks": 7}, [7, 5, 5, 5, 8]),
        ({"spare_boxes": (0, 1, 2, 3)}, [11, 8, 7, 4, 4]),
    ],
)
def test_a_level_has_as_many_boxes_as_its_blocks_and_spares_demand(
    config: dict[str, Any], boxes: list[int]
) -> None:
    with torch.device("meta"):
        network = HAIR(**config)
    levels = [m for m in network.children() if isinstance(m, HyperLevel)]
    assert [len(level.kernel_box) for level in levels] == boxes


def test_the_classifier_halves_with_padding_at_the_right_and_bottom_only() -> None:
    halve = Classifier(8, 6, 2, 8).down.get_submodule("0.downsample")
    weight, x = halve.get_parameter("conv.weight"), images(1, 6, 6, 8)
    with torch.no_grad():
        nn.init.zeros_(halve.get_parameter("conv.bias"))
        nn.init.dirac_(weight)  # takes the centre of each 3x3 window
        assert torch.equal(halve(x), x[..., 1::2, 1::2])
        weight.copy_(weight.roll((1, 1), (-2, -1)))  # takes its lower right corner
        padded = halve(x)
    assert torch.equal(padded[..., :-1, :-1], x[..., 2::2, 2::2])
    assert not padded[..., -1, :].any()
    assert not padded[..., :, -1].any()


@torch.no_grad()
def test_the_bias_of_the_classifiers_keys_has_no_effect() -> None:
    torch.manual_seed(0)
    classifier, x = Classifier(8, 6, 2, 8), images(1, 8, 16, 16)
    attention = classifier.mid.get_submodule("attn_1")
    before = classifier(x)
    attention.get_parameter("k.bias").add_(torch.randn(6))
    torch.testing.assert_close(classifier(x), before, rtol=0, atol=1e-6)
    attention.get_parameter("q.bias").add_(torch.randn(6))
    assert (classifier(x) - before).abs().max() > 1e-4


def test_every_parameter_learns_but_the_bias_of_the_keys() -> None:
    torch.manual_seed(0)
    network = HAIR(**SMALL)
    loss = (network(images(2, 3, 64, 64)) - images(2, 3, 64, 64).flip(-1)).abs().mean()
    loss.backward()
    unmoved = [
        name
        for name, p in network.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or p.grad.abs().max() < 1e-12
    ]
    assert set(unmoved) <= {"feature.mid.attn_1.k.bias"}


@settings(max_examples=8, deadline=None)
@given(height=st.integers(16, 72), width=st.integers(16, 72), batch=st.integers(1, 2))
def test_any_size_is_restored_and_every_selection_sums_to_one(
    height: int, width: int, batch: int
) -> None:
    method, x = small_method(), images(batch, 3, height, width)
    restored = method.restore(x)
    assert restored.shape == x.shape
    assert restored.isfinite().all()
    embedding = method.embedding(x)
    assert embedding.pop("giv").shape == (batch, 16)
    assert {name: tuple(s.shape) for name, s in embedding.items()} == {
        "selection/latent": (batch, 2, 5),
        "selection/decoder_level3": (batch, 1, 4),
        "selection/decoder_level2": (batch, 1, 5),
        "selection/decoder_level1": (batch, 1, 5),
        "selection/refinement": (batch, 1, 5),
    }
    for selected in embedding.values():
        torch.testing.assert_close(selected.sum(-1), torch.ones(selected.shape[:-1]))


@pytest.mark.parametrize("size", [(16, 16), (17, 45), (64, 64)])
def test_a_batch_of_two_is_restored_like_its_images(size: tuple[int, int]) -> None:
    method, x = small_method(), images(2, 3, *size)
    singles = torch.cat([method.restore(x[:1]), method.restore(x[1:])])
    torch.testing.assert_close(method.restore(x), singles, rtol=0, atol=1e-5)


def test_the_information_vector_depends_on_the_whole_image() -> None:
    method, x = small_method(), images(1, 3, 64, 128)
    far = x.clone()
    far[..., 96:] = 0
    whole, changed = method.embedding(x)["giv"], method.embedding(far)["giv"]
    assert (whole - changed).abs().max() > 1e-3


def test_bfloat16_autocast_restores_nearly_the_same_image() -> None:
    x = images(2, 3, 32, 40)
    full, reduced = small_method(), small_method(precision="bfloat16")
    difference = (reduced.restore(x) - full.restore(x)).abs().max()
    assert 0 < difference < 0.05
    assert all(t.isfinite().all() for t in reduced.embedding(x).values())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_blocks": (1, 1, 1)}, "num_blocks needs four numbers"),
        ({"heads": (3, 2, 4, 8)}, "not a multiple of 3 heads"),
        ({"num_refinement_blocks": 0}, "num_refinement_blocks must be at least 1, got 0"),
        ({"ffn_expansion_factor": 0.01}, "leaves the feed-forward networks no channel"),
        ({"spare_boxes": (1, 1, 1)}, "spare_boxes needs four numbers"),
        ({"spare_boxes": (1, 1, -1, 1)}, "spare_boxes needs four numbers of at least 0"),
        ({"classifier_dim": 70}, "classifier_dim 70 is not a multiple of 4"),
        ({"classifier_groups": 0}, "not a multiple of 0 classifier_groups"),
        ({"giv_dim": 20}, "giv_dim must be a multiple of 8, got 20"),
        ({"spare_box": (1, 1, 1, 1)}, "Did you mean 'spare_boxes'"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small_method(**config)
