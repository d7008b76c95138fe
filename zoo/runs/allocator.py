"""What the C library does with freed memory: kept for the next step, or given back to the system.

A training step on the CPU allocates the same large tensors over and over. By default glibc maps
large blocks anew, or gives the top of its heap back as soon as a few are free, and the system has
to clear every page again at its next use. `benchmarks.speed` measures what keeping them brings.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_TRIM_THRESHOLD: Final = -1  # of <malloc.h>
_MMAP_THRESHOLD: Final = -3
_MIB: Final = 2**20
_LARGEST: Final = 2**31 - 1
_FURTHEST_ADAPTATION: Final = 32 * _MIB


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for itself; its peak stays what it is.

    Returns:
        Whether the C library has such a setting: glibc has, on Linux.
    """
    return _set_thresholds(_LARGEST, _LARGEST) or _set_thresholds(_FURTHEST_ADAPTATION, _LARGEST)


def give_back_freed_memory() -> bool:
    """Set what glibc's own adaptation reaches at most: it raises both thresholds by itself.

    Returns:
        Whether the C library has such a setting.
    """
    return _set_thresholds(_FURTHEST_ADAPTATION, 2 * _FURTHEST_ADAPTATION)


def _set_thresholds(mapped_from: int, trimmed_from: int) -> bool:
    """Set from how many bytes on a block is mapped by itself, and the heap's top given back."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, mapped_from) and mallopt(_TRIM_THRESHOLD, trimmed_from))
