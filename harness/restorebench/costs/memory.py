"""How much memory a method needs, measured in a process of its own.

`peak_memory` starts ``python -m restorebench.costs.memory``, which builds the method, restores one
batch and prints what that took. In the caller's process, freed memory of earlier work would be
used again and hide what is needed.
"""

from __future__ import annotations

import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from restorebench.allocator import keep_freed_memory
from restorebench.costs.complexity import image
from restorebench.costs.record import Memory
from restorebench.errors import BenchError, CellError, RestoreError
from restorebench.method import MIN_SIDE, Method

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def peak_memory(build: Callable[[], object], size: int, batch: int = 1) -> Memory:
    """Measure what `Method.restore` holds at most, for one batch of square images.

    Args:
        build: returns the method; another process must be able to call it.
        size: height and width in pixels.
        batch: how many images.

    Raises:
        RestoreError: if that process fails, or this system does not tell.
    """
    try:
        task = pickle.dumps((build, size, batch, torch.get_num_threads()))
    except Exception as error:  # a method is foreign code
        raise RestoreError(f"no other process can build this method: {error}") from error
    done = subprocess.run(
        [sys.executable, "-m", "restorebench.costs.memory"], input=task, capture_output=True
    )
    try:
        return Memory.model_validate_json(done.stdout.splitlines()[-1])
    except (IndexError, ValidationError) as error:
        raise RestoreError(_failure(done)) from error


def _failure(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode == -signal.SIGKILL:
        return "the process that measured memory was killed, as when there is too little memory"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"the process that measured memory ended with {done.returncode}"


def main() -> None:
    """Measure what standard input asks for."""
    build, size, batch, threads = pickle.load(sys.stdin.buffer)
    torch.set_num_threads(threads)
    try:
        method = build()
        assert isinstance(method, Method)
        x = image(size, batch)
        method.restore(image(MIN_SIDE))  # libraries set themselves up
        measure = _on_cuda if method.device.type == "cuda" else _on_cpu
        found = measure(method, x)
    except BenchError as error:
        sys.exit(str(error))
    sys.stdout.write("\n" + found.model_dump_json() + "\n")


def _on_cuda(method: Method, x: Tensor) -> Memory:
    device = method.device
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    method.restore(x)
    return Memory(
        weights=_weights(method),
        peak=torch.cuda.max_memory_allocated(device),
        reserved=torch.cuda.max_memory_reserved(device),
    )


def _on_cpu(method: Method, x: Tensor) -> Memory:
    """Take what the process grows by, which only Linux can tell for one call."""
    keep_freed_memory()  # as runs do; only now, so that nothing freed while building is used again
    try:
        CLEAR.write_text("5", encoding="ascii")  # forgets the peak so far
        before = _status("VmRSS")
        method.restore(x)
        growth = _status("VmHWM") - before
    except (OSError, TypeError) as error:
        raise CellError(f"{STATUS} does not tell this process's peak memory ({error})") from error
    return Memory(weights=_weights(method), peak=_weights(method) + growth, reserved=None)


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(encoding="utf-8"), re.MULTILINE)
    return 1024 * int(found[1])  # type: ignore[index]  # without it, `_on_cpu` says so


def _weights(method: Method) -> int:
    tensors = (*method.network.parameters(), *method.network.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


if __name__ == "__main__":
    main()
