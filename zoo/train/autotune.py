"""How a stage is executed on a CPU: layout, threads, precision, compilation, by measurement.

The choice is recorded with the run, which keeps it.

Not here: what `auto` means without a measurement (`zoo.runs.device`), the measurement itself
(`zoo.train.timing`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from statistics import median
from typing import Any, Final, Literal

from zoo.errors import CheckpointError
from zoo.recipes.schema import Runtime
from zoo.runs.device import Execution, has_bfloat16_units, has_cpp_compiler
from zoo.runs.turns import MIN_GAIN, MIN_SECONDS_TO_COMPILE, fastest
from zoo.train.timing import StepTimer, Timings, Way

MIN_NUM_STEPS: Final = 1500
"""Minimum number of steps of a stage that is measured; the measurement takes at most 36.

Bfloat16 and compilation take 12 more each, if they are tried."""
CHOICE: Final = "choice"
"""Key of the choice in a session's record."""
_SETTINGS: Final = {
    "channels_last": "channels_last",
    "threads": "threads",
    "compile": "compile",
    "bfloat16": "precision",
}
"""The setting in the runtime section that fixes each part of a way."""
_TRIED_LATER: Final = ("bfloat16", "compile")
"""Parts of a way that are tried later, one after the other, only with the best way so far."""
_THREAD_LIMITS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Choice:
    """How a stage is executed, and why.

    Attributes:
        way: the chosen way.
        source: `default`: nothing was measured; `measured`: just now; `cached`: by an earlier run;
            `recorded`: at the start of the run.
        reason: in words.
        free: the parts of the way that the measurement could choose.
        seconds: median time of a step of each measured way.
    """

    way: Way
    source: Literal["default", "measured", "cached", "recorded"]
    reason: str
    free: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the choice, its reason and the measured times in one line."""
        times = " | ".join(f"{way} {seconds:.3g}" for way, seconds in self.seconds.items())
        is_emulated = self.way.bfloat16 and not has_bfloat16_units()
        return (
            f"{self.way} ({self.reason})"
            + ("; this CPU has no bfloat16 units and emulates bfloat16" if is_emulated else "")
            + (f"; seconds per step: {times}" if times else "")
        )

    def document(self) -> dict[str, Any]:
        """Return the choice as JSON data, as it is recorded."""
        return asdict(self)

    def apply(self, execution: Execution) -> Execution:
        """Return an execution with the chosen parts; the others stay."""
        chosen: dict[str, Any] = {name: getattr(self.way, name) for name in self.free}
        return replace(execution, **chosen)


def why_not_measured(runtime: Runtime, execution: Execution, num_steps: int) -> str | None:
    """Return why a stage of so many steps is not measured, None if it is."""
    if execution.device.type != "cpu":
        return "only CPUs are measured"
    if runtime.tune is False:
        return "runtime.tune is false"
    if execution.compile:
        return "runtime.compile is true"
    if len(ways(runtime, execution)) == 1 and not _may_try_bfloat16(runtime):
        return "layout, threads and precision are fixed"
    if runtime.tune == "auto" and num_steps < MIN_NUM_STEPS:
        return f"{num_steps} steps are too few to gain from it"
    return None


def ways(runtime: Runtime, execution: Execution) -> list[Way]:
    """Return the ways that are measured first, eager and in the planned precision.

    The planned one comes first. Both layouts, each with all threads of the process, half and a
    quarter of them. A setting fixes its part, and the environment may fix the number of threads.
    """
    threads = execution.num_threads
    counts = [threads // part for part in (1, 2, 4) if threads >= part]
    if "threads" not in free_settings(runtime):
        counts = [threads]
    layouts = [True, False] if runtime.channels_last == "auto" else [execution.channels_last]
    return [
        Way(layout, count, bfloat16=execution.bfloat16) for layout in layouts for count in counts
    ]


def free_settings(runtime: Runtime) -> tuple[str, ...]:
    """Return the parts of a way that neither the runtime section nor the environment fixes."""
    limited = any(os.environ.get(name) for name in _THREAD_LIMITS)
    return tuple(
        name
        for name, setting in _SETTINGS.items()
        if getattr(runtime, setting) == "auto" and not (name == "threads" and limited)
    )


def alternatives(runtime: Runtime, execution: Execution) -> list[Execution]:
    """Return the planned execution, then those of other identities that may be chosen."""
    names = [name for name in free_settings(runtime) if name != "threads"]
    planned = [getattr(execution, name) for name in names]
    return [
        replace(execution, **dict(zip(names, values, strict=True)))
        for values in product(*((value, not value) for value in planned))
    ]


def choose(timer: StepTimer, num_steps: int) -> Choice:
    """Choose how a stage is executed: by measurement if that pays off, otherwise as planned.

    Args:
        timer: times the stage's steps; its execution is the planned one.
        num_steps: number of steps of the stage.
    """
    runtime, execution = timer.spec.settings.runtime, timer.execution
    why_not = why_not_measured(runtime, execution, num_steps)
    if why_not is not None:
        return Choice(planned_way(execution), "default", f"not measured: {why_not}")
    timings, cached = timer.timings(ways(runtime, execution))
    if not timings:
        reason = "not measured yet: measured when the run trains, or with runtime.tune=true"
        return Choice(planned_way(execution), "default", reason)
    default, (best, gain) = next(iter(timings)), fastest(timings)
    for name in _TRIED_LATER:
        if _is_tried(name, runtime, num_steps * median(timings[best])):
            both, also_cached = _beside(timer, best, timings[best], name)
            best, more = fastest(both)
            gain, cached, timings = gain * more, cached and also_cached, timings | both
    reason = f"chosen by measurement: {gain:.2f} times as fast as {default}"
    if best == default:
        reason = f"the default: no alternative was measured to be {MIN_GAIN} times as fast"
    return Choice(
        best,
        "cached" if cached else "measured",
        f"{reason}; cached" if cached else reason,
        free_settings(runtime),
        {str(way): median(times) for way, times in timings.items()},
    )


def _may_try_bfloat16(runtime: Runtime) -> bool:
    return "bfloat16" in free_settings(runtime) and has_bfloat16_units()


def _is_tried(name: str, runtime: Runtime, seconds: float) -> bool:
    """Return whether a form of a way is timed, given the expected time without it."""
    if name == "bfloat16":
        return _may_try_bfloat16(runtime)
    is_long = seconds > MIN_SECONDS_TO_COMPILE
    return name in free_settings(runtime) and is_long and has_cpp_compiler()


def _beside(timer: StepTimer, best: Way, known: Sequence[float], name: str) -> tuple[Timings, bool]:
    """Time a way and another form of it; if that fails, return what is known."""
    other = replace(best, **{name: True})
    try:
        both, cached = timer.timings([best, other])
        return (both, cached) if both else ({best: list(known)}, True)
    except RuntimeError as error:  # of the other form: the very step ran without it just now
        first = str(error).partition("\n")[0]
        timer.tell(f"{timer.spec.recipe}: a step with {other} fails, so it stays {best}: {first}")
        return {best: list(known)}, True


def planned_way(execution: Execution) -> Way:
    """Return the way that an execution computes by."""
    return Way(
        execution.channels_last, execution.num_threads, execution.compile, execution.bfloat16
    )


def recorded_choice(
    provenance: Mapping[str, Any], runtime: Runtime, execution: Execution
) -> Choice:
    """Return the choice at the start of a run, for the parts that are still free.

    Its number of threads is used even if nothing was measured; another number would change the last
    bits.

    Args:
        provenance: the run's record.
        runtime: settings of the session that resumes it.
        execution: the planned execution; everything but the threads comes from it if the run
            started without a measurement.

    Raises:
        CheckpointError: if the record is damaged.
    """
    planned = planned_way(execution)
    try:
        kept = provenance["sessions"][0].get(CHOICE) or {"free": []}
        recorded = {*kept["free"], *({"threads"} if "way" in kept else ())}
        free = {name for name in free_settings(runtime) if name in recorded}
        if "threads" in free and kept["way"]["threads"] > planned.threads:
            free.remove("threads")  # fewer cores than then: the session says so
        way = replace(planned, **{name: kept["way"][name] for name in free})
        seconds = dict(kept.get("seconds", {}))
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(
            "provenance.json of the run is damaged: it does not record how the run was executed; "
            "start again with --fresh"
        ) from error
    return Choice(way, "recorded", "as at the start of the run", tuple(sorted(free)), seconds)
