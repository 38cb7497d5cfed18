"""Reading weight files from anywhere, safely, and fitting them to a network."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pickle
import re
import tarfile
import zipfile
from argparse import Namespace
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from restorebench.errors import WeightsError
from restorebench.weights.checkpoint import load_weights
from restorebench_methods.restormer import Restormer

State = dict[str, Tensor]


def small_restormer(seed: int, dim: int = 16, blocks: int = 1) -> Restormer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Restormer(dim=dim, num_blocks=(blocks, 1, 1, 1), num_refinement_blocks=1)


@pytest.fixture(scope="module")
def trained() -> State:
    """The values that the files of these tests hold."""
    return small_restormer(1).state_dict()


@pytest.fixture
def network() -> Restormer:
    """The network they are loaded into, which starts with other values."""
    return small_restormer(2)


class Tiny(nn.Module):
    """Two parameters, an integer and a fractional buffer, in a few hundred bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.norm = nn.BatchNorm2d(2)


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def copy_of(state: State) -> State:
    return {key: tensor.clone() for key, tensor in state.items()}


def shifted(state: State) -> State:
    return {key: tensor + 1 for key, tensor in state.items()}


def assert_same(found: State, expected: State) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key


def saved(folder: Path, content: object, name: str = "model.ckpt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def failure(network: nn.Module, path: Path, *, strict: bool = True) -> str:
    """Return the message of the error; the network must be untouched and the message one line."""
    before = copy_of(network.state_dict())
    with pytest.raises(WeightsError) as caught:
        load_weights(network, path, strict=strict)
    assert_same(network.state_dict(), before)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    assert caught.value.exit_code == 4
    return message


LIGHTNING = {
    "epoch": 120,
    "global_step": 4711,
    "pytorch-lightning_version": "2.0.1",
    "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
    "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(31.4)}},
    "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1}]}],
    "lr_schedulers": [{"base_lrs": [2e-4], "last_epoch": 120}],
    "hparams_name": "opt",
    "hyper_parameters": {"opt": Namespace(lr=2e-4, de_type=["derain"], cuda=0)},
}

# What people publish: how the state_dict is wrapped, and the place that is reported.
LAYOUTS: dict[str, tuple[Callable[[State], object], str]] = {
    "plain": (lambda s: s, ""),
    "state_dict": (lambda s: {"state_dict": s}, "state_dict"),
    "model_state_dict": (lambda s: {"model_state_dict": s, "loss": 0.1}, "model_state_dict"),
    "params": (lambda s: {"params": s}, "params"),
    "model": (lambda s: {"model": s, "optimizer": {"lr": 1}}, "model"),
    "net": (lambda s: {"net": s}, "net"),
    "netG": (lambda s: {"netG": s, "netD": {"w": torch.ones(1)}}, "netG"),
    "generator": (lambda s: {"generator": s}, "generator"),
    "nested": (lambda s: {"model": {"state_dict": s}, "epoch": 3}, "model > state_dict"),
    "lightning": (
        lambda s: LIGHTNING | {"state_dict": prefixed("net.", s)},
        "state_dict > net.",
    ),
    "lightning compiled": (
        lambda s: LIGHTNING | {"state_dict": prefixed("net._orig_mod.", s)},
        "state_dict > net._orig_mod.",
    ),
    "data parallel": (lambda s: prefixed("module.", s), "module."),
    "data parallel in params": (lambda s: {"params": prefixed("module.", s)}, "params > module."),
    "everything": (
        lambda s: {"state_dict": prefixed("module.model.netG._orig_mod.generator.", s)},
        "state_dict > module.model.netG._orig_mod.generator.",
    ),
}
EMA_LAYOUTS: dict[str, tuple[Callable[[State], object], str]] = {
    "basicsr": (
        lambda s: {"params": shifted(s), "params_ema": s},
        "params_ema (EMA, rather than params)",
    ),
    "ema after": (
        lambda s: {"ema": prefixed("module.", s), "model": prefixed("module.", shifted(s))},
        "ema > module. (EMA, rather than model > module.)",
    ),
    "ema with its settings": (
        lambda s: {"state_dict": shifted(s), "ema": {"decay": 0.999, "state_dict": s}},
        "ema > state_dict (EMA, rather than state_dict)",
    ),
    "ema beside net": (
        lambda s: {"state_dict": prefixed("net.", shifted(s)) | prefixed("net_ema.", s)},
        "state_dict > net_ema. (EMA, rather than state_dict > net.)",
    ),
    "ema beside plain keys": (
        lambda s: shifted(s) | {"ema": s},
        "ema (EMA, rather than the top level)",
    ),
    "ema alone": (lambda s: {"params_ema": s}, "params_ema"),
}
ALL_LAYOUTS = LAYOUTS | EMA_LAYOUTS


@pytest.mark.parametrize("layout", ALL_LAYOUTS)
def test_every_published_layout_loads(
    layout: str, trained: State, network: Restormer, tmp_path: Path
) -> None:
    wrap, container = ALL_LAYOUTS[layout]
    path = saved(tmp_path, wrap(trained))
    weights = load_weights(network, path)
    assert_same(network.state_dict(), trained)
    assert weights.container == container
    assert weights.ema is (layout in EMA_LAYOUTS)
    assert weights.strict
    assert weights.coverage.startswith(f"{len(trained)} of {len(trained)} tensors")
    assert weights.file == "model.ckpt"
    assert weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


FORMATS: dict[str, Callable[[State, Path], object]] = {
    "zip": torch.save,
    "before torch 1.6": lambda s, path: torch.save(s, path, _use_new_zipfile_serialization=False),
    "safetensors": safetensors.torch.save_file,
}


@pytest.mark.parametrize("name", ["w.ckpt", "w.pth", "w.pt", "w.safetensors", "w", "w.txt"])
@pytest.mark.parametrize("form", FORMATS)
def test_the_content_decides_and_not_the_name(
    form: str, name: str, trained: State, network: Restormer, tmp_path: Path
) -> None:
    FORMATS[form](prefixed("module.", trained), tmp_path / name)
    weights = load_weights(network, str(tmp_path / name))
    assert_same(network.state_dict(), trained)
    assert (weights.file, weights.container) == (name, "module.")


def test_weights_of_a_full_restormer_in_a_lightning_file_restore_the_authors_image(
    reference: Path, tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("weights", reference / "weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    golden = np.load(reference / "restormer" / "golden.npz")["out/s1_1x64x64"]
    state = module.fill_(Restormer().state_dict())
    path = saved(tmp_path, LIGHTNING | {"state_dict": prefixed("net.", state)})
    fresh = Restormer().eval()
    weights = load_weights(fresh, path)
    with torch.no_grad():
        restored = fresh(module.make_input(**module.INPUTS["s1_1x64x64"]))
    assert weights.coverage == f"{len(state)} of {len(state)} tensors"
    assert np.abs(restored.numpy() - golden).max() < 5e-5


class OwnsNames(nn.Module):
    """A network whose own keys begin with what usually wraps networks."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.ModuleDict({"model": nn.Linear(2, 3), "tail": nn.Linear(3, 1)})
        self.model = nn.Linear(2, 3)


@pytest.mark.parametrize("prefix", ["", "module.", "net.", "model.net.", "net.model.net."])
def test_keys_that_the_network_owns_are_not_stripped(prefix: str, tmp_path: Path) -> None:
    source, target = OwnsNames(), OwnsNames()
    weights = load_weights(target, saved(tmp_path, prefixed(prefix, source.state_dict())))
    assert_same(target.state_dict(), source.state_dict())
    assert weights.container == prefix


def test_what_stands_beside_the_network_in_a_lightning_module_is_named_and_ignored(
    trained: State, network: Restormer, tmp_path: Path
) -> None:
    beside = {"loss_fn.vgg.0.weight": torch.ones(2), "metric.total": torch.tensor(1)}
    path = saved(tmp_path, {"state_dict": beside | prefixed("net.", trained)})
    weights = load_weights(network, path)
    assert_same(network.state_dict(), trained)
    assert weights.strict
    assert "ignored outside net.: loss_fn.vgg.0.weight, metric.total" in weights.coverage


def test_leftovers_under_the_prefix_are_an_error(
    trained: State, network: Restormer, tmp_path: Path
) -> None:
    extra = {"net.encoder_level1.1.norm1.body.weight": torch.ones(16)}
    message = failure(network, saved(tmp_path, prefixed("net.", trained) | extra))
    assert "unexpected: encoder_level1.1.norm1.body.weight" in message
    assert "other numbers of blocks" in message


def test_of_equal_entries_the_one_without_leftovers_is_taken(tmp_path: Path) -> None:
    source, target = Tiny(), Tiny()
    with_head = source.state_dict() | {"head.weight": torch.ones(1)}
    path = saved(tmp_path, {"net": with_head, "model_state_dict": source.state_dict()})
    assert load_weights(target, path).container == "model_state_dict"


def test_averages_that_do_not_fill_the_network_give_way_and_are_mentioned(tmp_path: Path) -> None:
    source, target = Tiny(), Tiny()
    averaged = {key: p.detach() + 1 for key, p in source.named_parameters()}  # without buffers
    path = saved(tmp_path, {"params_ema": averaged, "params": source.state_dict()})
    weights = load_weights(target, path)
    assert_same(target.state_dict(), source.state_dict())
    assert not weights.ema
    assert weights.container == "params (params_ema fits less)"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_cast_and_integers_kept(dtype: torch.dtype, tmp_path: Path) -> None:
    source, target = Tiny().to(dtype), Tiny()
    source.norm.num_batches_tracked = torch.tensor(2**40 + 1)
    load_weights(target, saved(tmp_path, source.state_dict()))
    assert {t.dtype for t in target.state_dict().values()} == {torch.float32, torch.int64}
    assert torch.equal(target.conv.weight, source.conv.weight.float())
    assert target.state_dict()["norm.num_batches_tracked"] == 2**40 + 1


def test_memory_layout_stays_the_networks(trained: State, tmp_path: Path) -> None:
    network = small_restormer(2)
    weight = network.output.weight
    weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    load_weights(network, saved(tmp_path, trained))
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    assert torch.equal(weight, trained["output.weight"])


def test_entries_that_are_no_tensors_are_ignored(
    trained: State, network: Restormer, tmp_path: Path
) -> None:
    noise: dict[Any, Any] = {"version": 3, "_extra_state": b"x", 7: torch.ones(1), "none": None}
    load_weights(network, saved(tmp_path, {"state_dict": noise | trained}))
    assert_same(network.state_dict(), trained)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(float("nan"), torch.float32), (float("-inf"), torch.float16), (1e300, torch.float64)],
)
def test_weights_that_are_not_finite_are_refused_by_name(
    value: float, dtype: torch.dtype, trained: State, network: Restormer, tmp_path: Path
) -> None:
    broken = copy_of(trained)
    broken["output.weight"] = broken["output.weight"].to(dtype)
    broken["output.weight"][0, 0, 0, 0] = value
    message = failure(network, saved(tmp_path, broken))
    assert "output.weight holds NaN or infinity" in message


def test_integers_in_place_of_fractions_are_refused(
    trained: State, network: Restormer, tmp_path: Path
) -> None:
    quantised = trained | {"output.weight": trained["output.weight"].to(torch.int8)}
    message = failure(network, saved(tmp_path, quantised))
    assert "output.weight is torch.int8, the network has torch.float32" in message


class Adapting(nn.Module):
    """A network that takes the length of a buffer from the file, as AirNet's queue."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.queue: Tensor
        self.register_buffer("queue", torch.zeros(length))
        self.register_load_state_dict_pre_hook(_resize_queue)  # type: ignore[no-untyped-call]


def _resize_queue(module: nn.Module, state: State, prefix: str, *_: object) -> None:
    if prefix + "queue" in state:
        module.queue = torch.zeros_like(state[prefix + "queue"])


@pytest.mark.parametrize("strict", [True, False])
def test_hooks_of_the_network_act_before_shapes_are_judged(strict: bool, tmp_path: Path) -> None:
    source, target = Adapting(7), Adapting(3)
    source.queue.fill_(5)
    weights = load_weights(target, saved(tmp_path, source.state_dict()), strict=strict)
    assert_same(target.state_dict(), source.state_dict())
    assert weights.strict


def test_a_failed_load_leaves_even_adapted_buffers_alone(tmp_path: Path) -> None:
    content = Adapting(7).state_dict() | {"layer.bias": torch.ones(5)}
    target = Adapting(3)
    assert "layer.bias file (5,) network (2,)" in failure(target, saved(tmp_path, content))
    assert target.queue.shape == (3,)


class Tied(nn.Module):
    """One tensor under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.Linear(2, 2)
        self.second.weight = self.first.weight


def test_a_tied_tensor_that_is_stored_once_is_not_missing(tmp_path: Path) -> None:
    source, target = Tied(), Tied()
    safetensors.torch.save_model(source, str(tmp_path / "w.safetensors"))
    weights = load_weights(target, tmp_path / "w.safetensors")
    assert_same(target.state_dict(), source.state_dict())
    assert weights.coverage == "4 of 4 tensors"


def test_a_misfit_is_counted_and_named_with_the_nearest_names(
    trained: State, network: Restormer, tmp_path: Path
) -> None:
    state = copy_of(trained)
    state["output.weigth"] = state.pop("output.weight")
    state["patch_embed.proj.weight"] = torch.ones(8, 3, 3, 3)
    message = failure(network, saved(tmp_path, {"params": state}))
    total = len(trained)
    share = f"{100 * (total - 2) / total:.1f} %"
    assert f"{total - 2} of {total} tensors ({share}) fit under params" in message
    assert "missing: output.weight;" in message
    assert "unexpected: output.weigth (near: output.weight)" in message
    assert "patch_embed.proj.weight file (8, 3, 3, 3) network (16, 3, 3, 3)" in message
    assert "strict=False would load what fits" in message


def test_only_a_few_names_are_listed(trained: State, network: Restormer, tmp_path: Path) -> None:
    state = {key: tensor for key, tensor in trained.items() if "norm1" not in key}
    gone = [key for key in trained if "norm1" in key]
    message = failure(network, saved(tmp_path, state))
    assert f"missing: {', '.join(gone[:3])}, ... ({len(gone) - 3} more)" in message


@pytest.mark.parametrize(
    ("dim", "blocks", "hint"),
    [(24, 1, "(other widths)"), (16, 2, "(other numbers of blocks)")],
)
def test_weights_of_another_configuration_are_recognised(
    dim: int, blocks: int, hint: str, network: Restormer, tmp_path: Path
) -> None:
    other = small_restormer(1, dim=dim, blocks=blocks)
    message = failure(network, saved(tmp_path, other.state_dict()))
    assert f"this network in another configuration {hint}" in message


def test_weights_of_another_network_are_recognised(network: Restormer, tmp_path: Path) -> None:
    message = failure(network, saved(tmp_path, Tiny().state_dict()))
    assert "0 of" in message
    assert "weights of another network" in message


def test_on_request_what_fits_is_loaded_and_the_rest_is_said(
    trained: State, network: Restormer, tmp_path: Path
) -> None:
    before = copy_of(network.state_dict())
    state = trained | {"output.weight": torch.ones(3, 1, 3, 3), "extra.bias": torch.ones(1)}
    del state["patch_embed.proj.weight"]
    weights = load_weights(network, saved(tmp_path, state), strict=False)
    kept = {key: before[key] for key in ("output.weight", "patch_embed.proj.weight")}
    assert_same(network.state_dict(), trained | kept)
    assert not weights.strict
    assert f"{len(trained) - 2} of {len(trained)} tensors; missing: patch_" in weights.coverage
    assert "unexpected: extra.bias" in weights.coverage
    assert "other shape: output.weight" in weights.coverage


@pytest.mark.parametrize("share", [0.0, 0.45])
def test_less_than_half_is_refused_even_on_request(
    share: float, trained: State, network: Restormer, tmp_path: Path
) -> None:
    state = dict(list(trained.items())[: int(share * len(trained))])
    path = saved(tmp_path, state | {"other": torch.ones(1)})
    message = failure(network, path, strict=False)
    assert f"{len(state)} of {len(trained)} tensors" in message
    assert "strict=False" not in message


def test_a_file_that_fits_entirely_counts_as_strict_on_request_too(
    trained: State, network: Restormer, tmp_path: Path
) -> None:
    assert load_weights(network, saved(tmp_path, trained), strict=False).strict


def test_a_network_without_weights_takes_no_file(trained: State, tmp_path: Path) -> None:
    assert "the network has no weights" in failure(nn.Identity(), saved(tmp_path, trained))


@pytest.mark.parametrize(
    ("content", "outline"),
    [
        ([torch.ones(1)], "it is a list"),
        (torch.ones(1), "it is a Tensor"),
        ({}, "it is an empty dict"),
        ({"epoch": 1, "optimizer": {"a": torch.ones(1)}}, "it is a dict of: epoch, optimizer"),
    ],
)
def test_a_file_without_weights_is_outlined(
    content: object, outline: str, network: Restormer, tmp_path: Path
) -> None:
    message = failure(network, saved(tmp_path, content))
    assert f"holds no weights in any known entry; {outline}" in message


def test_a_dict_that_contains_itself_ends(network: Restormer, tmp_path: Path) -> None:
    content: dict[str, object] = {}
    content |= {"model": content, "net": {"state_dict": content}}
    assert "holds no weights" in failure(network, saved(tmp_path, content))


class Evil:
    """When unpickled without care, creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, (f"import pathlib; pathlib.Path({str(self.path)!r}).touch()",)


class EvilShell(Evil):
    """The same through the shell, from a module that torch blocks always."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, (f"touch '{self.path}'",)


WRITERS: dict[str, Callable[[object, Path], object]] = {
    "zip": torch.save,
    "before torch 1.6": lambda x, path: torch.save(x, path, _use_new_zipfile_serialization=False),
    "zip, protocol 4": lambda x, path: torch.save(x, path, pickle_protocol=4),
    "pickle 2": lambda x, path: path.write_bytes(pickle.dumps(x, protocol=2)),
    "pickle 4": lambda x, path: path.write_bytes(pickle.dumps(x, protocol=4)),
    "pickle 5": lambda x, path: path.write_bytes(pickle.dumps(x, protocol=5)),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("evil", "wanted"), [(Evil, "exec"), (EvilShell, f"{os.name}.system")])
def test_a_file_that_wants_to_run_code_is_refused_and_runs_nothing(
    evil: type[Evil],
    wanted: str,
    writer: str,
    trained: State,
    network: Restormer,
    tmp_path: Path,
) -> None:
    victim, path = tmp_path / "victim", tmp_path / "model.ckpt"
    WRITERS[writer]({"hyper_parameters": evil(victim), "state_dict": trained}, path)
    message = failure(network, path)
    assert not victim.exists()
    assert "refused" in message
    assert wanted in message
    # The file is as dangerous as it is meant to be.
    if writer.startswith("pickle"):
        pickle.loads(path.read_bytes())
        assert victim.exists()


def test_a_whole_network_in_place_of_its_state_dict_is_refused(
    network: Restormer, tmp_path: Path
) -> None:
    message = failure(network, saved(tmp_path, Tiny()))
    assert "Tiny" in message
    assert "save its state_dict alone" in message


def zipped(content: bytes) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("release/model.ckpt", content)
    return stream.getvalue()


def tarred(content: bytes, mode: Any = "w") -> bytes:
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        member = tarfile.TarInfo("model.ckpt")
        member.size = len(content)
        archive.addfile(member, BytesIO(content))
    return stream.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
IMPOSTORS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "an empty file"),
    "html": (lambda _: b"\n<!DOCTYPE html><html><body>Sign in</body>", "an HTML page"),
    "html in Japanese": (lambda _: b"<html>" + "あ".encode() * 5000, "an HTML page"),
    "xml": (lambda _: b"<?xml version='1.0'?><Error>", "a text file"),
    "lfs": (lambda _: LFS, "a Git-LFS pointer"),
    "json": (lambda _: json.dumps({"dim": 48}).encode(), "a JSON file"),
    "text": (lambda _: b"key\tvalue\n" * 900, "a text file"),
    "image": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(99), "not a checkpoint: it begins with"),
    "zeros": (lambda _: bytes(999), "not a checkpoint: it begins with"),
    "zip": (zipped, "a zip archive, not a checkpoint; unpack it first. It holds: release/model"),
    "empty zip": (lambda _: b"PK\x05\x06" + bytes(18), "unpack it first. It holds: nothing"),
    "tar": (tarred, "a tar archive; unpack it first"),
    "tar.gz": (lambda content: tarred(content, "w:gz"), "a gzip archive; unpack it first"),
    "tar.bz2": (lambda content: tarred(content, "w:bz2"), "a bzip2 archive; unpack it first"),
    "tar.xz": (lambda content: tarred(content, "w:xz"), "an xz archive; unpack it first"),
    "cut in half": (lambda content: content[: len(content) // 2], "cut off or damaged"),
    "cut by a byte": (lambda content: content[:-1], "cut off or damaged"),
    "pickle": (lambda _: pickle.dumps({"a": 1}, protocol=2), "not written by torch.save"),
}


@pytest.mark.parametrize("impostor", IMPOSTORS)
def test_each_impostor_is_named_for_what_it_is(
    impostor: str, trained: State, network: Restormer, tmp_path: Path
) -> None:
    make, what = IMPOSTORS[impostor]
    stream = BytesIO()
    torch.save(trained, stream)
    path = tmp_path / "model.ckpt"
    path.write_bytes(make(stream.getvalue()))
    assert what in failure(network, path)


@pytest.mark.parametrize("magic", [b"\x80", b"PK"], ids=["pickle", "zip"])
def test_a_safetensors_file_may_begin_with_the_bytes_of_another_kind(
    trained: State, network: Restormer, tmp_path: Path, magic: bytes
) -> None:
    """It begins with the length of its header; one in 32 has the first byte of a pickle."""
    path = tmp_path / "model.safetensors"
    least = int.from_bytes(safetensors.torch.save(trained, {"note": ""})[:8], "little")
    lengths = range(least, least + 2**17, 8)
    length = next(n for n in lengths if n.to_bytes(8, "little").startswith(magic))
    content = safetensors.torch.save(trained, {"note": " " * (length - least)})
    assert content.startswith(magic)
    path.write_bytes(content)
    load_weights(network, path)
    assert_same(network.state_dict(), trained)


@pytest.mark.parametrize(
    ("kept", "what"), [(100, "cut off within its header, at 100 bytes"), (-9, "damaged or cut off")]
)
def test_a_safetensors_file_cut_off_is_recognised(
    kept: int, what: str, trained: State, network: Restormer, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors.torch.save(trained)[:kept])
    assert what in failure(network, path)


def test_an_old_file_cut_off_is_recognised(
    trained: State, network: Restormer, tmp_path: Path
) -> None:
    path = tmp_path / "model.pth"
    torch.save(trained, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "damaged or cut off" in failure(network, path)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_program_is_refused(network: Restormer, tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), tmp_path / "model.pt")
    assert "a TorchScript program, which is code" in failure(network, tmp_path / "model.pt")


def test_a_missing_file_is_answered_with_the_nearest_names(
    network: Restormer, tmp_path: Path
) -> None:
    (tmp_path / "promptir_v2.ckpt").touch()
    (tmp_path / "readme.md").touch()
    message = failure(network, tmp_path / "promptir.ckpt")
    assert message.endswith("no such file; near in that folder: promptir_v2.ckpt")
    assert failure(network, tmp_path / "zzz").endswith("zzz: no such file")
    assert f"no folder {tmp_path / 'no'}" in failure(network, tmp_path / "no" / "promptir.ckpt")


def test_a_folder_is_answered_with_its_files(network: Restormer, tmp_path: Path) -> None:
    assert "it is empty" in failure(network, tmp_path)
    (tmp_path / "model.ckpt").touch()
    assert "a folder, not a file; name one of the files in it: model.ckpt" in failure(
        network, tmp_path
    )


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a system without device files")
def test_a_device_is_not_read(network: Restormer) -> None:
    assert "not a regular file" in failure(network, Path("/dev/zero"))


def tiny_files() -> list[bytes]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = Tiny().state_dict()
    files = []
    for content in (state, {"state_dict": prefixed("net.", state), "hp": Namespace(lr=1)}):
        for new in (True, False):
            stream = BytesIO()
            torch.save(content, stream, _use_new_zipfile_serialization=new)
            files.append(stream.getvalue())
    return [*files, safetensors.torch.save(state)]


FILES = tiny_files()


def loads_or_refuses(folder: Path, content: bytes) -> bool:
    """Load into a small network; anything but success or a `WeightsError` fails the test."""
    path = folder / "model.ckpt"
    path.write_bytes(content)
    try:
        weights = load_weights(Tiny(), path)
    except WeightsError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert weights.coverage.startswith("7 of 7 tensors")
    assert len(refusal.splitlines()) <= 1
    return not refusal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("content", FILES)
def test_the_files_to_be_damaged_load_as_they_are(content: bytes, folder: Path) -> None:
    assert loads_or_refuses(folder, content)


@settings(max_examples=200, deadline=None)
@given(
    start=st.sampled_from(
        [b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x40" + bytes(7) + b"{"]
    ),
    rest=st.binary(max_size=300),
)
def test_random_bytes_are_refused(start: bytes, rest: bytes, folder: Path) -> None:
    assert not loads_or_refuses(folder, start + rest)


@settings(max_examples=200, deadline=None)
@given(content=st.sampled_from(FILES), data=st.data())
def test_a_truncated_file_is_refused(content: bytes, data: st.DataObject, folder: Path) -> None:
    assert not loads_or_refuses(folder, content[: data.draw(st.integers(0, len(content) - 1))])


@settings(max_examples=400, deadline=None)
@given(content=st.sampled_from(FILES), data=st.data())
def test_flipped_bits_load_or_are_refused(
    content: bytes, data: st.DataObject, folder: Path
) -> None:
    damaged = bytearray(content)
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    loads_or_refuses(folder, bytes(damaged))


def rezipped(content: bytes, replaced: dict[str, bytes], compression: int) -> bytes:
    """Return a torch file with some entries replaced, by the suffix of their names."""
    stream = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(content)) as old,
        zipfile.ZipFile(stream, "w", compression) as new,
    ):
        for entry in old.infolist():
            suffix = entry.filename.rpartition("/")[2]
            new.writestr(entry.filename, replaced.get(suffix, old.read(entry)))
    return stream.getvalue()


@pytest.mark.parametrize("levels", [101, 2_000_000])
@pytest.mark.parametrize("legacy", [True, False])
def test_a_pickle_of_nested_tuples_is_refused_before_it_can_end_the_process(
    network: Restormer, tmp_path: Path, levels: int, legacy: bool
) -> None:
    # A dict whose key is a tuple in a tuple in a tuple ...: hashing it overflows the stack.
    content = b"\x80\x02})" + b"\x85" * levels + b"K\x01s."
    if not legacy:
        whole = saved(tmp_path, {"x": torch.zeros(1)}).read_bytes()
        content = rezipped(whole, {"data.pkl": content}, zipfile.ZIP_STORED)
    path = tmp_path / "deep.ckpt"
    path.write_bytes(content)
    assert "refused: its values are nested deeper than 100 levels" in failure(network, path)


def test_lists_and_dicts_that_grow_are_not_taken_for_deep_ones(
    network: Restormer, trained: State, tmp_path: Path
) -> None:
    many: dict[str, Any] = {"epochs": [{"epoch": n, "loss": (n, [n])} for n in range(5000)]}
    assert load_weights(network, saved(tmp_path, {**many, "state_dict": trained})).strict


def test_a_torch_file_that_unpacks_to_more_than_it_is_is_refused(
    network: Restormer, tmp_path: Path
) -> None:
    whole = saved(tmp_path, {"x": torch.zeros(3_000_000)}).read_bytes()
    path = tmp_path / "bomb.ckpt"
    path.write_bytes(rezipped(whole, {}, zipfile.ZIP_DEFLATED))
    assert re.search(r"refused: \d+ bytes that unpack to 1200\d{4}", failure(network, path))


def test_a_file_larger_than_any_checkpoint_is_refused_unread(
    network: Restormer, tmp_path: Path
) -> None:
    with (tmp_path / "huge.ckpt").open("wb") as file:
        file.truncate(16_000_000_001)  # sparse: takes no room
    message = failure(network, tmp_path / "huge.ckpt")
    assert "16000000001 bytes are over the limit of 16 GB" in message
