"""How much a training loses when machines, people and disks do their worst: nothing, counted.

    python benchmarks/endurance.py [--kills 50] [--flips 100] [--signals 30] [--steps 2000]

Trainings of the smoke profile, in processes of their own: killed at random moments of training,
validating and saving; with one bit of what they saved flipped; stopped by signals; on a full disk;
two in one directory; and one that is long, whose memory and open files are watched. What comes of
it is counted in benchmarks/results/endurance.json and endurance.md. Last, what a validation and a
checkpoint cost at the demo profile.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import logging
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from zoo.commands.app import main as zoo_main
from zoo.data.images import write_png
from zoo.errors import IntegrityError
from zoo.files import read_hashed
from zoo.recipes.book import load_book
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import specify
from zoo.runs.checkpoint import latest_step, load_latest
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.provenance import machine, versions
from zoo.train.interrupts import EXIT_CODES, leaving_at_once
from zoo.train.observer import Observer
from zoo.train.prepare import Options
from zoo.train.run import train

RESULTS = Path(__file__).parent / "results"
RECIPE = "srgan-wgangp"
EVERY = 3
"""Steps from one validation, and one checkpoint, to the next."""
STEPS = 15
SETTINGS = (
    "losses.vgg19=null",
    f"training.validate_every={EVERY}",
    f"training.checkpoint_every={EVERY}",
)
PHASES = ("training", "validation", "checkpoint")
END = "end"
"""What comes after the last checkpoint: pictures and the summary."""
TIMING = ("images_per_second", "memory_bytes")
STARTED: list[ForkServerProcess] = []
LIMIT = 180.0
"""Seconds after which a process that does not end is taken to hang."""
GRACE = 3.0
"""Seconds that the system may take to clear away a process that has ended."""
SAMPLES = 40
"""How often the long run's memory and open files are read."""

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """What a training said: `started`, `stepped`, `validated`, `saved`, at which step and when."""

    kind: str
    step: int
    at: float


class Reporter(Observer):
    """Sends events through a pipe as they happen."""

    def __init__(self, out: Connection) -> None:
        self._out, self._adversarial = out, False

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:  # noqa: ARG002
        """Say at which step the adversarial stage begins; the stage before is left out."""
        self._adversarial = stage == "adversarial"
        self._send("started", step)

    def stepped(self, step: int, num_images: int) -> None:  # noqa: ARG002  the base's signature
        """Say that a step is done."""
        self._send("stepped", step)

    def logged(self, row: Mapping[str, Any]) -> None:
        """Say that a validation is done."""
        if row["kind"] == "validation":
            self._send("validated", row["step"])

    def saved(self, path: Path, step: int) -> None:  # noqa: ARG002  the base's signature
        """Say that a checkpoint is on disk."""
        self._send("saved", step)

    def _send(self, kind: str, step: int) -> None:
        if self._adversarial:
            self._out.send(Event(kind, step, time.monotonic()))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the trainings of one part are: their specification, zoo's home, a folder, luck."""

    spec: RunSpec
    home: Path
    folder: Path
    luck: random.Random

    def directory(self, name: str, *settings: str) -> RunDirectory:
        """Return the run directory below a run root of this name, with further settings."""
        spec = self.spec
        if settings:
            given = self._given(*settings)
            spec = specify(load_book(), RECIPE, "smoke", settings=given)
        return RunDirectory(run_path(spec, self.folder / name))

    def _given(self, *settings: str) -> list[str]:
        data = f"data.validation={self.spec.settings.data.validation}"
        return [*SETTINGS, f"training.steps={STEPS}", data, *settings]

    def begin(self, name: str) -> None:
        """Make a run root with the finished pretraining in it."""
        shutil.copytree(self.folder / "pretrained", self.folder / name)

    def arguments(self, name: str, *settings: str) -> list[str]:
        """Return the command line that trains the run, with further settings."""
        pairs = [word for setting in self._given(*settings) for word in ("--set", setting)]
        root = str(self.folder / name)
        words = ("train", RECIPE, "--profile", "smoke", "--device", "cpu", "--run-root", root)
        return [*words, *pairs]


# --- processes -------------------------------------------------------------------------------


def context() -> ForkServerContext:
    """Return a context whose children start from a process that has imported torch already."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["__main__", "torch", "timm", "zoo.train.run", __name__])
    return found


def _train(spec: str, run_root: Path, home: Path, out: Connection) -> None:
    os.environ["ZOO_HOME"] = str(home)
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    options = Options(run_root, device="cpu", observer=Reporter(out))
    train(RunSpec.model_validate_json(spec), options)


def _command(arguments: Sequence[str], home: Path, limit: int | None, out: Connection) -> None:
    """Run the program in a process group of its own, its output in a file, with a file limit."""
    os.setsid()
    multiprocessing.set_start_method(None, force=True)  # a program's own, not that of its parent
    os.environ["ZOO_HOME"] = str(home)
    torch.set_num_threads(1)
    told = os.open(home / f"said-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
    os.dup2(told, 1)
    os.dup2(told, 2)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    sys.argv = ["zoo", *arguments]
    with leaving_at_once():
        out.send(None)
        zoo_main()


def start(target: Callable[..., None], *arguments: Any) -> tuple[ForkServerProcess, Connection]:
    """Start a process; return it and the end of the pipe that it speaks to."""
    here, there = context().Pipe(duplex=False)
    process = context().Process(target=target, args=(*arguments, there))
    process.start()
    there.close()
    STARTED.append(process)
    return process, here


def end_all() -> None:
    """Kill what was started and has not ended, with the data workers it has."""
    for process in STARTED:
        if process.is_alive():
            process.kill()  # workers end by themselves, seconds after their parent
    STARTED.clear()


def start_training(place: Place, name: str) -> tuple[ForkServerProcess, Connection]:
    """Start the training of a place's run below a run root."""
    return start(_train, place.spec.model_dump_json(), place.folder / name, place.home)


def events(pipe: Connection) -> Iterator[Event]:
    """Yield what a training says until it ends."""
    while pipe.poll(LIMIT):
        try:
            yield pipe.recv()
        except (EOFError, OSError):
            return
    raise TimeoutError(f"a training said nothing for {LIMIT:.0f} s")


def exit_code(process: ForkServerProcess) -> int:
    """Wait for the end of a process and return its exit code."""
    process.join(LIMIT)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"process {process.pid} did not end within {LIMIT:.0f} s")
    return process.exitcode


def finish(place: Place, name: str) -> list[Event]:
    """Train to the end and return what was said."""
    process, pipe = start_training(place, name)
    heard = list(events(pipe))
    code = exit_code(process)
    if code != 0:
        raise RuntimeError(f"a training ended with {code}")
    return heard


def told(place: Place, process: ForkServerProcess) -> str:
    """Return what a command wrote, in one line."""
    return " ".join((place.home / f"said-{process.pid}").read_text().split())


# --- what a run ended in ---------------------------------------------------------------------


def end_of(directory: RunDirectory) -> dict[str, Any]:
    """Return all that a finished run left: its newest state, its weights, its rows."""
    state = load_latest(directory.checkpoints) or {}
    rows = [{k: v for k, v in row.items() if k not in TIMING} for row in directory.rows()]
    kept = {name: part for name, part in state.items() if name != "seconds"}
    return {"state": kept, "weights": directory.read_weights()[0], "rows": rows}


def same_bits(first: Any, second: Any) -> bool:
    """Compare nested states to the bit."""
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            same_bits(first[key], second[key]) for key in first
        )
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same_bits, first, second))
    return bool(first == second)


# --- the parts -------------------------------------------------------------------------------


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


def finish_straight(place: Place) -> list[Event]:
    """Train the run that nothing happens to, once; return what was said."""
    if not (place.folder / "straight").exists():
        place.begin("straight")
    shutil.rmtree(place.directory("straight").path, ignore_errors=True)
    return finish(place, "straight")


def flip(place: Place, num_flips: int) -> Result:
    """Flip single bits of a checkpoint and of weights; look whether it is seen, said and mended."""
    finish_straight(place)
    directory = place.directory("straight")
    newest = max(directory.checkpoints.glob("step-*.pt"))
    before, expected = latest_step(directory.checkpoints) - EVERY, end_of(directory)
    count: Counter[str] = Counter()
    for number in range(num_flips):
        with flipped(newest, place.luck), hearing() as said:
            state = load_latest(directory.checkpoints)
            count["checkpoint: the one before used"] += (
                state is not None and state["step"] == before
            )
            count["checkpoint: said"] += f"{newest.name} is damaged" in said.getvalue()
        with flipped(directory.weights, place.luck):
            try:
                directory.read_weights()
            except IntegrityError as error:
                count["weights: refused, said"] += str(directory.weights) in str(error)
        if number % 10 == 0:
            count["ends compared"] += 1
            shutil.copytree(place.folder / "straight", place.folder / "flipped")
            copy = place.directory("flipped")
            with (
                flipped(copy.weights, place.luck),
                flipped(copy.checkpoints / newest.name, place.luck),
            ):
                finish(place, "flipped")
                count["equal ends"] += same_bits(end_of(copy), expected)
            shutil.rmtree(place.folder / "flipped")
    return {"checkpoint: bits flipped": num_flips, "weights: bits flipped": num_flips, **count}


@contextmanager
def flipped(path: Path, luck: random.Random) -> Iterator[None]:
    """Flip one bit of a file, and put the file back as it was afterwards."""
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[luck.randrange(len(damaged))] ^= 1 << luck.randrange(8)
    path.write_bytes(damaged)
    try:
        yield
    finally:
        path.write_bytes(content)


@contextmanager
def hearing() -> Iterator[io.StringIO]:
    """Collect what the library logs."""
    said = io.StringIO()
    handler, logger = logging.StreamHandler(said), logging.getLogger("zoo")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)


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
        process, pipe = start(_command, arguments, place.home, None)
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


def wait_for_rows(directory: RunDirectory, process: ForkServerProcess) -> None:
    """Wait until a training has logged a step."""
    deadline = time.monotonic() + LIMIT
    while not any(row["kind"] == "train" for row in directory.rows()):
        if time.monotonic() > deadline or process.exitcode is not None:
            raise TimeoutError(f"{directory.path}: no step, exit code {process.exitcode}")
        time.sleep(0.02)


def fill_disk(place: Place) -> Result:
    """Let a training meet the limit of a file's size while it saves; then go on without."""
    finish_straight(place)
    expected, straight = end_of(place.directory("straight")), place.directory("straight")
    largest = max(path.stat().st_size for path in straight.checkpoints.glob("step-*.pt"))
    name = "full"
    place.begin(name)
    process, pipe = start_training(place, name)
    for event in events(pipe):
        if (event.kind, event.step) == ("saved", EVERY):
            process.kill()
    exit_code(process)
    saved = latest_step(place.directory(name).checkpoints)
    process, pipe = start(_command, place.arguments(name), place.home, largest // 2)
    pipe.recv()
    code, message = exit_code(process), told(place, process)
    state = load_latest(place.directory(name).checkpoints)
    finish(place, name)
    return {
        "exit code": code,
        "said": message[message.find("cannot write") :].replace(str(place.folder), "..."),
        "earlier checkpoint intact": state is not None and state["step"] >= saved,
        "equal end afterwards": same_bits(end_of(place.directory(name)), expected),
    }


def share(place: Place) -> Result:
    """Start a second process on a run directory; kill the first; start a third."""
    name = "shared"
    place.begin(name)
    settings = ("training.steps=1000000", "training.log_every=1")
    endless = place.arguments(name, *settings)
    first, pipe = start(_command, endless, place.home, None)
    pipe.recv()
    wait_for_rows(place.directory(name, *settings), first)
    second, pipe = start(_command, endless, place.home, None)
    pipe.recv()
    code, message = exit_code(second), told(place, second)
    first.kill()
    exit_code(first)
    lock = place.directory(name, *settings).lock()
    with lock:  # raises if the dead one still held it
        free = True
    return {
        "exit code of the second": code,
        "names the holder": f"process {first.pid} on " in message and " since " in message,
        "free after kill -9": free,
    }


def last_long(place: Place, num_steps: int) -> Result:
    """Read memory and open files of a long training; its first quarter warms up."""
    name = "long"
    place.begin(name)
    settings = (f"training.steps={num_steps}", "training.log_every=1")
    process, pipe = start(_command, place.arguments(name, *settings), place.home, None)
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


def price(place: Place, profile: str = "demo", num_steps: int = 12) -> Result:
    """Measure a step, a validation and a checkpoint of a profile, and their shares of its run."""
    book, found = load_book(), {}
    for recipe in ("srresnet", RECIPE):
        usual = resolve(book, recipe, profile, seed=0, settings=[]).spec.settings.training
        lengths = [f"training.steps={num_steps}"]
        lengths += ["training.validate_every=4", "training.checkpoint_every=4"]
        spec = specify(book, recipe, profile, settings=lengths)
        inner = spec.pretraining
        if inner is not None:
            training = inner.settings.training.model_copy(update={"steps": 1})
            settings = inner.settings.model_copy(update={"training": training})
            spec = spec.model_copy(
                update={"pretraining": inner.model_copy(update={"settings": settings})}
            )
        timer = Timer()
        train(spec, Options(place.folder / f"price-{recipe}", device="cpu", observer=timer))
        seconds = timer.medians()
        length = float(usual.steps or 0)
        parts = {
            "training": seconds["training"] * length,
            "validation": seconds["validation"] * (1 + length // usual.validate_every),
            "checkpoint": seconds["checkpoint"] * (length // usual.checkpoint_every),
        }
        whole = sum(parts.values())
        found[recipe] = {f"seconds a {phase}": round(seconds[phase], 4) for phase in PHASES} | {
            f"share of {phase}": round(parts[phase] / whole, 4) for phase in PHASES
        }
    return {"profile": profile, "threads": torch.get_num_threads(), **found}


class Timer(Observer):  # its arguments are the base's
    """Measures what the last stage of a run spends its time on."""

    def __init__(self) -> None:
        self._found: dict[str, list[float]] = {}
        self._since = 0.0

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:  # noqa: ARG002
        """Begin anew."""
        self._found = {phase: [] for phase in PHASES}
        self._since = time.perf_counter()

    def stepped(self, step: int, num_images: int) -> None:  # noqa: ARG002
        """Take a step's time."""
        self._take("training")

    def logged(self, row: Mapping[str, Any]) -> None:
        """Take a validation's time."""
        if row["kind"] == "validation":
            self._take("validation")

    def saved(self, path: Path, step: int) -> None:  # noqa: ARG002
        """Take a checkpoint's time."""
        self._take("checkpoint")

    def medians(self) -> dict[str, float]:
        """Return the median seconds of each phase."""
        return {phase: median(seconds) for phase, seconds in self._found.items()}

    def _take(self, phase: str) -> None:
        now = time.perf_counter()
        self._found[phase].append(now - self._since)
        self._since = now


# --- the whole -------------------------------------------------------------------------------


@contextmanager
def opened(folder: Path, *, seed: int = 0) -> Iterator[Place]:
    """Make a place for trainings: small validation images, a finished pretraining, zoo's home."""
    home, images = folder / "home", folder / "images"
    for made in (home, images):
        made.mkdir(parents=True)
    before = os.environ.get("ZOO_HOME")
    os.environ["ZOO_HOME"] = str(home)
    noise = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        write_png(images / f"{number}.png", pixels.repeat(4, 0).repeat(4, 1))
    settings = [*SETTINGS, f"training.steps={STEPS}", f"data.validation={images}"]
    spec = specify(load_book(), RECIPE, "smoke", settings=settings)
    place = Place(spec, home, folder, random.Random(seed))  # noqa: S311
    try:
        if spec.pretraining is not None:
            train(spec.pretraining, Options(folder / "pretrained", device="cpu"))
        yield place
    finally:
        end_all()
        os.environ.pop("ZOO_HOME")
        if before is not None:
            os.environ["ZOO_HOME"] = before


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


def document(found: Mapping[str, Result]) -> str:
    """Write the counts as Markdown."""
    lines = ["# Endurance", "", "Made by `python benchmarks/endurance.py` on " + machine() + "."]
    for name, result in found.items():
        lines += ["", f"## {name.capitalize()}", "", "| what | found |", "|---|---|"]
        lines += [f"| {key} | {_text(value)} |" for key, value in result.items()]
    return "\n".join([*lines, ""])


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " and ".join(map(str, value))
    return "yes" if value is True else "no" if value is False else str(value)


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
