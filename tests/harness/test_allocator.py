"""Freed memory is reused: large blocks cost far fewer page faults the second time."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import resource, sys
import torch
from restorebench.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def layers():
    x = torch.ones(4_000_000)
    for _ in range(20):
        x = x + 1

layers()
before = faults()
layers()
print(faults() - before)
"""


def page_faults(how: str) -> int:
    command = [sys.executable, "-c", CODE, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of Linux with glibc")
def test_large_blocks_are_not_fetched_from_the_kernel_again() -> None:
    assert page_faults("keep") < page_faults("default") / 4
