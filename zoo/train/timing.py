"""Measures how long a training step takes in each way, and keeps the times in zoo's cache.

It takes real steps of the stage alternately, on separate networks; the run itself is not touched.

Not here: which way is chosen (`zoo.train.autotune`).
"""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from filelock import FileLock, Timeout

from zoo.data.device_store import DevicePatchStream
from zoo.data.stream import PatchStream
from zoo.files import explaining_refusals, read_hashed, write_hashed
from zoo.recipes.build import build_components, plugin_hashes
from zoo.recipes.schema import RunSpec
from zoo.runs.device import Execution
from zoo.runs.provenance import identity_hash, machine
from zoo.runs.turns import take_turns
from zoo.train.step import Batch, TrainingState, assemble, to_device, training_step

ROUNDS: Final = 5
"""Timed steps of each way, one per round, after an untimed one."""
HOPELESS: Final = 1.5
"""A way is dropped if its first timed step takes this many times the default's."""
_FORMAT: Final = 3


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compute the same step on a CPU."""

    channels_last: bool
    threads: int
    compile: bool = False
    bfloat16: bool = False

    def __str__(self) -> str:
        precision = "bfloat16" if self.bfloat16 else "float32"
        layout = "channels_last" if self.channels_last else "NCHW"
        threads = f"{self.threads} thread" + ("" if self.threads == 1 else "s")
        return f"{precision}, {layout}, {threads}, {'compiled' if self.compile else 'eager'}"

    def apply(self, execution: Execution) -> Execution:
        """Return an execution with this way to compute."""
        return replace(execution, **asdict(self))


Timings = dict[Way, list[float]]
"""Seconds of the timed steps of each way, the default first; a dropped way has one step."""


@dataclass(frozen=True, slots=True)
class StepTimer:
    """Times the steps of a stage, or finds the times of an earlier run.

    Attributes:
        spec: the stage.
        execution: the rest of the execution, besides the ways.
        stream: its training batches; the first few are used, and none is consumed.
        cache: zoo's cache folder.
        tell: receives messages on measurements and damaged files.
        dry_run: whether nothing is written, and a measurement is made only on request.
    """

    spec: RunSpec
    execution: Execution
    stream: PatchStream | DevicePatchStream
    cache: Path
    tell: Callable[[str], None]
    dry_run: bool = False

    def timings(self, ways: Sequence[Way]) -> tuple[Timings, bool]:
        """Return the times of ways, the default first, and whether they were in the cache.

        A dry run without cached times and without a request to measure gets none.

        Raises:
            MachineError: if the cache is not writable.
        """
        key = self._key(ways)
        path = self.cache / "choices" / f"{identity_hash(key)}.json"
        if self.dry_run:
            found = self._read(path, ways)
            if found is not None:
                return found, True
            is_asked_for = self.spec.settings.runtime.tune is True
            return self._measure(ways) if is_asked_for else {}, False
        with self._lock(path):  # a second process waits, then finds the times
            found = self._read(path, ways)
            if found is not None:
                return found, True
            timings = self._measure(ways)
            named = {str(way): times for way, times in timings.items()}
            text = json.dumps({"key": key, "seconds": named}, indent=2, allow_nan=False)
            write_hashed(path, text.encode())
        return timings, False

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        lock = FileLock(path.with_suffix(".lock"))
        with explaining_refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self.tell(f"{self.spec.recipe}: waiting for another process that times such steps")
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _key(self, ways: Sequence[Way]) -> dict[str, Any]:
        """Return everything that affects the times: machine, torch, computation of a step."""
        settings = self.spec.settings
        networks = {"scale", "generator", "discriminator", "adversary", "losses"}
        return {
            "format": _FORMAT,
            "machine": machine(),
            "waiting": os.environ.get("OMP_WAIT_POLICY", ""),
            "torch": torch.__version__,
            "ways": [str(way) for way in ways],
            "settings": settings.model_dump(mode="json", include=networks),
            "batches": [settings.data.batch_size, settings.data.lr_patch_size],
            "plugins": plugin_hashes(settings),
        }

    def _read(self, path: Path, ways: Sequence[Way]) -> Timings | None:
        """Return the times in a file that is intact and belongs to these steps."""
        if not path.exists():
            return None
        try:
            kept = json.loads(read_hashed(path) or "{}")
            seconds = kept["seconds"] if identity_hash(kept["key"]) == path.stem else {}
            timings = {way: [float(each) for each in seconds[str(way)]] for way in ways}
        except (ValueError, LookupError, TypeError, RecursionError):
            timings = {}
        if not _is_whole(timings, ways):
            self.tell(f"{path} is damaged: zoo ignores its times")
            return None
        return timings

    def _measure(self, ways: Sequence[Way]) -> Timings:
        num_steps = len(ways) * (1 + ROUNDS)
        self.tell(
            f"{self.spec.recipe}: timing {len(ways)} ways to execute a step (at most {num_steps} "
            "steps)"
        )
        try:
            return self._take_turns(ways)
        finally:
            if any(way.compile for way in ways):
                torch.compiler.reset()  # what was compiled here is of no use to the run

    def _take_turns(self, ways: Sequence[Way]) -> Timings:
        states = {_network(way): self._state(way) for way in ways[::-1]}
        with torch.random.fork_rng(devices=[]), closing(self.stream.batches()) as batches:
            own = next(batches)
            extra = list(itertools.islice(batches, states[_network(ways[0])].num_extra_batches))

            def seconds(way: Way) -> float:
                execution = way.apply(self.execution)
                with execution.own_threads():
                    used = replace(states[_network(way)], execution=execution)
                    return step_seconds(used, own, extra)

            steps = {way: partial(seconds, way) for way in ways}
            return take_turns(steps, ROUNDS, hopeless=HOPELESS)

    def _state(self, way: Way) -> TrainingState:
        settings = self.spec.settings
        components = build_components(settings, seed=self.spec.seed)
        return assemble(components, settings.training, way.apply(self.execution))


def step_seconds(state: TrainingState, own: Batch, extra: Sequence[Batch]) -> float:
    """Take one training step on 8-bit batches and return its time."""
    since = time.perf_counter()
    fresh = [to_device(batch, state.execution) for batch in extra]
    training_step(state, to_device(own, state.execution), fresh)
    return time.perf_counter() - since


def _network(way: Way) -> tuple[bool, bool]:
    """Return the key of ways that share networks; autocast needs no separate ones."""
    return way.channels_last, way.compile


def _is_whole(timings: Timings, ways: Sequence[Way]) -> bool:
    """Return whether times from a file are those of a complete measurement."""
    if not timings or len(timings[ways[0]]) != ROUNDS:
        return False
    numbers = [each for times in timings.values() for each in times]
    counts = {len(times) for times in timings.values()}
    return counts <= {1, ROUNDS} and all(0 < each < math.inf for each in numbers)
