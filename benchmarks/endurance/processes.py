"""Trainings in processes of their own, what they report, and how they end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.commands.app import main as zoo_main
from zoo.data.images import write_png
from zoo.recipes.book import load_book
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import specify
from zoo.runs.directory import RunDirectory, run_path
from zoo.train.interrupts import leaving_at_once
from zoo.train.observer import Observer
from zoo.train.prepare import Options
from zoo.train.run import train

RECIPE = "srgan-wgangp"
EVERY = 3
"""Steps from one validation, and one checkpoint, to the next."""
STEPS = 15
SETTINGS = (
    "losses.vgg19=null",
    f"training.validate_every={EVERY}",
    f"training.checkpoint_every={EVERY}",
)
STARTED: list[ForkServerProcess] = []
LIMIT = 180.0
"""Seconds after which a process that does not end is taken to hang."""

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


def context() -> ForkServerContext:
    """Return a context whose children start from a process that has imported torch already."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["__main__", "torch", "timm", "zoo.train.run", __name__])
    return found


def run_training(spec: str, run_root: Path, home: Path, out: Connection) -> None:
    """Train with one thread and send the events of the training."""
    os.environ["ZOO_HOME"] = str(home)
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    options = Options(run_root, device="cpu", observer=Reporter(out))
    train(RunSpec.model_validate_json(spec), options)


def run_command(arguments: Sequence[str], home: Path, limit: int | None, out: Connection) -> None:
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
    return start(run_training, place.spec.model_dump_json(), place.folder / name, place.home)


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


def wait_for_rows(directory: RunDirectory, process: ForkServerProcess) -> None:
    """Wait until a training has logged a step."""
    deadline = time.monotonic() + LIMIT
    while not any(row["kind"] == "train" for row in directory.rows()):
        if time.monotonic() > deadline or process.exitcode is not None:
            raise TimeoutError(f"{directory.path}: no step, exit code {process.exitcode}")
        time.sleep(0.02)
