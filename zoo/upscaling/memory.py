"""How much memory a tile may take, the tiles that result, and how to detect exhausted memory.

Not here: the peak of one forward pass, which is measured in `zoo.cost.memory`.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from zoo.cost.memory import forward_peak_bytes
from zoo.files import read_text
from zoo.generators.base import Generator
from zoo.runs.device import give_back_free_memory
from zoo.upscaling.layout import Tile, computed, least_overlap

GIB: Final = 1 << 30
# Other programs need memory too: more is taken on a CPU only where it spares much work.
ENOUGH_ON_A_CPU: Final = GIB
_GROWTH: Final = 1.4
SHARE_OF_FREE: Final = 0.5
UNKNOWN_FREE: Final = 2 * GIB
# Convolutions need room of their own, and allocators lose some: PyTorch tells of neither.
OVERHEAD: Final = 1.5
PROBE_SIDE: Final = 64
MOST_BYTES_PER_PIXEL: Final = 1 << 16
"""More than a pixel of the input costs in any network known: 50,000 in the full EDSR at x4."""
FEW_TWICE: Final = 1.15
"""Pixels in all tiles over those of the image, above which tiles get more memory if there is."""
_SIGNS = (
    *("can't allocate memory", "not enough memory", "out of memory", "bad_alloc"),
    "Storage size calculation overflowed",  # more bytes than there are addresses
    "could not create a primitive",  # oneDNN, where the address space is limited
)
_CGROUP = Path("/sys/fs/cgroup")
# Options of glibc's mallopt: the size from which a block is the system's own, and the free memory
# from which the end of the heap is given back; how far glibc itself moves the first.
_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD: Final = -1
_NEVER: Final = (1 << 31) - 1
_FURTHEST: Final = 32 << 20


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory ran out, on a GPU or in this process."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


class Cost:
    """What a pixel of the input costs a network, measured on the first image that is no icon.

    Args:
        generator: in evaluation mode, on its device.
        device: where it is.

    Attributes:
        seconds_per_pixel: about what it takes; 0 until it is measured.
    """

    def __init__(self, generator: Generator, device: torch.device) -> None:
        self.seconds_per_pixel = 0.0
        self._generator = generator
        self._device = device
        self._bytes_per_pixel: float | None = None

    def most_pixels(self, image: Tensor) -> int:
        """Return the pixels of the largest tile that may be upscaled.

        Args:
            image: `(1, 3, h, w)`, in [0, 1].
        """
        return self._pixels_in(room_for_a_tile(self._device)[-1], image)

    def fits(self, image: Tensor) -> bool:
        """Return whether the whole image may be upscaled at once."""
        return self.most_pixels(image) >= image.shape[-2] * image.shape[-1]

    def tiles(self, image: Tensor, context: int) -> list[Tile]:
        """Return tiles that take no more memory than it takes to compute few pixels twice.

        Args:
            image: `(1, 3, h, w)`, in [0, 1].
            context: pixels a tile sees beyond what it answers for.
        """
        height, width = image.shape[-2:]
        tiles: list[Tile] = []
        for room in room_for_a_tile(self._device):
            tiles = least_overlap(height, width, self._pixels_in(room, image), context)
            if computed(tiles) <= FEW_TWICE * height * width:
                break
        return tiles

    def _pixels_in(self, room: int, image: Tensor) -> int:
        size = image.shape[-2] * image.shape[-1]
        if size * MOST_BYTES_PER_PIXEL <= room:
            return size  # an icon needs no measurement
        if self._bytes_per_pixel is None:
            since = time.perf_counter()
            self._bytes_per_pixel = bytes_per_pixel(self._generator, image.to(self._device))
            self.seconds_per_pixel = (time.perf_counter() - since) / min(size, PROBE_SIDE**2)
        return int(room / self._bytes_per_pixel)


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


def room_for_a_tile(device: torch.device) -> list[int]:
    """Return the bytes that one forward pass may take, from what is enough to the most.

    The most is half of what is free. On a CPU 1 GiB is enough as a rule.
    """
    if device.type == "cuda":
        return [int(SHARE_OF_FREE * torch.cuda.mem_get_info(device)[0])]
    most = int(SHARE_OF_FREE * free_memory())
    rooms, room = [], ENOUGH_ON_A_CPU
    while room < most:
        rooms.append(room)
        room = int(_GROWTH * room)
    return [*rooms, most]


@contextmanager
def kept_memory(device: torch.device) -> Iterator[None]:
    """Keep freed memory in the process for the next tile; give it back to the system afterwards.

    By default glibc returns large blocks at once, and the system clears them again for every layer
    of every tile: up to a third of a network's time. Elsewhere nothing changes.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" and device.type == "cpu" else None
    set_option = getattr(library, "mallopt", None)
    if set_option is None:
        yield
        return
    set_option(_MMAP_THRESHOLD, _NEVER)
    set_option(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        set_option(_MMAP_THRESHOLD, _FURTHEST)
        set_option(_TRIM_THRESHOLD, 2 * _FURTHEST)
        give_back_free_memory()


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
