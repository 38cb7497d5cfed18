"""How long a network takes for an image, and the machine that time belongs to."""

from __future__ import annotations

import platform
import time
import timeit
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from restorebench.costs.record import in_threads
from restorebench.method import Method
from restorebench.provenance import device_name
from restorebench.statistics import Values

ROUNDS = 10
REPEATS = 5
ROUND_SECONDS = 0.2
"""What is slower than this is not repeated within a round."""
ENERGY_SECONDS = 2.0

Clock = Callable[[], float]
"""Runs something once and returns how long it took, in milliseconds."""
K = TypeVar("K")


def restore_clock(method: Method, x: Tensor) -> Clock:
    """Return a clock of `Method.restore`, from memory of the CPU and back to it.

    Args:
        method: whatever restores.
        x: images (N, 3, H, W) on the CPU, RGB in [0, 1].
    """
    return _by_wall(lambda: method.restore(x))


def network_clock(method: Method, x: Tensor) -> Clock:
    """Return a clock of the network alone, its input prepared and on its device."""
    padded = method.prepare(x)

    def forward() -> None:
        with method.inference():
            method.forward(padded)

    return _by_events(forward, method.device) if method.device.type == "cuda" else _by_wall(forward)


def interleaved(clocks: Mapping[K, Clock]) -> dict[K, Values]:
    """Read clocks in rounds that go through all of them in turn.

    Interleaved, so that a machine that is busy or hot for a while slows all of them alike. As
    with ``torch.utils.benchmark``, calls are warmed up, an accelerator has finished when the clock
    is read, and no garbage is collected meanwhile.

    Returns:
        For each clock one time per round, in milliseconds: the median of the round's repeats.
    """
    repeats = {name: _repeats(clock) for name, clock in clocks.items()}
    rounds = [
        {name: np.median([clock() for _ in range(repeats[name])]) for name, clock in clocks.items()}
        for _ in range(ROUNDS)
    ]
    return {name: np.array([times[name] for times in rounds]) for name in clocks}


def _repeats(clock: Clock) -> int:
    clock()  # the first call allocates, and chooses kernels
    return max(1, min(REPEATS, int(1000 * ROUND_SECONDS / clock())))


def _by_wall(call: Callable[[], object]) -> Clock:
    return lambda: 1000 * timeit.timeit(call, number=1)  # without garbage collection


def _by_events(call: Callable[[], object], device: torch.device) -> Clock:
    def clock() -> float:
        with torch.cuda.device(device):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            end.synchronize()
        return float(start.elapsed_time(end))

    return clock


def joules(clock: Clock, millijoules: Callable[[], int]) -> float:
    """Return what one call takes of a counter of energy, of the whole device, its idling included.

    Args:
        clock: calls it once and waits for its end; warmed up.
        millijoules: reads the counter, which may advance in steps of a tenth of a second.
    """
    before, begun, calls = millijoules(), time.perf_counter(), 0
    while time.perf_counter() - begun < ENERGY_SECONDS:
        clock()
        calls += 1
    return (millijoules() - before) / 1000 / calls


def energy_counter(device: torch.device) -> Callable[[], int] | None:
    """Return NVML's counter of millijoules of a CUDA device, if the package for it is there."""
    if device.type != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        counter = partial(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        counter()
    except Exception:  # not installed, or a device without such a counter: no energy is reported
        return None
    return counter


def state_of(network: nn.Module) -> str:
    """Return how a network is run, in words: compiled or eager, and the layout of its kernels."""
    words = ["compiled" if isinstance(network, torch._dynamo.OptimizedModule) else "eager"]
    kernels = [p for p in network.parameters() if p.ndim == 4 and min(p.shape) > 1]
    if kernels:
        last = all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
        words.append("channels_last" if last else "contiguous")
    return ", ".join(words)


def machine(device: str) -> str:
    """Return what times may be compared within: the processor, and how many threads it uses."""
    name = processor(device)
    return f"{name}, {in_threads(torch.get_num_threads())}" if name.startswith("cpu: ") else name


def processor(device: str) -> str:
    """Return the accelerator's own name, or ``cpu:`` and the name of the CPU."""
    name = device_name(device)
    return f"{device}: {_cpu()}" if name == device else name


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
