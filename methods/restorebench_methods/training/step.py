"""`Step`: what one step of training does to a network, its average and its optimiser.

A step of a small network launches thousands of kernels that are over sooner than the next one is
launched. On CUDA they can be captured once, as a graph, and then be launched as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from restorebench.errors import BenchError
from restorebench.precision import rounding
from restorebench_methods.training.objective import Batch
from restorebench_methods.training.recipe import Course, OptimiserSpec

STEPS_BEFORE_CAPTURE = 3
"""Taken kernel by kernel: what they set up (the optimiser's moments, the libraries' memory) would
else be set up anew by every launch of the graph."""


class CaptureError(BenchError):
    """A step that does not consist of launches alone."""


class Step:
    """The parts of a training that change with every step.

    Args:
        course: method, recipe and mixture.
        network: in place.
        graph: whether to capture the step, which needs CUDA, batches of one size, and a network
            whose course does not depend on values.
    """

    def __init__(self, course: Course, network: nn.Module, *, graph: bool) -> None:
        recipe = course.recipe
        self.recipe, self.objective = recipe, course.own.objective
        self.network = network
        self.average = None if recipe.ema is None else deepcopy(network).requires_grad_(False)
        self.device = next(network.parameters()).device
        self.on_cuda = self.device.type == "cuda"
        self.precision = recipe.precision if self.on_cuda else "float32"
        self.options = {"capturable": self.on_cuda, "fused": self.on_cuda}
        self.optimiser = _optimiser(network, recipe.optimiser, self.options)
        # On the device, so that a captured step reads what holds when it is launched.
        self.rate = torch.zeros((), device=self.device)
        self.share = torch.zeros((), device=self.device)
        self.stream = torch.cuda.Stream(self.device) if graph else None
        self._captured: _Captured | None = None
        self._phase: int | None = None
        self._taken = 0

    def take(self, batch: Batch, number: int, lr: float, time: float) -> Tensor:
        """Train on a batch and return its loss, a scalar on the device.

        Args:
            batch: what to train on.
            number: of steps taken before.
            lr: learning rate.
            time: how far the training is, in the recipe's unit.

        Raises:
            CaptureError: if the step is to be captured and cannot be.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate.fill_(lr) if self.on_cuda else lr
        self.share.fill_(self._share(number))
        if self.stream is None:
            return self._compute(batch, time)
        phase = self.objective.phase(time)
        if phase != self._phase:
            self._phase, self._taken, self._captured = phase, 0, None
        if self._taken < STEPS_BEFORE_CAPTURE:
            self._taken += 1
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(self.stream):
                loss = self._compute(batch, time)
            torch.cuda.current_stream(self.device).wait_stream(self.stream)
            return loss
        if self._captured is None:
            self._captured = self._capture(batch, time)
        return self._captured.launch(batch)

    def load(self, network: dict[str, Any], average: dict[str, Any], optimiser: Any) -> None:
        """Go to a stored state, whatever device it was stored on."""
        self.network.load_state_dict(network)
        for group in optimiser["param_groups"]:
            group |= self.options
        self.optimiser.load_state_dict(optimiser)
        if self.average is not None:
            self.average.load_state_dict(average)

    def averaged(self) -> nn.Module:
        """Return the network with the weights that are kept: averages, where a recipe has them."""
        if self.average is None:
            return self.network
        # Statistics of batch norms are averages already.
        for ours, theirs in zip(self.average.buffers(), self.network.buffers(), strict=True):
            ours.copy_(theirs)
        return self.average

    def _share(self, number: int) -> float:
        """Return what a step adds of the network to its average: much at first, then less."""
        kept = min(self.recipe.ema or 0, (1 + number) / (10 + number)) if number else 0
        return 1 - kept

    def _compute(self, batch: Batch, time: float) -> Tensor:
        self.network.train()
        if self.recipe.statistics == "running":
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        self.optimiser.zero_grad()
        with rounding(self.precision == "tf32"):
            half = self.precision == "bfloat16"
            with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                loss = self.objective.loss(self.network, batch, time)
            loss.backward()
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.objective.after_step(self.network)
        if self.average is not None:
            _follow(self.average.parameters(), self.network.parameters(), self.share)
        return loss.detach()

    def _capture(self, batch: Batch, time: float) -> _Captured:
        """Capture a step, which takes none."""
        held = Batch(*(t.clone() for t in batch))
        graph = torch.cuda.CUDAGraph()
        self.optimiser.zero_grad()
        try:
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                loss = self._compute(held, time)
        except RuntimeError as error:
            raise CaptureError(
                f"a step of {type(self.network).__name__} cannot be captured "
                f"({str(error).splitlines()[0]}); train it without --graph"
            ) from error
        return _Captured(graph, held, loss)


class _Captured:
    """A graph, and the memory that it reads and writes."""

    def __init__(self, graph: torch.cuda.CUDAGraph, batch: Batch, loss: Tensor) -> None:
        self.graph, self.batch, self.loss = graph, batch, loss

    def launch(self, batch: Batch) -> Tensor:
        for held, new in zip(self.batch, batch, strict=True):
            held.copy_(new)
        self.graph.replay()
        return self.loss.clone()


def _optimiser(
    network: nn.Module, spec: OptimiserSpec, options: dict[str, bool]
) -> torch.optim.Optimizer:
    learning = [p for p in network.parameters() if p.requires_grad]
    kind = torch.optim.AdamW if spec.kind == "adamw" else torch.optim.Adam
    return kind(learning, betas=spec.betas, weight_decay=spec.weight_decay, **options)


@torch.no_grad()
def _follow(ours: Iterable[Tensor], theirs: Iterable[Tensor], share: Tensor) -> None:
    """Move tensors by a share of the way to others, all at once.

    Torch's `AveragedModel` reads its count on the host, which a captured step cannot.
    """
    followers = list(ours)
    ways = torch._foreach_sub(list(theirs), followers)
    torch._foreach_mul_(ways, share)
    torch._foreach_add_(followers, ways)
