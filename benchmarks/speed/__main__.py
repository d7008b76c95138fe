"""How fast training is: zoo's loop against a plain one, in turns in one process.

    python -m benchmarks.speed [--size tiny|paper] [--family srgan ...] [--device cpu] [--data]
    python -m benchmarks.speed --check --size smoke

Prints a page and writes it and a JSON document to `benchmarks/results/speed/`. `--data` measures
the data path alone, `--check` compares the weights that both loops end with, `--all` does all
three. `--ablation` measures what each optimisation brings, `--precision` what bfloat16 does where
the device has units for it. How it measures, and what came of it, is in docs/speed.md.

Exit status: 0; 1 if `--check` finds different mathematics; 2 and 5 as zoo's own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed import script
from benchmarks.speed.ablation import measure_ablation
from benchmarks.speed.check import EXACT, check_family
from benchmarks.speed.data_path import measure_data
from benchmarks.speed.loops import LOOPS, PlainLoop, Switches
from benchmarks.speed.measure import measure_family
from benchmarks.speed.page import as_markdown
from benchmarks.speed.precision import EMULATED, is_emulated, measure_precision
from benchmarks.speed.rates import measure_rates
from benchmarks.speed.sizes import FAMILIES, SIZES, specify
from zoo.files import write_atomically
from zoo.recipes.schema import RunSpec
from zoo.runs.device import choose_device, plan_execution
from zoo.runs.provenance import machine, revision, versions
from zoo.train.prepare import Options

RESULTS = Path(__file__).parents[1] / "results" / "speed"
MOST_WORKERS = 6
"""As many as the field's own options name for a GPU."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit status."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="zoo-speed-") as folder:
        document = _measure(options, Path(folder))
    text = as_markdown(document)
    print(text)
    name = options.name or document["name"]
    content = json.dumps(document, indent=2) + "\n"
    write_atomically(options.output / f"{name}.json", content.encode())
    write_atomically(options.output / f"{name}.md", text.encode())
    return 0 if all(found["passed"] for found in document["check"].values()) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description="Time training against a plain loop."
    )
    parser.add_argument("--size", choices=SIZES, help="default: paper on a GPU, else tiny")
    parser.add_argument("--family", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--steps", type=_positive, help="timed steps in a block")
    parser.add_argument("--repeats", type=_positive, help="pairs of blocks")
    parser.add_argument(
        "--seconds", type=float, default=40.0, help="a family's, after which 3 pairs are enough"
    )
    parser.add_argument("--workers", type=_natural, help="loading processes of the plain loop")
    parser.add_argument("--source", default="samples", help="training images, as data.source")
    parser.add_argument("--data-root", type=Path, help="folder of datasets")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="override a setting"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument(
        "--name", help="of the two files; default: <size>-<device>[-<part>][-<families>]"
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--data", action="store_true", help="measure the data path alone")
    part.add_argument("--check", action="store_true", help="compare both loops' weights alone")
    part.add_argument("--all", action="store_true", help="speed, data path and check")
    part.add_argument(
        "--ablation", action="store_true", help="measure what each optimisation brings alone"
    )
    part.add_argument("--precision", action="store_true", help="measure what bfloat16 brings alone")
    options = parser.parse_args(arguments)
    if options.name and Path(options.name).name != options.name:
        parser.error(f"--name {options.name}: a name, not a path; the folder is --output")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output {options.output}: {error.strerror}")
    return options


def _measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    device = choose_device(options.device)
    size = options.size or ("paper" if device.type == "cuda" else "tiny")
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # as the field does; zoo's own loop decides itself
    switches = Switches.now()
    where = Options(device=options.device, data_root=options.data_root)
    workers = _workers() if options.workers is None else options.workers
    parts = [part for part in ("data", "check", "ablation", "precision") if getattr(options, part)]
    document: dict[str, Any] = {
        "name": "-".join([size, device.type, *parts, *_changes(options)]),
        "command": " ".join(["python -m benchmarks.speed", *sys.argv[1:]]),
        "size": size,
        "summary": SIZES[size].summary,
        "settings": options.set,
        "device": _device_name(device),
        "machine": machine(),
        "threads": switches.threads,
        "num_workers": workers,
        "versions": versions(),
        "revision": revision(),
        "families": {},
        "ratio": {},
        "data": {},
        "check": {},
        "ablation": {},
        "precision": {},
    }
    specs = {family: _specify(options, size, family) for family in options.family}
    if not parts:
        _add_speed(document, specs, where, switches, folder, options)
    if options.data or options.all:
        spec, repeats = next(iter(specs.values())), options.repeats or SIZES[size].repeats
        document["data"] = measure_data(spec, where, folder, repeats=repeats)
    if options.check or options.all:
        for family in options.family:
            exact = _specify(options, size, family, EXACT)
            document["check"][family] = check_family(exact, where, switches=switches)
    if options.ablation:
        _add_ablation(document, where, switches, folder, options)
    if options.precision:
        _add_precision(document, where, switches, options)
    return document


def _add_speed(
    document: dict[str, Any],
    specs: dict[str, RunSpec],
    where: Options,
    switches: Switches,
    folder: Path,
    options: argparse.Namespace,
) -> None:
    first = next(iter(specs.values()))
    execution = plan_execution(first.settings.runtime, choose_device(options.device))
    switches.apply()
    document["rates"] = measure_rates(execution)
    for family, spec in specs.items():
        found = measure_family(
            family,
            spec,
            where,
            switches=switches,
            folder=folder,
            num_workers=document["num_workers"],
            **_pace(options, document["size"]),
        )
        for loop in LOOPS:
            kind = found["execution"]["precision"] if loop == "zoo" else "float32"
            best, reached = document["rates"][kind], found[loop]["operations_per_second"]
            found[loop]["share"] = {
                name: reached / best[name] for name in ("matrix product", "best convolution")
            }
            found[loop]["share"]["own convolutions"] = reached / found["convolution_rate"]
        document["families"][family] = found
        document["ratio"][family] = found["ratio"]["median"]
        print(f"{found['title']}: {found['ratio']['median']:.2f}x", file=sys.stderr, flush=True)


def _add_ablation(
    document: dict[str, Any],
    where: Options,
    switches: Switches,
    folder: Path,
    options: argparse.Namespace,
) -> None:
    open_plain = partial(
        PlainLoop, switches=switches, folder=folder, num_workers=document["num_workers"]
    )
    for family in options.family:
        document["ablation"][family] = measure_ablation(
            partial(_specify, options, document["size"], family),
            where,
            switches=switches,
            open_plain=open_plain,
            **_pace(options, document["size"]),
        )
        print(f"{FAMILIES[family].title}: measured", file=sys.stderr, flush=True)


def _add_precision(
    document: dict[str, Any], where: Options, switches: Switches, options: argparse.Namespace
) -> None:
    if is_emulated(choose_device(options.device)):
        document["precision"] = {"not_measured": EMULATED}
        return
    for family in options.family:
        switches.apply()
        found = measure_precision(
            partial(_specify, options, document["size"], family),
            where,
            **_pace(options, document["size"]),
        )
        document["precision"][family] = found
        print(f"{FAMILIES[family].title}: {found['ratio']['median']:.2f}x", file=sys.stderr)


def _specify(
    options: argparse.Namespace, size: str, family: str, settings: Sequence[str] = ()
) -> RunSpec:
    """Return a family's specification under the options, with further settings."""
    return specify(family, size, source=options.source, settings=[*options.set, *settings])


def _pace(options: argparse.Namespace, size: str) -> dict[str, Any]:
    """Return how much is measured of each pair of loops, by the arguments' names."""
    return {
        "steps": options.steps or SIZES[size].steps,
        "repeats": options.repeats or SIZES[size].repeats,
        "seconds": options.seconds,
    }


def _changes(options: argparse.Namespace) -> list[str]:
    """Return what sets a measurement apart from the published ones, for its name."""
    families = options.family if set(options.family) != set(FAMILIES) else []
    changed = options.set or options.source != "samples"
    return [*families, *(["changed"] if changed else [])]


def _workers() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    return min(MOST_WORKERS, max(1, cores // 2))


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _positive(text: str) -> int:
    return _at_least(1, text)


def _natural(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"{text} is not at least {least}")
    return number


if __name__ == "__main__":
    script.run("benchmarks.speed", main)
