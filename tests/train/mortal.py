"""Trainings in processes of their own, which the test may kill at any moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

import torch

from zoo.recipes.schema import RunSpec
from zoo.train.observer import Observer
from zoo.train.prepare import Options
from zoo.train.run import train

STAGES = ("content", "adversarial")
PRELOADED = ["__main__", "torch", "timm", "zoo.train.run", "zoo.recipes.checks", __name__]
LIMIT = 120.0
"""Seconds after which a child that neither ends nor reaches its moment is taken to hang."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: so many seconds after a step's update, before anything of it is written.

    The step is that one or, where the run has got further already, the next one it takes.
    """

    stage: str
    step: int
    delay: float = 0.0

    def __str__(self) -> str:
        after = f"+{1e3 * self.delay:.0f}ms" if self.delay else ""
        return f"{self.stage[0]}{self.step}{after}"

    def is_reached(self, stage: str, step: int) -> bool:
        """Tell whether a step of a stage is at or past this moment's."""
        return (STAGES.index(stage), step) >= (STAGES.index(self.stage), self.step)


def forkserver() -> ForkServerContext:
    """Return a context whose children start from a process that has imported torch already.

    Imports are all it has: no thread, no random number, no tensor is shared between children.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class _Herald(Observer):
    """Kills its own process at the moment or, if the moment comes later, tells the parent."""

    def __init__(self, moment: Moment, parent: Connection) -> None:
        self._moment, self._parent = moment, parent
        self._stage, self._told = "", False

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        self._stage = stage

    def stepped(self, step: int, num_images: int) -> None:
        if self._told or not self._moment.is_reached(self._stage, step):
            return
        if self._moment.delay == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._told = True
        self._parent.send(step)


def _train(spec: str, run_root: Path, home: str, moment: Moment | None, parent: Connection) -> None:
    os.environ["ZOO_HOME"] = home  # a child of a forkserver has the environment of the server
    torch.set_num_threads(1)
    observer = Observer() if moment is None else _Herald(moment, parent)
    train(RunSpec.model_validate_json(spec), Options(run_root, device="cpu", observer=observer))


def train_elsewhere(spec: RunSpec, run_root: Path, moment: Moment | None = None) -> int:
    """Train in a process of its own, and kill it at a moment if one is given.

    Returns:
        Exit code of the process, -9 if it was killed.
    """
    context = forkserver()
    here, there = context.Pipe(duplex=False)
    arguments = (spec.model_dump_json(), run_root, os.environ["ZOO_HOME"], moment, there)
    child = context.Process(target=_train, args=arguments)
    child.start()
    there.close()
    try:
        if here.poll(LIMIT):  # the moment, or the end of the process, which closes the pipe
            here.recv()
            time.sleep(0.0 if moment is None else moment.delay)
            child.kill()
    except EOFError:
        pass
    child.join(LIMIT)
    if child.exitcode is None:
        child.kill()
        raise TimeoutError(f"{spec.recipe}: no end within {LIMIT:.0f} s of {moment}")
    return child.exitcode


def train_through(spec: RunSpec, run_root: Path, moments: Sequence[Moment]) -> int:
    """Train to the end, killed at each moment on the way; return how many kills met the run."""
    codes = [train_elsewhere(spec, run_root, moment) for moment in moments]
    assert set(codes) <= {0, -signal.SIGKILL}, codes
    assert train_elsewhere(spec, run_root) == 0
    return codes.count(-signal.SIGKILL)
