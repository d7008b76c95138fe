"""Trainings killed with SIGKILL at random moments of each phase."""

from __future__ import annotations

import itertools
import shutil
import signal
import time
from collections import Counter
from collections.abc import Sequence
from statistics import median

from benchmarks.endurance.ends import end_of, finish_straight, same_bits
from benchmarks.endurance.processes import (
    EVERY,
    STEPS,
    Event,
    Place,
    Result,
    events,
    exit_code,
    finish,
    start_training,
)
from zoo.files import read_hashed
from zoo.runs.checkpoint import latest_step

PHASES = ("training", "validation", "checkpoint")
END = "end"
"""What comes after the last checkpoint: pictures and the summary."""


def kill(place: Place, num_kills: int) -> Result:
    """Kill trainings with SIGKILL at random moments, a run each; resume them; compare the ends."""
    straight = finish_straight(place)
    expected = end_of(place.directory("straight"))
    count: Counter[str] = Counter()
    phases: Counter[str] = Counter()
    while count["killed"] < num_kills:
        name = f"killed-{count['killed']}-{count['too late']}"
        place.begin(name)
        wanted = PHASES[count["killed"] % len(PHASES)]
        landed, saved = kill_one(place, name, wanted, durations(straight)[wanted])
        if landed is None:
            count["too late"] += 1
            continue
        count["killed"] += 1
        phases[landed] += 1
        directory = place.directory(name)
        files = [*directory.checkpoints.glob("step-*.pt"), directory.weights]
        count["torn files"] += sum(path.exists() and read_hashed(path) is None for path in files)
        count["lost checkpoints"] += latest_step(directory.checkpoints) < saved
        heard = finish(place, name)
        count["resumed"] += not heard or heard[0].step >= saved  # not: it had just finished
        count["equal ends"] += same_bits(end_of(directory), expected)
        shutil.rmtree(place.folder / name)
    names = ("killed", "resumed", "equal ends", "torn files", "lost checkpoints", "too late")
    return {name: count[name] for name in names} | {
        "by phase": {phase: phases[phase] for phase in (*PHASES, END)}
    }


def kill_one(place: Place, name: str, wanted: str, seconds: float) -> tuple[str | None, int]:
    """Kill a training a random time into a phase; return the phase it was in and what it saved.

    All steps are drawn from: those before the first checkpoint and the last one, too.
    """
    step = EVERY * place.luck.randrange(1, STEPS // EVERY + 1)
    step -= place.luck.randrange(1, EVERY) if wanted == "training" else 0
    begins = "validated" if wanted == "checkpoint" else "stepped"
    delay = place.luck.uniform(0.0, seconds)
    process, pipe = start_training(place, name)
    heard: list[Event] = []
    for event in events(pipe):
        heard.append(event)
        if (event.kind, event.step) == (begins, step):
            time.sleep(max(0.0, event.at + delay - time.monotonic()))
            process.kill()
    code = exit_code(process)
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a training ended with {code} before it was killed")
    landed = None if code == 0 else phase_after(heard[-1])
    return landed, max((event.step for event in heard if event.kind == "saved"), default=0)


def phase_after(event: Event) -> str:
    """Return what a training does after it said something."""
    if event.kind == "stepped" and event.step % EVERY == 0:
        return "validation"
    if event.kind == "saved" and event.step == STEPS:
        return END
    return "checkpoint" if event.kind == "validated" and event.step > 0 else "training"


def durations(heard: Sequence[Event]) -> dict[str, float]:
    """Return the median seconds of each phase in an uninterrupted run."""
    found: dict[str, list[float]] = {phase: [] for phase in PHASES}
    for before, after in itertools.pairwise(heard):
        if before.kind != "started":  # the first step starts what the others only use
            found[phase_after(before)].append(after.at - before.at)  # nothing is said after the end
    return {phase: median(seconds) for phase, seconds in found.items()}
