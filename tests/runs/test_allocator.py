from __future__ import annotations

import subprocess
import sys

import pytest

from zoo.runs.allocator import keep_freed_memory

MEGABYTES = """
import sys
import numpy as np
from zoo.runs import allocator

def resident() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))

getattr(allocator, sys.argv[1])()
before = resident()
blocks = [np.ones(12 << 20, dtype=np.uint8) for _ in range(16)]
most = resident()
del blocks
print(most - before, resident() - before)
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="a setting of glibc")
@pytest.mark.parametrize(
    ("function", "kept"), [("keep_freed_memory", True), ("give_back_freed_memory", False)]
)
def test_what_happens_to_freed_memory(function: str, kept: bool) -> None:  # noqa: FBT001
    command = [sys.executable, "-c", MEGABYTES, function]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    allocated, left = map(int, told.split())
    assert allocated >= 180
    assert left >= 180 if kept else left < 100
