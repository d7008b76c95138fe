"""A training step: zoo against loops of lightning, accelerate and BasicSR.

Before anything is timed, each peer's weights after the same batches are held against zoo's in
float64. Then all loops take turns in one process; ratios are taken of each turn.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any, Final, Protocol

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.peers import machine, packages
from benchmarks.peers.objective import Setup
from benchmarks.peers.tasks import TASKS, Batch, Task, as_numbers, draw_batches, specify
from benchmarks.speed.check import (
    EXACT,
    Weights,
    compare,
    fresh_components,
    networks_of,
    own_weights,
    weights_of,
)
from benchmarks.speed.loops import WARM_STEPS, Block, StepBatches, Switches, ZooLoop, run_block
from benchmarks.speed.measure import spread, take_turns
from benchmarks.speed.rates import OperationCounter
from benchmarks.step_profile import operator_rows
from zoo.recipes.build import build_components
from zoo.recipes.schema import RunSpec
from zoo.train.prepare import Options, Prepared, autotune, prepare
from zoo.train.step import to_device

CPU: Final = Options(device="cpu")
NUM_BATCHES: Final = 4
CHECKED_STEPS: Final = 1
CHECKED_SETTINGS: Final = (*EXACT, "discriminator.width=16")
"""A narrow discriminator: on a CPU a convolution in float64 takes many times as long."""
LIMIT: Final = 1e-9
"""Largest difference of any weight that passes, in float64; a step moves weights by up to 1e-4."""
ZOO: Final = "zoo"
PLAYERS: Final = ("generator", "discriminator")
NUM_OPERATORS: Final = 12
MATRIX_SIDE, MATRIX_REPEATS = 1024, 20
BASICSR_DEPARTURES: Final = (
    "it updates the generator before the discriminator, which zoo updates first",
    (
        "its relativistic discriminator's loss is half of zoo's, without gradients through the "
        "means of logits"
    ),
    (
        "its moving average begins as the initial weights, zoo's as those after the first step; "
        "averages and BatchNorm's running statistics are not compared"
    ),
)
"""What BasicSR's step does otherwise than zoo's; `basicsr_loop.reordered` does it, too."""


class PeerLoop(Protocol):
    """What is needed of a loop.

    Attributes:
        device: where it trains.
    """

    device: torch.device

    def block(self, steps: int, clock: machine.Clock) -> Block:
        """Take warm steps, then steps that are timed."""

    def train(self, batches: Sequence[Batch]) -> dict[str, Weights]:
        """Train on batches and return the weights by network."""


Expected = Callable[[RunSpec, Prepared, Sequence[Batch], torch.dtype], dict[str, Weights]]


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to train.

    Attributes:
        package: what it needs.
        done: what was done to make it fast, for the page.
        open: builds its loop.
        channels_last: whether networks and images are NHWC.
        mixed: whether its users turn on mixed precision by an argument.
        expected: with zoo's pieces, what it does otherwise than zoo; None where that is nothing.
        departures: what that is, in words.
    """

    package: str
    done: str
    open: Callable[[Setup, Task], PeerLoop]
    channels_last: bool = False
    mixed: bool = True
    expected: Expected | None = None
    departures: tuple[str, ...] = ()


def peers() -> dict[str, Peer]:
    """Return the peers by the names of their rows; their packages are imported when opened."""
    layouts = (("", False), (", channels_last", True))
    named = {}
    for package in ("lightning", "accelerate"):
        for suffix, channels_last in layouts:
            named[package + suffix] = Peer(
                package,
                "Adam and the moving average as torch makes them, features of real images "
                "without a graph",
                partial(_open_framework, package),
                channels_last,
            )
    named["basicsr"] = Peer(
        "basicsr",
        "its own model class, as it is",
        _open_basicsr,
        mixed=False,
        expected=_reordered,
        departures=BASICSR_DEPARTURES,
    )
    return named


def _open_framework(package: str, setup: Setup, _task: Task) -> PeerLoop:
    if package == "lightning":
        from benchmarks.peers.lightning_loop import LightningLoop

        return LightningLoop(setup)
    from benchmarks.peers.accelerate_loop import AccelerateLoop

    return AccelerateLoop(setup)


def _open_basicsr(setup: Setup, task: Task) -> PeerLoop:
    from benchmarks.peers.basicsr_loop import BasicSRLoop

    return BasicSRLoop(setup, task)


def _reordered(
    spec: RunSpec, prepared: Prepared, batches: Sequence[Batch], dtype: torch.dtype
) -> dict[str, Weights]:
    from benchmarks.peers.basicsr_loop import reordered

    return reordered(spec, prepared, batches, dtype)


class ZooTraining(ZooLoop):
    """zoo's training on the drawn batches, which it gets as 8-bit images, as its store has them."""

    def train(self, batches: Sequence[Batch]) -> dict[str, Weights]:
        """Train on batches of 8-bit images and return the weights."""
        players = self.stage.state
        for batch in batches:
            self.step((to_device(batch, players.execution), []))
        return weights_of(players.generator, players.ema.module, players.discriminator)

    def batches(self) -> Generator[StepBatches, None, None]:
        """Yield the batches, over and over."""
        execution = self.stage.state.execution
        for batch in cycle(draw_batches(NUM_BATCHES)):
            yield to_device(batch, execution), []

    def block(self, steps: int, clock: machine.Clock) -> Block:
        """Take steps and time them."""
        return run_block(self, steps, clock)


def measure(
    names: Sequence[str],
    *,
    clock: str,
    steps: int,
    repeats: int,
    seconds: float,
    settings: tuple[str, ...],
) -> dict[str, Any]:
    """Check and time every task.

    Args:
        names: keys of `TASKS`.
        clock: a key of `CLOCKS`.
        steps: timed steps in a block.
        repeats: blocks of each loop.
        seconds: of a task in one precision, after which no further turn begins.
        settings: of zoo's, as `--set` has them.
    """
    all_peers = peers()
    missing = {
        package: reason
        for package in dict.fromkeys(peer.package for peer in all_peers.values())
        if (reason := packages.why_missing(package)) is not None
    }
    present = {name: peer for name, peer in all_peers.items() if peer.package not in missing}
    flags = machine.cpu_flags()
    precisions = ["float32", *(["bfloat16"] if machine.has_bfloat16_units(flags) else [])]
    used = dict.fromkeys(peer.package for peer in present.values())
    document: dict[str, Any] = machine.provenance(used, clock) | {
        "missing": missing,
        "bfloat16": "bfloat16" in precisions,
        "done": {name: peer.done for name, peer in present.items()},
        "steps": steps,
        "matrix_rate": matrix_rate(machine.CLOCKS[clock]),
        "tasks": {},
    }
    run = partial(_timed_block, machine.CLOCKS[clock])
    turns = partial(take_turns, steps=steps, repeats=repeats, seconds=seconds, run=run)
    for name in names:
        document["tasks"][name] = _measure_task(TASKS[name], present, precisions, settings, turns)
    return document


def _measure_task(
    task: Task,
    present: Mapping[str, Peer],
    precisions: Sequence[str],
    settings: tuple[str, ...],
    turns: Callable[..., Mapping[str, list[Any]]],
) -> dict[str, Any]:
    """Check one task and time each loop that passes, in each precision."""
    checks = check_task(task, present)
    same = {name: peer for name, peer in present.items() if checks[name]["passed"]}
    rows = []
    for precision in precisions:
        loops, execution = _open(task, same, precision, settings)
        blocks = turns(loops)
        profiles = {name: _operators(loop) for name, loop in loops.items()}
        del loops
        gc.collect()
        rows += _rows(same, precision, blocks, profiles, execution)
    ratios = ", ".join(f"{row['loop']} {row['ratio']['median']:.2f}" for row in rows)
    print(f"{task.title}: zoo is times as fast as {ratios}", file=sys.stderr, flush=True)
    return {
        "title": task.title,
        "operations": count_operations(task),
        "checks": checks,
        "rows": rows,
    }


def check_task(task: Task, present: Mapping[str, Peer]) -> dict[str, dict[str, Any]]:
    """Hold each peer's weights after the same batches against zoo's, in float64.

    Returns:
        By peer: `passed`; `largest` and `where` of the differences; `moved`: how far training moved
        any weight; `apart`: how far the peer is from zoo's own step; `departures`: why.
    """
    spec, dtype = specify(task, CHECKED_SETTINGS), torch.float64
    prepared = prepare(spec, CPU)
    drawn = draw_batches(CHECKED_STEPS)
    numbers = [as_numbers(batch, dtype) for batch in drawn]
    own = own_weights(spec, prepared, [(batch, []) for batch in drawn], dtype)
    initial = {
        role: {name: value.detach() for name, value in network.named_parameters()}
        for role, network in networks_of(fresh_components(spec, dtype)).items()
        if role in PLAYERS
    }
    found = {}
    for name, peer in present.items():
        setup = Setup(
            fresh_components(spec, dtype), spec.settings, numbers, Switches.now(),
            peer.channels_last,
        )  # fmt: skip
        weights = peer.open(setup, task).train(numbers)
        expected = own if peer.expected is None else peer.expected(spec, prepared, numbers, dtype)
        found[name] = verdict(weights, expected=expected, own=own, initial=initial) | {
            "departures": list(peer.departures)
        }
    return found


def verdict(
    weights: dict[str, Weights],
    *,
    expected: dict[str, Weights],
    own: dict[str, Weights],
    initial: dict[str, Weights],
) -> dict[str, Any]:
    """Return whether a peer computed the same step; see `check_task`.

    Args:
        weights: the peer's, by network.
        expected: what they have to be.
        own: zoo's step's.
        initial: what all began with.
    """
    difference = compare(expected, weights)
    return {
        "passed": difference.most <= LIMIT,
        "largest": difference.most,
        "where": difference.where,
        "moved": compare(initial, weights).largest,
        "apart": compare(weights, own).most,
    }


def _open(
    task: Task, present: Mapping[str, Peer], precision: str, settings: tuple[str, ...]
) -> tuple[dict[str, PeerLoop], dict[str, Any]]:
    """Return zoo's loop and the peers', and how zoo's is executed.

    Where zoo's is bfloat16, each peer is as its users have it.
    """
    spec = specify(task, (f"runtime.precision={precision}", *settings))
    switches = Switches.now()
    prepared = autotune(spec, prepare(spec, CPU), CPU, begun=None)
    loops: dict[str, PeerLoop] = {ZOO: ZooTraining(spec, prepared)}
    numbers = [as_numbers(batch) for batch in draw_batches(NUM_BATCHES)]
    for name, peer in present.items():
        components = build_components(spec.settings, seed=spec.seed)
        mixed = peer.mixed and precision == "bfloat16"
        setup = Setup(
            components, spec.settings, numbers, switches, peer.channels_last, bfloat16=mixed
        )
        loops[name] = peer.open(setup, task)
    return loops, prepared.execution.describe()


def _timed_block(clock: machine.Clock, loop: PeerLoop, steps: int) -> Block:
    return loop.block(steps, clock)


def _rows(
    present: Mapping[str, Peer],
    precision: str,
    blocks: Mapping[str, Sequence[Block]],
    profiles: Mapping[str, Mapping[str, float]],
    execution: Mapping[str, Any],
) -> list[dict[str, Any]]:
    rows = []
    for name, taken in blocks.items():
        pairs = zip(blocks[ZOO], taken, strict=True)
        rows.append(
            {
                "loop": name,
                "precision": precision if name == ZOO or present[name].mixed else "float32",
                "zoo_precision": precision,
                "repeats": len(taken),
                "images_per_second": spread([block.rate for block in taken]),
                "ratio": spread([own.rate / other.rate for own, other in pairs]),
                "operators": profiles[name],
                "execution": execution if name == ZOO else None,
            }
        )
    return rows


def count_operations(task: Task) -> int:
    """Return the floating-point operations of a step of zoo's."""
    spec = specify(task, ("runtime.compile=false", "runtime.tune=false"))
    loop = ZooTraining(spec, autotune(spec, prepare(spec, CPU), CPU, begun=None))
    counter = OperationCounter()
    with counter:
        loop.step(next(loop.batches()))
    return counter.total


def matrix_rate(clock: machine.Clock) -> float:
    """Return operations a second of a large matrix product: what convolutions can hope for."""
    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE)
    seconds = []
    for _ in range(MATRIX_REPEATS):
        since = clock()
        torch.mm(matrix, matrix)
        seconds.append(clock() - since)
    return 2 * MATRIX_SIDE**3 / min(seconds)


def _operators(loop: PeerLoop) -> dict[str, float]:
    """Return the milliseconds a step of the operators that take longest, by their names."""
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        block = loop.block(1, machine.CLOCKS["wall"])
    taken = block.steps + WARM_STEPS
    rows = operator_rows(profiler.key_averages(), on_gpu=False)
    return {row["name"]: row["microseconds"] / 1000 / taken for row in rows[:NUM_OPERATORS]}
