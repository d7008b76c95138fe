"""Runs a sweep's jobs one after another in a process of their own.

A job is plain JSON; its result is a run directory, so running an interrupted sweep again resumes
it. A crash, for example from exhausted memory, costs one job: the process is restarted for the next
one.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from zoo.apart import ending, pipes, start_module
from zoo.recipes.schema import RunSpec
from zoo.runs import RUN_ROOT
from zoo.signals import heeded
from zoo.train.interrupts import Interrupted, wish_before
from zoo.train.observer import Observer

Status = Literal["finished", "diverged", "failed"]
EXIT_CODE_OF_SIGNAL = 128


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one job.

    Attributes:
        spec: the run.
        status: `finished`; `diverged`: a value was not finite; `failed`: anything else.
        message: why it did not finish, empty if it did.
    """

    spec: RunSpec
    status: Status
    message: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and on which device a sweep's jobs run.

    Attributes:
        run_root: folder of run directories.
        data_root: folder of datasets, None for the default.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.
        plugins: plugin files that the recipes need.
        sources: command-line options for the sources of recipes, components and data.
    """

    run_root: Path = RUN_ROOT
    data_root: Path | None = None
    device: str = "auto"
    plugins: tuple[Path, ...] = ()
    sources: tuple[str, ...] = ()


def run_jobs(specs: Sequence[RunSpec], settings: Settings, observer: Observer) -> Iterator[Outcome]:
    """Train runs one after another; yield the outcome of each.

    Args:
        specs: the runs.
        settings: where and on which device.
        observer: receives progress events.

    Raises:
        Interrupted: if Ctrl-C or one of `zoo.signals.ENDING` stopped it; the current run saved its
            state.
    """
    worker = Worker()
    try:
        for spec in specs:
            with stopping(worker):
                result = worker.run(job_document(spec, settings), observer)
            if worker.stopped_by is not None:
                raise Interrupted(worker.stopped_by, int(result.get("step", 0)))
            if result["status"] == "interrupted":  # somebody stopped the worker, not us
                number = int(result["exit_code"]) - EXIT_CODE_OF_SIGNAL
                raise Interrupted(number, int(result["step"]))
            yield Outcome(spec, result["status"], result.get("message", ""))
    finally:
        worker.close()


def job_document(spec: RunSpec, settings: Settings) -> dict[str, Any]:
    """Return a job as `zoo.sweep.worker` reads it."""
    data_root = None if settings.data_root is None else str(settings.data_root.resolve())
    return {
        "spec": spec.model_dump(mode="json"),
        "options": {
            "run_root": str(settings.run_root),
            "data_root": data_root,
            "device": settings.device,
            "sources": settings.sources,
        },
        "plugins": [str(path.resolve()) for path in settings.plugins],
    }


class Worker:
    """The process that trains; started for the first job and after each crash.

    Args:
        environment: environment variables of the process.

    Attributes:
        stopped_by: the signal that requested a stop, None without one.
    """

    def __init__(self, **environment: str) -> None:
        self._environment = environment
        self.process: subprocess.Popen[str] | None = None
        self.stopped_by: int | None = None

    def stop(self, number: int) -> None:
        """Make the process save and end its job, as a signal requests; also before its start."""
        self.stopped_by = self.stopped_by or number
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def run(self, job: dict[str, Any], observer: Observer) -> dict[str, Any]:
        """Run one job and return its result."""
        try:
            process = self._begin(job)
        except BrokenPipeError:  # it died before it could hear of the job: not the job's fault
            self._forget()
            try:
                process = self._begin(job)
            except BrokenPipeError:
                return self._death()
        for line in pipes(process)[1]:
            document: dict[str, Any] = json.loads(line)
            if "result" in document:
                result: dict[str, Any] = document["result"]
                if result.get("ends"):
                    self._forget()
                return result
            _tell(observer, document["event"], document["arguments"])
        return self._death()

    def close(self) -> None:
        """End the process; there are no more jobs."""
        if self.process is None:
            return
        given, output = pipes(self.process)
        with suppress(BrokenPipeError):  # it is gone, with what was not flushed
            given.close()
        self.process.wait()
        output.close()

    def _begin(self, job: dict[str, Any]) -> subprocess.Popen[str]:
        """Send a job to the process; start a new process if the last one is gone."""
        if self.process is not None and self.process.poll() is not None:
            self._forget()
        if self.process is None:
            self.process = start_module("zoo.sweep.worker", **self._environment)
            if self.stopped_by is not None:  # while it was started
                self.stop(self.stopped_by)
        given, _ = pipes(self.process)
        given.write(json.dumps(job) + "\n")
        given.flush()
        return self.process

    def _forget(self) -> None:
        self.close()
        self.process = None

    def _death(self) -> dict[str, Any]:
        """Return the result of a job whose process died, and forget the process."""
        code = 0 if self.process is None else self.process.wait()
        self._forget()
        return {"status": "failed", "message": f"its process ended {ending(code)}"}


def _tell(observer: Observer, event: str, arguments: list[Any]) -> None:
    if event in ("opened", "stage_finished"):
        arguments = [Path(arguments[0]), *arguments[1:]]
    getattr(observer, event)(*arguments)


@contextmanager
def stopping(*workers: Worker) -> Iterator[None]:
    """Turn a signal into a request that the workers stop after their step and save."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for worker in workers:
            worker.stop(number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, *heeded())}
    for number in previous:
        signal.signal(number, pass_on)
    wish = wish_before(previous.values())
    if wish is not None:
        pass_on(wish, None)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
