"""How much memory tiles get, and what becomes of freed memory."""

from __future__ import annotations

import ctypes
import resource

import pytest
import torch

from tests.upscaling.networks import Blur, noise
from zoo.upscaling import memory
from zoo.upscaling.layout import computed
from zoo.upscaling.memory import GIB, Cost, kept_memory, room_for_a_tile

CPU = torch.device("cpu")


@pytest.mark.parametrize("free", [GIB, 3 * GIB, 20 * GIB])
def test_tiles_begin_with_a_gibibyte_and_end_with_half_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    rooms = room_for_a_tile(CPU)
    assert rooms == sorted(rooms)
    assert (rooms[0], rooms[-1]) == (min(GIB, free // 2), free // 2)


def test_more_memory_only_where_it_spares_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "bytes_per_pixel", lambda *_: 1000.0)
    monkeypatch.setattr(memory, "MOST_BYTES_PER_PIXEL", 1 << 30)
    rooms = [1000 * side**2 for side in (128, 512, 1024)]
    monkeypatch.setattr(memory, "room_for_a_tile", lambda _: rooms)
    cost, image = Cost(Blur(), CPU), noise(1024, 1024)
    for context, least, most in ((0, 0, 128), (16, 128, 512), (64, 512, 1024)):
        tiles = cost.tiles(image, context)
        assert least**2 < computed(tiles) / len(tiles) <= most**2
    assert cost.most_pixels(image) == 1024**2


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="an option of glibc")
def test_freed_memory_is_taken_again() -> None:
    def faults(mebibytes: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(mebibytes << 20, dtype=torch.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with kept_memory(CPU):
        faults(128)
        again = faults(64)
    assert again < faults(64) / 10, "afterwards it is given back"
