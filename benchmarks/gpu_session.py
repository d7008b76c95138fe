"""A session on a borrowed GPU: tests and trainings within a time budget; see gpu.sh.

Only the standard library is imported: the packages the stages need may be wheels that this
unpacks first. What is carried home is chosen in take_home.py, which runs as the last stage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ("srresnet-nobn", "rrdb", "esrgan-wgangp")
GPU_TESTS = ("tests/gpu", "tests/data/test_device_store.py")
"""Where the tests marked `gpu` are; others may need packages that a borrowed machine lacks."""
DONE, USAGE, FAILED, STOPPED = 0, 2, 3, 128 + signal.SIGTERM
RESERVED_SHARE, RESERVED_MOST = 0.2, 60.0
"""Of the budget, and in seconds: what collecting results may take."""
HARVEST_LIMIT = 120.0
"""Seconds: collecting goes on past the end of the budget, but not for ever."""
GRACE = 60.0
"""Seconds a stage has to save its state once it is told to stop."""
TAIL = 15
"""Lines shown of a stage that failed."""

Status = Literal["done", "stopped", "failed", "not begun"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A command to run, and the file its output goes to."""

    name: str
    command: list[str]
    log: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stage ended."""

    name: str
    status: Status
    exit_code: int | None = None
    seconds: float = 0.0


class Terminated(Exception):  # noqa: N818  it is a wish, not an error
    """Somebody asked the whole session to stop."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a session; return its exit status."""
    options = parse(arguments)
    deadline = time.monotonic() + 60 * options.minutes
    signal.signal(signal.SIGTERM, terminate)
    for folder in ("home", "logs", "runs"):
        (options.out_dir / folder).mkdir(parents=True, exist_ok=True)
    environment = stage_environment(options.wheels, options.out_dir / "packages")
    reserved = min(RESERVED_MOST, RESERVED_SHARE * 60 * options.minutes)
    outcomes = []
    for stage in stages(options):
        outcomes.append(run_stage(stage, environment, deadline - reserved - time.monotonic()))
        report(outcomes[-1], stage.log)
        if outcomes[-1].name == "tests" and outcomes[-1].status == "done":
            _tests_stamp(options.out_dir).touch()
    session = {"minutes": options.minutes, "stages": [asdict(outcome) for outcome in outcomes]}
    (options.out_dir / "session.json").write_text(json.dumps(session, indent=2) + "\n")
    harvest = harvest_stage(options)
    outcomes.append(run_stage(harvest, environment, HARVEST_LIMIT))
    report(outcomes[-1], harvest.log)
    print(f"to carry home: {options.out_dir / 'home'}")
    return exit_status(outcomes)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; a mistake is explained and exits 2."""
    parser = argparse.ArgumentParser(prog="gpu.sh", description="Use a GPU for some minutes.")
    parser.add_argument("data_dir", type=Path, help="folder of photographs to train on")
    parser.add_argument("out_dir", type=Path, help="where everything is left; again to go on")
    parser.add_argument("--minutes", type=float, default=9.0, help="in all; default 9")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu; default cuda")
    parser.add_argument("--profile", default="short", help="how much training; default short")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), metavar="RECIPE")
    parser.add_argument("--data-root", type=Path, help="folder of named datasets")
    parser.add_argument("--seeds", type=int, default=1, help="of each recipe; default 1")
    parser.add_argument("--suite", help="what to score on; classical-x4 with --data-root")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="PATH=VALUE",
        help="passed on to each training; may be repeated",
    )  # fmt: skip
    parser.add_argument("--wheels", type=Path, help="folder of wheels that the machine lacks")
    parser.add_argument("--no-tests", action="store_true", help="leave the tests out")
    parser.add_argument("--resume-tar", action="store_true", help="pack what resuming needs")
    options = parser.parse_args(arguments)
    for name in ("data_dir", "out_dir", "data_root", "wheels"):
        path = getattr(options, name)
        if path is not None:
            path = path.expanduser().resolve()
            setattr(options, name, path)
            if name != "out_dir" and not path.is_dir():
                parser.error(f"{path} is not a folder")
    if options.minutes <= 0:
        parser.error("--minutes: give a number above 0")
    return options


def stages(options: argparse.Namespace) -> Iterator[Stage]:
    """Yield what is to be run, in order."""
    logs = options.out_dir / "logs"
    if not options.no_tests and not _tests_stamp(options.out_dir).exists():
        # This machine's packages are not ours: their warnings are shown and are no errors.
        quiet = ["-W", "default", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", "-m", "gpu", *quiet, *GPU_TESTS]
        yield Stage("tests", command, options.out_dir / "home" / "tests.txt")
    shared = ["--profile", options.profile, "--data", str(options.data_dir)]
    shared += ["--device", options.device, "--run-root", str(options.out_dir / "runs")]
    if options.data_root is not None:
        shared += ["--data-root", str(options.data_root)]
    for setting in options.settings:
        shared += ["--set", setting]
    for recipe in options.recipes:
        command = [sys.executable, "cli.py", "train", recipe, *shared]
        yield Stage(recipe, command, logs / f"{recipe}.txt")
    records = ["--records", str(options.out_dir / "records"), "--suite", _suite(options)]
    command = [sys.executable, "cli.py", "bench", *options.recipes, *shared, *records]
    command += ["--train", "--seeds", str(options.seeds)]
    yield Stage("bench", command, options.out_dir / "home" / "bench.txt")


def _suite(options: argparse.Namespace) -> str:
    """Return the suite to score on: the classical sets where there is a folder of datasets."""
    return options.suite or ("samples-x4" if options.data_root is None else "classical-x4")


def harvest_stage(options: argparse.Namespace) -> Stage:
    """Return the stage that collects the small files of all runs."""
    command = [sys.executable, str(ROOT / "benchmarks" / "take_home.py"), str(options.out_dir)]
    command += ["--device", options.device]
    if options.data_root is not None:
        command += ["--data-root", str(options.data_root)]
    if options.resume_tar:
        command.append("--resume-tar")
    return Stage("take home", command, options.out_dir / "logs" / "take_home.txt")


def stage_environment(wheels: Path | None, packages: Path) -> dict[str, str]:
    """Return the environment of all stages: no network, carried packages first.

    A wheel is a zip file whose content is importable where it lies.
    """
    path = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    if wheels is not None:
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(packages)
        path.insert(0, str(packages))
    offline = {"ZOO_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **offline, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def run_stage(
    stage: Stage, environment: dict[str, str], seconds: float, *, grace: float = GRACE
) -> Outcome:
    """Run a stage for so many seconds at most; then it gets SIGTERM and time to save."""
    if seconds <= 0:
        return Outcome(stage.name, "not begun")
    since = time.monotonic()
    with stage.log.open("a") as log:
        # A session of its own: Ctrl-C reaches it through us alone, once; twice would not be saved.
        process = subprocess.Popen(  # noqa: S603  the command is our own
            stage.command,
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            _stop(process, grace)
        except BaseException:
            _stop(process, grace)
            raise
    return Outcome(
        stage.name, _status(process.returncode), process.returncode, time.monotonic() - since
    )


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """Return the status of a session: a failure outweighs a lack of time."""
    found = {outcome.status for outcome in outcomes}
    if "failed" in found:
        return FAILED
    return DONE if found == {"done"} else STOPPED


def _status(exit_code: int) -> Status:
    if exit_code == 0:
        return "done"
    # before its first step a training has nothing to save, and ends by the signal itself
    return "stopped" if exit_code in (STOPPED, -signal.SIGTERM) else "failed"


def _stop(process: subprocess.Popen[bytes], grace: float) -> None:
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def report(outcome: Outcome, log: Path) -> None:
    """Print how a stage ended and, of one that failed, the last lines it printed."""
    print(f"{outcome.name}: {outcome.status} after {outcome.seconds:.0f} s", flush=True)
    if outcome.status == "failed":
        lines = log.read_text(errors="replace").splitlines()[-TAIL:]
        print("\n".join(f"    {line}" for line in lines), f"    ({log})", sep="\n", flush=True)


def _tests_stamp(out_dir: Path) -> Path:
    """Return the file that says the tests have passed here and need not run again."""
    return out_dir / "logs" / "tests-passed"


def terminate(_number: int, _frame: FrameType | None) -> None:
    """Take SIGTERM as the wish that the whole session stops."""
    raise Terminated


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, Terminated):
        print("stopped; the same command goes on from what was saved", file=sys.stderr)
        sys.exit(STOPPED)
