"""Signals to whole process groups, and a long run whose memory and open files are watched."""

from __future__ import annotations

import json
import os
import resource
import shutil
import time
from collections import Counter
from pathlib import Path

from benchmarks.endurance.processes import (
    Place,
    Result,
    exit_code,
    run_command,
    start,
    wait_for_rows,
)
from zoo.runs.checkpoint import latest_step
from zoo.train.interrupts import EXIT_CODES

GRACE = 3.0
"""Seconds that the system may take to clear away a process that has ended."""
SAMPLES = 40
"""How often the long run's memory and open files are read."""


def stop(place: Place, num_signals: int) -> Result:
    """Send signals to whole process groups, data workers among them, at random moments."""
    count: Counter[str] = Counter()
    codes: dict[str, Counter[str]] = {number.name: Counter() for number in EXIT_CODES}
    most_lost = 0
    numbers = list(EXIT_CODES)
    endless = ("training.steps=1000000", "training.log_every=1", "runtime.num_workers=2")
    for sent in range(num_signals):
        name, number = f"stopped-{sent}", numbers[sent % len(numbers)]
        place.begin(name)
        arguments = place.arguments(name, *endless)
        process, pipe = start(run_command, arguments, place.home, None)
        pipe.recv()
        directory = place.directory(name, *endless)
        if sent % 5:  # every fifth at any moment from the start on, the others in the training
            wait_for_rows(directory, process)
        time.sleep(place.luck.uniform(0.0, 1.5))
        os.killpg(process.pid or 0, number)
        code = exit_code(process)
        codes[number.name][str(code)] += 1
        count["signals sent"] += 1
        count["right exit codes"] += code == EXIT_CODES[number]
        steps = [row["step"] for row in directory.rows() if row["kind"] == "train"]
        if steps:
            count["in training"] += 1
            most_lost = max(most_lost, steps[-1] - latest_step(directory.checkpoints))
        count["groups left alive"] += group_is_alive(process.pid or 0)
        shutil.rmtree(place.folder / name)
    names = ("signals sent", "right exit codes", "in training", "groups left alive")
    return {name: count[name] for name in names} | {
        "most steps lost": most_lost,
        "exit codes": {name: dict(found) for name, found in codes.items()},
    }


def group_is_alive(group: int) -> bool:
    """Tell whether a process of a group is still there when a moment has passed."""
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.02)
    return True


def last_long(place: Place, num_steps: int) -> Result:
    """Read memory and open files of a long training; its first quarter warms up."""
    name = "long"
    place.begin(name)
    settings = (f"training.steps={num_steps}", "training.log_every=1")
    process, pipe = start(run_command, place.arguments(name, *settings), place.home, None)
    pipe.recv()
    wait_for_rows(place.directory(name, *settings), process)
    samples: list[tuple[int, int, int]] = []
    due = 0
    while process.is_alive():
        rows = place.directory(name, *settings).path / "metrics.jsonl"
        step = last_step(rows)
        if step >= due:
            due += max(1, num_steps // SAMPLES)
            samples += vitals(process.pid or 0, step)
        time.sleep(0.02)
    code = exit_code(process)
    warm = [sample for sample in samples if sample[0] >= num_steps // 4]
    return {
        "steps": num_steps,
        "exit code": code,
        "samples": len(warm),
        "resident MiB, first after warming up": round(warm[0][1] / 2**20, 1),
        "resident MiB, last": round(warm[-1][1] / 2**20, 1),
        "resident MiB, most": round(max(sample[1] for sample in warm) / 2**20, 1),
        "open files, least and most": [min(s[2] for s in warm), max(s[2] for s in warm)],
    }


def last_step(path: Path) -> int:
    """Return the step of the last whole row of a file of rows, reading its end only."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        for line in reversed(file.read().splitlines()):
            try:
                return int(json.loads(line)["step"])
            except ValueError:  # torn, or its beginning is not in what was read
                continue
    return 0


def vitals(process: int, step: int) -> list[tuple[int, int, int]]:
    """Return step, resident bytes and open files of a process, nothing where it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return [
            (step, pages * resource.getpagesize(), len(list(Path(f"/proc/{process}/fd").iterdir())))
        ]
    except (OSError, IndexError):
        return []
