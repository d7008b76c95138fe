"""How much memory a tile may take, and how to tell that there was not enough.

Not here: the peak of one forward pass, which is measured in `zoo.bench.memory`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from zoo.bench.memory import forward_peak_bytes
from zoo.files import read_text
from zoo.generators.base import Generator

GIB: Final = 1 << 30
# A larger tile is no faster on a CPU, and other programs need memory too.
MOST_ON_A_CPU: Final = GIB
SHARE_OF_FREE: Final = 0.5
UNKNOWN_FREE: Final = 2 * GIB
# Convolutions need room of their own, and allocators lose some: PyTorch tells of neither.
OVERHEAD: Final = 1.5
PROBE_SIDE: Final = 64
_SIGNS = (
    *("can't allocate memory", "not enough memory", "out of memory", "bad_alloc"),
    "Storage size calculation overflowed",  # more bytes than there are addresses
    "could not create a primitive",  # oneDNN, where the address space is limited
)
_CGROUP = Path("/sys/fs/cgroup")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory ran out, on a GPU or in this process."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def bytes_per_pixel(generator: Generator, image: Tensor) -> float:
    """Return the memory that a forward pass needs for each pixel of its input.

    Args:
        generator: in evaluation mode, on its device.
        image: `(1, 3, h, w)` on the same device; a corner of it is upscaled.
    """
    corner = image[..., :PROBE_SIDE, :PROBE_SIDE]
    own = sum(
        tensor.numel() * tensor.element_size()
        for tensor in (*generator.parameters(), *generator.buffers())
    )
    with torch.inference_mode(mode=False):  # which would hide what composite operators allocate
        peak = forward_peak_bytes(generator, corner.clone()) - own
    return OVERHEAD * max(peak, 1) / (corner.shape[-2] * corner.shape[-1])


def memory_for_a_tile(device: torch.device) -> int:
    """Return the bytes that one forward pass may take: half of what is free, on a CPU 1 GiB."""
    if device.type == "cuda":
        return int(SHARE_OF_FREE * torch.cuda.mem_get_info(device)[0])
    return int(min(SHARE_OF_FREE * free_memory(), MOST_ON_A_CPU))


def free_memory() -> int:
    """Return the bytes this process may still take, by the machine and by its container."""
    known = [value for value in (_available(), _left_in_container()) if value is not None]
    return min(known, default=UNKNOWN_FREE)


def _available() -> int | None:
    try:
        lines = read_text(Path("/proc/meminfo")).splitlines()
    except OSError:  # not Linux
        return _free_pages()
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return 1024 * kilobytes[0] if kilobytes else None


def _free_pages() -> int | None:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return None
    # No system but Linux tells what is available; a quarter of what there is, is there as a rule.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4


def _left_in_container() -> int | None:
    try:
        limit = read_text(_CGROUP / "memory.max").strip()
        used = int(read_text(_CGROUP / "memory.current"))
        lines = read_text(_CGROUP / "memory.stat").splitlines()
    except OSError:
        return None
    if limit == "max":
        return None
    # Files that were read count as used until something else needs the room.
    cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    return max(0, int(limit) - used + cached)
