"""Freed memory stays in the process, as glibc itself reports it."""

from __future__ import annotations

import subprocess
import sys

import pytest

# glibc's mallinfo2: bytes in the heap, and bytes in blocks of their own from the kernel.
CODE = """
import ctypes, sys
import torch
from restorebench.allocator import keep_freed_memory

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                 "uordblks", "fordblks", "keepcost")]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Info
if sys.argv[1] == "keep":
    assert keep_freed_memory()
block = torch.ones(16_000_000)
print(mallinfo2().hblkhd)
del block
print(mallinfo2().arena)
"""
BLOCK = 64_000_000


def large_block(how: str) -> tuple[int, int]:
    """Return bytes mapped apart while a block lives, and bytes in the heap once it is freed."""
    command = [sys.executable, "-c", CODE, how]
    done = subprocess.run(command, capture_output=True, text=True)
    if "mallinfo2" in done.stderr:
        pytest.skip("the C library has no mallinfo2")
    apart, heap = map(int, done.stdout.split())
    return apart, heap


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of Linux with glibc")
def test_a_large_block_comes_from_the_heap_and_stays_there() -> None:
    apart, heap = large_block("default")
    apart_kept, heap_kept = large_block("keep")
    assert apart >= BLOCK > apart_kept
    assert heap_kept - heap > BLOCK / 2
