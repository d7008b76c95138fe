"""What a table was measured on: the processor with the flags that matter, versions, revision."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.peers.packages import found_version
from zoo.runs.provenance import machine, revision, versions

Clock = Callable[[], float]
CLOCKS: Final[dict[str, Clock]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""What seconds are read from; `cpu` does not count while other processes have the processor."""
FLAGS: Final = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16",
)  # fmt: skip
"""Of a processor, those that decide how fast convolutions are."""
BFLOAT16_UNITS: Final = {"avx512_bf16", "amx_bf16"}
NO_UNITS: Final = (
    "This processor has no bfloat16 units (AMX-BF16, AVX512-BF16), so nothing is measured in "
    "bfloat16: emulation is slower than float32."
)


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Return which of `FLAGS` this processor has; none where the system does not tell."""
    if not cpuinfo.exists():
        return []
    lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
    found = next((set(value.split()) for key, _, value in lines if key.strip() == "flags"), set())
    return [flag for flag in FLAGS if flag in found]


def has_bfloat16_units(flags: Iterable[str]) -> bool:
    """Tell whether a processor with these flags computes in bfloat16 itself."""
    return not BFLOAT16_UNITS.isdisjoint(flags)


def provenance(packages: Iterable[str], clock: str) -> dict[str, Any]:
    """Return what a part of the page was measured with.

    Args:
        packages: the peers that took part.
        clock: a key of `CLOCKS`.
    """
    return {
        "clock": clock,
        "command": " ".join(["python -m benchmarks.peers", *sys.argv[1:]]),
        "machine": machine(),
        "flags": cpu_flags(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "peers": {package: found_version(package) for package in packages},
        "revision": revision(),
    }
