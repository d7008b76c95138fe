"""The measurement of one family, and the document that all of them make.

Blocks of both loops take turns, and turn about goes first: what the machine does meanwhile meets
both alike. The ratio is taken of each pair of blocks.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.speed.loops import LOOPS, Block, Loop, Switches, open_pair, run_block
from benchmarks.speed.memory import resident_peak
from benchmarks.speed.rates import convolution_rate, count_operations
from benchmarks.speed.sizes import FAMILIES
from zoo.recipes.schema import RunSpec
from zoo.train.prepare import Options

FEWEST_PAIRS = 3


def measure_family(
    family: str,
    spec: RunSpec,
    options: Options,
    *,
    switches: Switches,
    folder: Path,
    num_workers: int,
    steps: int,
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    """Time both loops of a family in turns.

    Args:
        family: a key of `FAMILIES`.
        spec: what is trained.
        options: on what.
        switches: torch's own settings.
        folder: where sub-images are, or get written.
        num_workers: loading processes of the plain loop.
        steps: timed steps in a block.
        repeats: pairs of blocks.
        seconds: after which no further pair begins, once there are `FEWEST_PAIRS`.
    """
    pair = open_pair(spec, options, switches=switches, folder=folder, num_workers=num_workers)
    loops: dict[str, Loop] = dict(zip(LOOPS, (pair.plain, pair.own), strict=True))
    blocks = take_turns(loops, steps, repeats, seconds)
    own_rate = convolution_rate(pair.own)
    execution = pair.prepared.execution
    operations = count_operations(pair.plain)
    allocated, threads = pair.allocated, pair.own.switches.threads
    del pair, loops
    gc.collect()
    memory: dict[str, Any] = {name: {"allocated": n} for name, n in allocated.items()} or {
        loop: resident_peak(spec, options, loop=loop, switches=switches, folder=folder)
        for loop in LOOPS
    }
    return {
        "title": FAMILIES[family].title,
        **_sizes(spec),
        "steps": steps,
        "repeats": len(blocks["zoo"]),
        "ratio": spread([one.rate / other.rate for one, other in _paired(blocks)]),
        "operations": operations,
        "convolution_rate": own_rate,
        "execution": execution.describe() | {"threads": threads, "store": execution.store},
        **{loop: _told(blocks[loop], operations) | {"memory": memory[loop]} for loop in LOOPS},
    }


def _sizes(spec: RunSpec) -> dict[str, int]:
    data = spec.settings.data
    return {
        "batch_size": data.batch_size,
        "lr_patch_size": data.lr_patch_size,
        "hr_patch_size": data.lr_patch_size * spec.settings.scale,
    }


def take_turns(
    loops: Mapping[str, Any],
    steps: int,
    repeats: int,
    seconds: float,
    run: Callable[[Any, int], Block] = run_block,
) -> dict[str, list[Block]]:
    """Return blocks of steps of each loop, taken in turns; turn about goes first.

    Args:
        loops: by name.
        steps: timed steps in a block.
        repeats: blocks of each loop.
        seconds: after which no further turn begins, once there are `FEWEST_PAIRS`.
        run: takes the steps of a block with a loop and times them.
    """
    ends = time.perf_counter() + seconds
    blocks: dict[str, list[Block]] = {name: [] for name in loops}
    for repeat in range(repeats):
        if repeat >= FEWEST_PAIRS and time.perf_counter() > ends:
            break
        for name in loops if repeat % 2 == 0 else reversed(list(loops)):
            blocks[name].append(run(loops[name], steps))
            if loops[name].device.type == "cuda":
                torch.cuda.empty_cache()  # another loop may need what this one keeps
    return blocks


def _paired(blocks: dict[str, list[Block]]) -> list[tuple[Block, Block]]:
    return list(zip(blocks["zoo"], blocks["reference"], strict=True))


def _told(blocks: Sequence[Block], operations: int) -> dict[str, Any]:
    images_per_second = spread([block.rate for block in blocks])
    per_second = [operations * block.steps / block.seconds for block in blocks]
    return {
        "images_per_second": images_per_second,
        "waiting_share": median(block.waiting / block.seconds for block in blocks),
        "operations_per_second": median(per_second),
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the median, the least and the most of some values, and all of them."""
    return {
        "median": median(values),
        "least": min(values),
        "most": max(values),
        "values": list(values),
    }
