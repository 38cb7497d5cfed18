"""Keeping freed memory in the process, instead of fetching it from the kernel for each layer."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt, from its malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Ask glibc to reuse freed blocks, however large, instead of returning them to the kernel.

    By default every activation of a network on the CPU is mapped anew and its pages are zeroed by
    the kernel one fault at a time, which took a third of the time of a full-size network at
    480x320. Outputs do not change; the process keeps its peak memory until it ends.

    Returns:
        Whether the allocator took it; other systems than Linux with glibc have no such setting.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
