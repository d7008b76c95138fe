"""Every measurement that needs a GPU, in ten minutes, in one JSON and one Markdown file.

    benchmarks/gpu.sh measure OUT_DIR [--minutes 9.5] [--size paper] [--device cuda]
        [--set runtime.compile=true]

One process a part, each with a limit: the tests marked `gpu`; training against a plain loop
(`benchmarks/speed`), family by family; the kernels of one ESRGAN-WGAN-GP step; scoring against a
per-image loop; what each optimisation brings (precision, compilation, CUDA graphs, images on the
device, ...), family by family; what the networks of perceptual losses cost. A part that overruns is
stopped, and the page says so; the rest go on. What is done is kept in OUT_DIR/parts: the same
command does what is missing, `--again` all of it.

Only the standard library is imported, as in gpu_session.py. Exit status: 0 all done; 143 a part was
stopped or not begun; 3 one failed; 2 usage.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gpu_session import (
    GPU_TESTS,
    STOPPED,
    Outcome,
    Stage,
    Terminated,
    exit_status,
    report,
    run_stage,
    stage_environment,
    terminate,
)

FAMILIES = ("srresnet", "srgan", "esrgan", "esrgan-wgangp")
SIZES = ("smoke", "tiny", "paper")
KINDS = ("tests", "speed", "profile", "scoring", "ablation", "features")
GRACE = 5.0
"""Seconds between telling a part to stop and killing it: it has nothing to save."""
SCORING = {
    "smoke": ["--generators", "bicubic", "--images", "2", "--side", "64", "--repeats", "1"],
    "tiny": ["--generators", "bicubic", "--images", "2", "--side", "128", "--repeats", "2"],
    "paper": ["--generators", "bicubic", "srresnet", "rrdb", "--images", "10", "--repeats", "3"],
}
"""Options of the scoring benchmark, by size."""


@dataclass(frozen=True, slots=True)
class Part:
    """A measurement.

    Attributes:
        name: of its log and result, and its heading; begins with one of `KINDS`.
        command: writes the result.
        result: a JSON file, or the tests' own report.
        seconds: the most it may take.
    """

    name: str
    command: list[str]
    result: Path
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, write both files and return the exit status."""
    options = parse(arguments)
    deadline = time.monotonic() + 60 * options.minutes
    signal.signal(signal.SIGTERM, terminate)
    (options.out_dir / "parts").mkdir(parents=True, exist_ok=True)
    environment = stage_environment(options.wheels, options.out_dir / "packages")
    states = read_states(options)
    for part in wanted(options):
        if _is_done(states, part):
            print(f"{part.name}: done before", flush=True)
            continue
        part.result.unlink(missing_ok=True)
        stage = Stage(part.name, part.command, options.out_dir / "parts" / f"{part.name}.txt")
        stage.log.unlink(missing_ok=True)
        limit = min(part.seconds, deadline - time.monotonic())
        outcome = run_stage(stage, environment, limit, grace=GRACE)
        report(outcome, stage.log)
        states[part.name] = asdict(outcome) | {"limit": limit}
        write(options, states)
    outcomes = [Outcome(name, state["status"]) for name, state in states.items()]
    print(f"{options.out_dir / options.name}.json and .md", flush=True)
    return exit_status(outcomes)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; a mistake is explained and exits 2."""
    parser = argparse.ArgumentParser(prog="gpu.sh measure", description="Measure on a GPU.")
    parser.add_argument("out_dir", type=Path, help="where everything is left; again to go on")
    parser.add_argument("--minutes", type=float, default=9.5, help="in all; default 9.5")
    parser.add_argument("--size", choices=SIZES, default="paper")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu; default cuda")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--parts", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--source", default="samples", help="training images; default samples")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="PATH=VALUE",
        help="of all trainings, such as runtime.compile=true; may be repeated",
    )  # fmt: skip
    parser.add_argument("--limit", type=float, default=1.0, help="factor of all parts' limits")
    parser.add_argument("--name", default="gpu", help="of the two files; default gpu")
    parser.add_argument("--wheels", type=Path, help="folder of wheels that the machine lacks")
    parser.add_argument("--again", action="store_true", help="measure what is done already, too")
    options = parser.parse_args(arguments)
    options.out_dir = options.out_dir.expanduser().resolve()
    if options.wheels is not None and not options.wheels.is_dir():
        parser.error(f"{options.wheels} is not a folder")
    if options.minutes <= 0 or options.limit <= 0:
        parser.error("--minutes and --limit: give numbers above 0")
    return options


def wanted(options: argparse.Namespace) -> Iterator[Part]:
    """Yield the measurements of the kinds that are asked for."""
    kinds = tuple(options.parts)
    yield from (part for part in parts(options) if part.name.startswith(kinds))


def parts(options: argparse.Namespace) -> Iterator[Part]:
    """Yield the measurements in order; limits of the first ones add up to nine and a half minutes.

    What each optimisation brings and what feature networks cost come last: for another call.
    """
    place = options.out_dir / "parts"
    python, shared = sys.executable, ["--size", options.size, "--device", options.device]
    shared += ["--source", options.source]
    shared += [word for setting in options.settings for word in ("--set", setting)]
    # This machine's packages are not ours: their warnings are shown and are no errors.
    quiet = ["-q", "-W", "default", "-p", "no:cacheprovider"]
    quiet += ["-o", "addopts=", "--import-mode=importlib"]
    result = place / "tests.xml"
    tests = ["-m", "pytest", "-m", "gpu", *quiet, f"--junitxml={result}", *GPU_TESTS]
    yield Part("tests", [python, *tests], result, 90 * options.limit)
    for family in options.families:
        name = f"speed-{family}"
        command = [python, "-m", "benchmarks.speed", *shared, "--family", family]
        command += ["--output", str(place), "--name", name]
        yield Part(name, command, place / f"{name}.json", 90 * options.limit)
    result = place / "profile.json"
    command = [python, "-m", "benchmarks.step_profile", *shared, "--output", str(result)]
    yield Part("profile", command, result, 60 * options.limit)
    result = place / "scoring.json"
    command = [python, "-m", "benchmarks.scoring_speed", *SCORING[options.size]]
    command += ["--device", options.device, "--output", str(result)]
    yield Part("scoring", command, result, 60 * options.limit)
    for family in options.families:
        name = f"ablation-{family}"
        command = [python, "-m", "benchmarks.speed", *shared, "--family", family, "--ablation"]
        command += ["--seconds", "8", "--output", str(place), "--name", name]
        yield Part(name, command, place / f"{name}.json", 240 * options.limit)
    result = place / "features.json"
    command = [python, "-m", "benchmarks.feature_network_speed", "--size", options.size]
    command += ["--device", options.device, "--output", str(result)]
    yield Part("features", command, result, 90 * options.limit)


def read_states(options: argparse.Namespace) -> dict[str, Any]:
    """Return how parts ended before, by name; nothing where other options were measured."""
    path = _document(options)
    if options.again or not path.is_file():
        return {}
    document = json.loads(path.read_text())
    return document["parts"] if document["options"] == _identity(options) else {}


def write(options: argparse.Namespace, states: Mapping[str, Any]) -> None:
    """Write both files from what there is so far."""
    found = {
        part.name: json.loads(part.result.read_text())
        for part in parts(options)
        if part.result.suffix == ".json" and _is_done(states, part)  # another may be half a file
    }
    first: Mapping[str, Any] = next(iter(found.values()), {})
    document = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": _identity(options),
        **{key: first.get(key) for key in ("device", "machine", "versions")},
        "parts": states,
        "ratio": {
            family: ratio
            for name, result in found.items()
            if name.startswith("speed-")
            for family, ratio in result["ratio"].items()
        },
        "results": found,
    }
    path = _document(options)
    for place, text in (
        (path, json.dumps(document, indent=2) + "\n"),
        (path.with_suffix(".md"), page(options, document)),
    ):
        unfinished = place.with_suffix(".unfinished")
        unfinished.write_text(text)
        unfinished.replace(place)


def _is_done(states: Mapping[str, Any], part: Part) -> bool:
    return states.get(part.name, {}).get("status") == "done" and part.result.is_file()


def page(options: argparse.Namespace, document: Mapping[str, Any]) -> str:
    """Return the Markdown: how the parts ended, then what each printed."""
    software = ", ".join(f"{name} {text}" for name, text in (document["versions"] or {}).items())
    size = ", ".join([options.size, *options.settings])
    lines = [
        f"# Measured on {document['device'] or options.device}",
        "",
        f"{document['machine']}; {software}. Size {size}; {document['created']}.",
        "",
        "| part | ended | seconds | limit |",
        "|---|---|---:|---:|",
    ]
    for name, state in document["parts"].items():
        lines.append(
            f"| {name} | {_ended(state)} | {state['seconds']:.0f} | {state['limit']:.0f} |"
        )
    for name, state in document["parts"].items():
        log = options.out_dir / "parts" / f"{name}.txt"
        printed = log.read_text(errors="replace").strip() if log.is_file() else ""
        is_page = state["status"] == "done" and name != "tests"
        shown = printed if is_page else f"```\n{_tail(printed)}\n```"
        lines += ["", f"## {name}", "", shown]
    return "\n".join(lines) + "\n"


def _ended(state: Mapping[str, Any]) -> str:
    status: str = state["status"]
    said = {"stopped": "cut: it overran its limit", "not begun": "not begun: no time was left"}
    return said.get(status, status)


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-15:])


def _identity(options: argparse.Namespace) -> dict[str, Any]:
    """Return what measurements of one document share."""
    return {name: getattr(options, name) for name in ("size", "device", "source", "settings")}


def _document(options: argparse.Namespace) -> Path:
    path: Path = options.out_dir / f"{options.name}.json"
    return path


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, Terminated):
        print("stopped; the same command goes on with the part at hand", file=sys.stderr)
        sys.exit(STOPPED)
