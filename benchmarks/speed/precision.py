"""What bfloat16 brings to a training step: zoo's loop in both precisions, in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch

from benchmarks.speed.loops import Loop, ZooLoop, run_block
from benchmarks.speed.measure import spread, take_turns
from zoo.recipes.schema import RunSpec
from zoo.runs.device import has_bfloat16_units
from zoo.train.prepare import Options, autotune, prepare

PRECISIONS: Final = ("bfloat16", "float32")
EMULATED: Final = "this CPU has no units for bfloat16 and emulates it"


def is_emulated(device: torch.device) -> bool:
    """Tell whether a device computes bfloat16 without units for it: its speeds say nothing."""
    return device.type == "cpu" and not has_bfloat16_units()


def in_precision(precision: str) -> list[str]:
    """Return settings of a run that differs from another precision's in that alone."""
    return [f"runtime.precision={precision}", "runtime.tune=false"]


def measure_precision(
    specify: Callable[[Sequence[str]], RunSpec],
    options: Options,
    *,
    steps: int,
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    """Return seconds a step in each precision, and how many times as fast bfloat16 is.

    Args:
        specify: makes the specification, with further settings.
        options: on what.
        steps: timed steps in a block.
        repeats: pairs of blocks.
        seconds: after which a few pairs are enough.
    """
    loops: dict[str, Loop] = {}
    for precision in PRECISIONS:
        spec = specify(in_precision(precision))
        prepared = autotune(spec, prepare(spec, options), options, begun=None)
        loops[precision] = ZooLoop(spec, prepared)
        run_block(loops[precision], 1)
    blocks = take_turns(loops, steps, repeats, seconds)
    taken = {name: [one.seconds / one.steps for one in blocks[name]] for name in PRECISIONS}
    pairs = zip(taken["float32"], taken["bfloat16"], strict=True)
    ratio = spread([single / coarse for single, coarse in pairs])
    return {name: spread(values) for name, values in taken.items()} | {"ratio": ratio}
