"""How a stage is executed on a CPU: layout, threads and compilation, chosen by measurement.

A choice is recorded with the run, which goes on with it.

Not here: what `auto` is without a measurement (`zoo.runs.device`), the measurement itself
(`zoo.train.timing`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any, Final, Literal

from zoo.errors import CheckpointError
from zoo.recipes.schema import Runtime
from zoo.runs.device import Execution, has_cpp_compiler
from zoo.train.timing import StepTimer, Timings, Way

MIN_NUM_STEPS: Final = 1500
"""Generator updates from which a stage is measured, which takes 36 of them at most.

Where compilation is tried, it takes 12 more.
"""
MIN_GAIN: Final = 1.05
"""How many times as fast as the default a way must be to be taken: less may be noise."""
MIN_SECONDS_TO_COMPILE: Final = 3600.0
"""Expected time of a stage from which compilation is tried, which takes about a minute itself."""
CHOICE: Final = "choice"
"""Name of the choice in what a run records of a session."""
_FREE: Final = ("channels_last", "threads", "compile")
_THREAD_LIMITS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Choice:
    """How a stage is executed, and why.

    Attributes:
        way: what was chosen.
        source: `default`: nothing was measured; `measured`: just now; `cached`: by an earlier run;
            `recorded`: the run was begun so.
        reason: in words.
        free: settings of the runtime section that the measurement was free to choose.
        seconds: median time of a step of each way that was measured.
    """

    way: Way
    source: Literal["default", "measured", "cached", "recorded"]
    reason: str
    free: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the choice, its reason and what was measured in one line."""
        times = " | ".join(f"{way} {seconds:.3g}" for way, seconds in self.seconds.items())
        return f"{self.way} ({self.reason})" + (f"; seconds a step: {times}" if times else "")

    def document(self) -> dict[str, Any]:
        """Return the choice as JSON data, as it is recorded."""
        return asdict(self)

    def apply(self, execution: Execution) -> Execution:
        """Return an execution with what was chosen; what was not free to choose stays."""
        chosen: dict[str, Any] = {name: getattr(self.way, name) for name in self.free}
        return replace(execution, **chosen)


def why_not_measured(runtime: Runtime, execution: Execution, num_steps: int) -> str | None:
    """Return why a stage of so many steps is not measured, None where it is."""
    if execution.device.type != "cpu":
        return "only a CPU is"
    if runtime.tune is False:
        return "runtime.tune is false"
    if execution.compile:
        return "compilation was asked for"
    if len(ways(runtime, execution)) == 1:
        return "layout and threads are settled"
    if runtime.tune == "auto" and num_steps < MIN_NUM_STEPS:
        return f"{num_steps} steps are too few to gain from it"
    return None


def ways(runtime: Runtime, execution: Execution) -> list[Way]:
    """Return the eager ways that a CPU is measured with, the planned one first.

    Both layouts, each with all threads the process may use, a half and a quarter of them; what a
    setting settles stays, and the number of threads too where the environment limits it.
    """
    threads = execution.num_threads
    counts = [threads // part for part in (1, 2, 4) if threads >= part]
    if "threads" not in free_settings(runtime):
        counts = [threads]
    layouts = [True, False] if runtime.channels_last == "auto" else [execution.channels_last]
    return [Way(layout, count) for layout in layouts for count in counts]


def free_settings(runtime: Runtime) -> tuple[str, ...]:
    """Return what neither the runtime section nor the environment settles."""
    limited = any(os.environ.get(name) for name in _THREAD_LIMITS)
    is_free = [getattr(runtime, name) == "auto" for name in _FREE]
    return tuple(
        name
        for name, free in zip(_FREE, is_free, strict=True)
        if free and not (name == "threads" and limited)
    )


def alternatives(runtime: Runtime, execution: Execution) -> list[Execution]:
    """Return the executions of other identities that a measurement may lead to, and the planned.

    The planned one is the first.
    """
    free = free_settings(runtime)
    layouts = [True, False] if "channels_last" in free else [execution.channels_last]
    forms = [False, True] if "compile" in free else [execution.compile]
    return [
        replace(execution, channels_last=layout, compile=form)
        for layout in layouts
        for form in forms
    ]


def fastest(timings: Timings) -> tuple[Way, float]:
    """Return the way to take, and how many times as fast as the default, the first, it is.

    In their order, a way replaces the best so far if the median over rounds of that one's time
    over its own exceeds `MIN_GAIN`: nothing is changed that alone brings nothing. A way that was
    given up is never taken.
    """
    default = best = next(iter(timings))
    for way, times in timings.items():
        if len(times) == len(timings[best]) and _gain(timings[best], times) > MIN_GAIN:
            best = way
    return best, _gain(timings[default], timings[best])


def _gain(before: Sequence[float], now: Sequence[float]) -> float:
    return median(one / other for one, other in zip(before, now, strict=True))


def choose(timer: StepTimer, num_steps: int) -> Choice:
    """Choose how a stage is executed: by measurement where that pays, else as it is planned.

    Args:
        timer: of the stage's steps; its execution is what is planned.
        num_steps: the stage's generator updates.
    """
    runtime, execution = timer.spec.settings.runtime, timer.execution
    why_not = why_not_measured(runtime, execution, num_steps)
    if why_not is not None:
        return Choice(_planned(execution), "default", f"not measured: {why_not}")
    timings, cached = timer.timings(ways(runtime, execution))
    if not timings:
        reason = "not measured: that is done when it is trained, or with runtime.tune=true"
        return Choice(_planned(execution), "default", reason)
    default, (best, gain) = next(iter(timings)), fastest(timings)
    expected = num_steps * median(timings[best])
    if runtime.compile == "auto" and expected > MIN_SECONDS_TO_COMPILE and has_cpp_compiler():
        both, also_cached = _with_compiled(timer, best, timings[best])
        best, more = fastest(both)
        gain, cached, timings = gain * more, cached and also_cached, timings | both
    reason = f"chosen by measurement: {gain:.2f} times as fast as {default}"
    if best == default:
        reason = f"the default: no other way was measured {MIN_GAIN} times as fast"
    return Choice(
        best,
        "cached" if cached else "measured",
        f"{reason}; cached" if cached else reason,
        free_settings(runtime),
        {str(way): median(times) for way, times in timings.items()},
    )


def _with_compiled(timer: StepTimer, eager: Way, known: Sequence[float]) -> tuple[Timings, bool]:
    """Time a way beside its compiled form; where that cannot be, return what is known."""
    try:
        both, cached = timer.timings([eager, replace(eager, compile=True)])
        return (both, cached) if both else ({eager: list(known)}, True)
    except RuntimeError as error:  # of torch.compile: the very step ran eagerly just now
        first = str(error).partition("\n")[0]
        timer.tell(f"{timer.spec.recipe}: torch.compile failed, it stays eager: {first}")
        return {eager: list(known)}, True


def _planned(execution: Execution) -> Way:
    return Way(execution.channels_last, execution.num_threads, execution.compile)


def recorded_choice(
    provenance: Mapping[str, Any], runtime: Runtime, execution: Execution
) -> Choice:
    """Return the choice that a run was begun with, of what is still free to choose.

    Its threads are taken where nothing was measured, too: with others the last bits would differ.

    Args:
        provenance: what the run recorded.
        runtime: settings of the session that goes on.
        execution: what is planned for it; layout and compilation are taken from it where the run
            was begun without measuring.

    Raises:
        CheckpointError: if the record is damaged.
    """
    planned = _planned(execution)
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
            "provenance.json of the run is damaged: it does not say how the run was executed; "
            "start over with --fresh"
        ) from error
    return Choice(way, "recorded", "as the run was begun", tuple(sorted(free)), seconds)
