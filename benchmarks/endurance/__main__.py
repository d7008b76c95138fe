"""All parts of the endurance benchmark, in turn."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.endurance.cost import price
from benchmarks.endurance.damage import fill_disk, flip, share
from benchmarks.endurance.kills import kill
from benchmarks.endurance.page import document
from benchmarks.endurance.processes import Place, Result, opened
from benchmarks.endurance.signals import last_long, stop
from zoo.runs.provenance import machine, versions
from zoo.train.interrupts import leaving_at_once

RESULTS = Path(__file__).parents[1] / "results"


def measure(options: argparse.Namespace, place: Place) -> dict[str, Result]:
    """Do all parts and return their counts."""
    parts: dict[str, Callable[[], Result]] = {
        "kill -9": lambda: kill(place, options.kills),
        "one flipped bit": lambda: flip(place, options.flips),
        "signals": lambda: stop(place, options.signals),
        "disk full": lambda: fill_disk(place),
        "two processes": lambda: share(place),
        "long run": lambda: last_long(place, options.steps),
        "cost": lambda: price(place),
    }
    found = {}
    for name, part in parts.items():
        since = time.perf_counter()
        found[name] = part()
        print(f"{name} ({time.perf_counter() - since:.0f} s)")
        print("\n".join(f"  {key}: {value}" for key, value in found[name].items()), flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Do everything, print the counts and write them."""
    parser = argparse.ArgumentParser(description="Count what trainings lose.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--flips", type=int, default=100)
    parser.add_argument("--signals", type=int, default=30)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS / "endurance.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with (
        leaving_at_once(),
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder), seed=options.seed) as place,
    ):
        found = measure(options, place)
    made = {"machine": machine(), "versions": versions(), "seed": options.seed}
    options.output.write_text(json.dumps(made | found, indent=2) + "\n")
    options.output.with_suffix(".md").write_text(document(found))


if __name__ == "__main__":
    main()
