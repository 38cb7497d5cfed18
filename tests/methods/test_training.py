"""Trainings: the loss falls, a kill changes nothing, and what goes wrong is said."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from restorebench.errors import DataError, StoreError, UnknownNameError, UsageError
from restorebench.loading import load_method
from restorebench.weights.trained import read_trained
from restorebench_methods.training.card import describe, finish
from restorebench_methods.training.interrupt import uninterrupted
from restorebench_methods.training.loop import DivergedError, Training
from restorebench_methods.training.objective import Contrastive

Trainer = Callable[..., Training]
METHODS = [
    *("airnet", "anyir", "anyir_sf", "daair", "hair", "moce_ir", "ndr_restore"),
    *("promptir", "restormer"),
]
STATEFUL = ("airnet", "anyir", "daair")


def mean_loss(training: Training) -> float:
    """Return the loss of a fixed batch, leaving the training as it is."""
    samples = [training.crops[index] for index in range(1000, 1008)]
    degraded, clean, kinds = zip(*samples, strict=True)
    batch = training._batch(torch.stack(degraded), torch.stack(clean), torch.tensor(kinds))
    objective = training.course.own.objective
    if isinstance(objective, Contrastive):
        # Random keys in the queue are easily told from a first view; the keys of other images,
        # which replace them, are not. So the contrast rises before it falls.
        objective = objective.model_copy(update={"weight": 0.0})
    torch.manual_seed(0)
    with torch.no_grad():
        network = deepcopy(training.network).train()
        return float(objective.loss(network, batch, 30))


def tensors(value: Any) -> list[Tensor]:
    """Return all tensors in nested dictionaries and lists, in order."""
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [tensor for one in inner for tensor in tensors(one)]


def state_of(out: Path) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(out / "state.pt", weights_only=True)["state"]
    return stored


def assert_equal_states(first: Path, second: Path) -> None:
    ours, theirs = state_of(first), state_of(second)
    assert ours["step"] == theirs["step"]
    assert ours["history"] == theirs["history"]
    for part in ("network", "average", "optimiser"):
        assert ours[part].keys() == theirs[part].keys()
        pairs = list(zip(tensors(ours[part]), tensors(theirs[part]), strict=True))
        assert len(pairs) > 50
        assert all(torch.equal(a, b) for a, b in pairs), part


@pytest.mark.parametrize("method", METHODS)
def test_thirty_steps_lower_the_loss(trainer: Trainer, method: str) -> None:
    training = trainer(method)
    before = mean_loss(training)
    with training:
        steps = list(training.run())
    assert mean_loss(training) < 0.9 * before
    assert [progress.step for progress in steps] == list(range(1, 31))
    assert steps[-1].psnr is not None


@pytest.mark.parametrize(
    "method",
    # These carry state beside their weights: a queue, statistics, controllers.
    [pytest.param(m, marks=() if m in STATEFUL else pytest.mark.slow) for m in METHODS],
)
def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    trainer: Trainer, tmp_path: Path, method: str
) -> None:
    with trainer(method, "whole", steps=4, save_every=2) as training:
        list(training.run())
    with trainer(method, "broken", steps=4, save_every=2) as training:
        steps = training.run()
        taken = [next(steps).step for _ in range(3)]  # the third is lost: it was not saved
    assert taken[-1] == 3
    with trainer(method, "broken", steps=4, save_every=2) as training:
        assert [progress.step for progress in training.run()] == [3, 4]
    assert_equal_states(tmp_path / "whole", tmp_path / "broken")
    assert [s["from_step"] for s in state_of(tmp_path / "broken")["sessions"]] == [0, 2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_loses_no_step(
    training_root: Path, recipe: Path, tmp_path: Path, number: signal.Signals
) -> None:
    recipe.write_text(recipe.read_text().replace("every: 30", "every: 1"))  # a line with each
    command = [sys.executable, "-m", "restorebench", "train", "-m", "restormer", "--steps", "900"]
    command += ["--recipe", str(recipe), "--data-root", str(training_root), "--out", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command += ["--save-every", "900"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        said = [process.stderr.readline()]
        process.send_signal(number)
        said += process.stderr.readlines()
    assert process.returncode == 130, said
    assert said.pop().startswith("restorebench: interrupted; what was done is stored")
    state = state_of(tmp_path)
    assert int(re.findall(r"step (\d+)/", said[-1])[0]) <= state["step"] < 900
    assert state["seconds"] > 0


@pytest.mark.parametrize(("times", "done"), [(1, True), (2, False)])
def test_the_first_interrupt_waits_for_the_end_of_a_step(times: int, done: bool) -> None:
    ended = False

    def step() -> None:
        nonlocal ended
        with uninterrupted():
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            ended = True

    with pytest.raises(KeyboardInterrupt):
        step()
    assert ended is done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("times", [1, 2])
def test_no_half_of_a_step_is_stored(trainer: Trainer, tmp_path: Path, times: int) -> None:
    with trainer("restormer", "whole", steps=4, save_every=2) as training:
        list(training.run())

    def interrupt(*_given: object) -> None:
        if training.state.step == 2:  # amid the third
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    training = trainer("restormer", "broken", steps=4, save_every=2)
    training.step.optimiser.register_step_post_hook(interrupt)
    with pytest.raises(KeyboardInterrupt), training:
        list(training.run())
    assert state_of(tmp_path / "broken")["step"] == (3 if times == 1 else 2)
    with trainer("restormer", "broken", steps=4, save_every=2) as training:
        list(training.run())
    assert_equal_states(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.slow
def test_a_training_that_was_killed_ends_as_one_that_was_not(
    training_root: Path, recipe: Path, tmp_path: Path
) -> None:
    # This network draws random numbers in training and averages statistics beside its weights.
    command = [sys.executable, "-m", "restorebench", "train", "-m", "anyir"]
    command += ["--recipe", str(recipe), "--data-root", str(training_root), "--save-every", "1"]
    command += ["--steps", "12"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    log = (tmp_path / "log").open("w")

    def start(out: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "--out", str(out)], stdout=log, stderr=log, env=environment
        )

    def saved() -> int:
        file = broken / "state.pt"
        return int(state_of(broken)["step"]) if file.is_file() else 0

    assert start(whole).wait(120) == 0
    rng, before = random.Random(0), 0
    for _ in range(2):
        process = start(broken)
        deadline = time.monotonic() + 120
        while saved() < before + 2 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (tmp_path / "log").read_text()
        assert before < saved() < 12
        before = saved()
    assert start(broken).wait(120) == 0, (tmp_path / "log").read_text()
    log.close()

    assert_equal_states(whole, broken)
    first, second = (safetensors.torch.load_file(o / "anyir.safetensors") for o in (whole, broken))
    assert all(torch.equal(first[key], second[key]) for key in first)
    cards = [json.loads((out / "card.json").read_text()) for out in (whole, broken)]
    changing = {"seconds", "sessions"}
    assert {k: v for k, v in cards[0].items() if k not in changing} == {
        k: v for k, v in cards[1].items() if k not in changing
    }
    assert len(cards[1]["sessions"]) == 3


def test_the_number_of_workers_changes_nothing(trainer: Trainer, tmp_path: Path) -> None:
    for workers in (0, 2):
        with trainer("restormer", f"w{workers}", steps=3, workers=workers) as training:
            list(training.run())
    assert_equal_states(tmp_path / "w0", tmp_path / "w2")


def test_another_seed_is_another_training(trainer: Trainer) -> None:
    first, second = (trainer("restormer", seed=seed) for seed in (0, 1))
    assert not torch.equal(first.network.output.weight, second.network.output.weight)  # type: ignore[arg-type, union-attr]
    assert not torch.equal(first.crops[0][0], second.crops[0][0])


def test_the_averaged_weights_are_the_mean_that_the_recipe_says(trainer: Trainer) -> None:
    training = trainer("restormer", steps=4)
    assert training.step.average is not None
    weight = training.network.get_parameter("output.weight")
    expected = None
    with training:
        for step, _ in enumerate(training.run()):
            now = weight.detach().clone()
            # The first update copies; the keep is then that of a warm-up, below the recipe's 0.9.
            keep = min(0.9, (1 + step) / (10 + step))
            expected = now if expected is None else keep * expected + (1 - keep) * now
    assert expected is not None
    average = training.step.average.get_parameter("output.weight")
    torch.testing.assert_close(average, expected)


@pytest.mark.parametrize("method", ["airnet", "anyir"])
def test_batch_norm_learns_from_each_batch_or_keeps_what_it_has_seen(
    trainer: Trainer, recipe: Path, method: str
) -> None:
    def moved(out: str) -> set[bool]:
        with trainer(method, out, steps=2) as training:
            buffers = dict(training.network.named_buffers())
            before = {k: t.clone() for k, t in buffers.items() if k.endswith("running_mean")}
            list(training.run())
        return {not torch.equal(mean, buffers[key]) for key, mean in before.items()}

    assert moved("batch") == {True}
    recipe.write_text(recipe.read_text().replace("batch: 3", "batch: 3\nstatistics: running"))
    assert moved("running") == {False}


def test_only_what_the_network_means_to_learn_is_trained(trainer: Trainer) -> None:
    airnet, daair = trainer("airnet"), trainer("daair")
    frozen = {n for n, p in airnet.network.named_parameters() if not p.requires_grad}
    assert frozen == {n for n, _ in airnet.network.named_parameters() if "encoder_k" in n}
    frozen = {n for n, p in daair.network.named_parameters() if not p.requires_grad}
    assert frozen == {n for n, _ in daair.network.named_parameters() if ".controller." in n}


def test_the_folder_of_another_training_is_refused(trainer: Trainer, tmp_path: Path) -> None:
    with trainer("restormer", steps=2) as training:
        list(training.run())
        with pytest.raises(StoreError, match="being written by another training"):
            trainer("restormer", steps=2).__enter__()
    with pytest.raises(UsageError, match="holds a training that differs in seed;"):
        trainer("restormer", steps=2, seed=1).__enter__()
    with pytest.raises(UsageError, match="holds 2 steps already, more than the 1 asked for"):
        trainer("restormer", steps=1).__enter__()
    with pytest.raises(UsageError, match="differs in course"):
        trainer("promptir", steps=2).__enter__()
    (tmp_path / "out/state.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(StoreError, match=r"state\.pt is damaged"):
        trainer("restormer", steps=2).__enter__()


def test_a_finished_training_is_finished(trainer: Trainer, tmp_path: Path) -> None:
    with trainer("restormer", steps=2) as training:
        list(training.run())
        first = [file.read_bytes() for file in finish(training)]
    with trainer("restormer", steps=2) as training:
        assert list(training.run()) == []
        assert [file.read_bytes() for file in finish(training)] == first


def test_on_the_plateau_a_training_can_be_given_another_length(
    trainer: Trainer, recipe: Path, tmp_path: Path
) -> None:
    flat = "lr: 4.0e-3, warm_up: 0, hold: 40, period: 60"
    recipe.write_text(recipe.read_text().replace("lr: 4.0e-3, warm_up: 2, period: 60", flat))
    with trainer("restormer", "whole", steps=6) as training:
        list(training.run())
    with trainer("restormer", "changed", steps=20, save_every=2) as training:
        steps = training.run()
        assert [next(steps).step for _ in range(3)] == [1, 2, 3]
    with trainer("restormer", "changed", steps=6) as training:
        assert [progress.step for progress in training.run()] == [3, 4, 5, 6]
        card = describe(training)
    whole, changed = (state_of(tmp_path / out) for out in ("whole", "changed"))
    for part in ("network", "average"):
        pairs = zip(tensors(whole[part]), tensors(changed[part]), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert [(s["from_step"], s["of_steps"]) for s in card.sessions] == [(0, 20), (2, 6)]


def test_a_training_goes_on_where_another_device_left_it(trainer: Trainer, tmp_path: Path) -> None:
    for out in ("whole", "moved"):
        with trainer("restormer", out, steps=4, save_every=2) as training:
            for progress in training.run():
                if (out, progress.step) == ("moved", 2):
                    break
    file = tmp_path / "moved/state.pt"
    stored = torch.load(file, weights_only=True)
    for group in stored["state"]["optimiser"]["param_groups"]:  # as on CUDA
        group |= {"capturable": True, "fused": True, "lr": torch.tensor(group["lr"])}
    torch.save(stored, file)
    with trainer("restormer", "moved", steps=4, save_every=2) as training:
        list(training.run())
    assert_equal_states(tmp_path / "whole", tmp_path / "moved")


def test_a_state_of_another_version_is_refused(trainer: Trainer, tmp_path: Path) -> None:
    with trainer("restormer", steps=2) as training:
        list(training.run())
    file = tmp_path / "out/state.pt"
    stored = torch.load(file, weights_only=True)
    stored["state"]["average"] = {f"module.{k}": t for k, t in stored["state"]["average"].items()}
    torch.save(stored, file)
    with pytest.raises(StoreError, match=r"state\.pt was written by another version"):
        trainer("restormer", steps=2).__enter__()
    assert file.exists()


def test_a_card_tells_the_training_in_one_line(trainer: Trainer, recipe: Path) -> None:
    with trainer("restormer", steps=1) as training:
        many = describe(training).words
    recipe.write_text(recipe.read_text().replace("batch: 3", "batch: 1"))
    with trainer("restormer", "single") as training:
        one = describe(training).words
    assert re.fullmatch(r"recipe tiny, 0 steps instead of 30 of 3 crops of 16x16 from .*", many)
    assert re.fullmatch(r"recipe tiny, 0 steps instead of 30 of 1 crop of 16x16 from .*", one)


def test_a_training_can_begin_from_other_weights(trainer: Trainer) -> None:
    with trainer("restormer", "first", steps=2) as training:
        list(training.run())
        weights, _ = finish(training)
        first = describe(training)
        assert (first.began_from, first.trained_before) == ("", "")
    with trainer("restormer", "second", steps=1, init=str(weights)) as training:
        begun = {key: t.clone() for key, t in training.network.state_dict().items()}
        list(training.run())
        card = describe(training)
    stored = safetensors.torch.load_file(weights)
    assert all(torch.equal(begun[key].half(), stored[key]) for key in stored)
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card.began_from
    assert card.words.endswith(f"; before that {first.words}")
    with trainer("restormer", "third", steps=1, init=str(weights)) as training:
        assert training.method.weights is not None
        training.method.weights = replace(training.method.weights, training="stage; " * 300)
        list(training.run())
        last, _ = finish(training)
    trained = read_trained(last)
    assert trained is not None
    assert len(trained.training) <= 2000
    assert trained.training.endswith("stage; …")
    assert all(p.requires_grad for p in training.network.parameters())
    with pytest.raises(UsageError, match="holds a training that differs in init;"):
        trainer("restormer", "second", steps=1).__enter__()


def test_a_training_that_diverges_stops_and_keeps_the_state_before(
    trainer: Trainer, recipe: Path, tmp_path: Path
) -> None:
    recipe.write_text(recipe.read_text().replace("lr: 4.0e-3", "lr: 1.0e+30"))
    with (
        pytest.raises(DivergedError, match="diverged before step 4"),
        trainer("restormer", save_every=4) as training,
    ):
        list(training.run())
    assert not (tmp_path / "out/state.pt").exists()


def test_what_cannot_be_trained_is_said(trainer: Trainer, tmp_path: Path, recipe: Path) -> None:
    with pytest.raises(UnknownNameError, match="no recipe is called 'smal'"):
        trainer("restormer", by="smal")
    with pytest.raises(UnknownNameError, match="no method of recipe tiny is called 'identity'"):
        trainer("identity")
    with pytest.raises(UnknownNameError, match="Did you mean 'promptir'"):
        trainer("prompt_ir")
    with pytest.raises(UsageError, match="steps must be at least 1, got 0"):
        trainer("restormer", steps=0)
    with pytest.raises(UsageError, match="--graph needs a CUDA device, got cpu"):
        trainer("restormer", graph=True)
    with pytest.raises(
        DataError, match=r"of WED, found 0 .*; of Rain100L, training part, found 0 "
    ):
        trainer("airnet", by="airnet")
    text = recipe.read_text()
    recipe.write_text(text.replace("kind: routed, weight: 0.01", "kind: balanced, weight: 0.01"))
    with pytest.raises(UsageError, match="objective Balanced is for MoCEIR, not for DaAIR"):
        trainer("daair")
    recipe.write_text(text.replace("num_experts: 3}", "num_experts: 2}"))
    with pytest.raises(UsageError, match="3 kinds of degradation need as many experts"):
        trainer("daair")


def test_the_file_builds_its_own_network_and_restores_as_it_did_in_training(
    trainer: Trainer,
) -> None:
    with trainer("ndr_restore", steps=3) as training:
        list(training.run())
        weights, card = finish(training)
    method = load_method("ndr_restore", weights)
    assert method.config["dim"] == 8
    assert method.weights is not None
    assert method.weights.strict
    assert method.weights.variant == "tiny"
    x = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    training.network.eval()
    difference = (method.restore(x) - training.restorer.restore(x)).abs().max()
    assert 0 < difference < 5e-3  # float16 has 11 bits
    facts = json.loads(card.read_text())
    assert facts["crops"] == 9
    assert facts["data"]["bsd400"]["images"] == 5
    assert facts["data"]["bsd400"]["left_out_as_test_images"] == {}
    assert facts["test_images"] > 250  # those on record, though none lies below the data root
    assert set(facts["validation"][-1]) == {"step", "noise15", "noise25", "noise50", "rain", "haze"}
