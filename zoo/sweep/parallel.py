"""Several jobs of a sweep at once on one machine: a process each, with a GPU or a share of cores.

A pretraining that several runs need is trained once: whoever comes second waits for its directory's
lock, and is begun later if another job can go first. Not here: one job after another, and the
process itself (`zoo.sweep.engine`).
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from zoo.errors import MachineError
from zoo.recipes.schema import RunSpec
from zoo.sweep.engine import (
    EXIT_CODE_OF_SIGNAL,
    Outcome,
    Settings,
    Worker,
    job_document,
    stopping,
)
from zoo.sweep.plan import content_key
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer

_Done = tuple[RunSpec, dict[str, Any]]


def run_together(
    specs: Sequence[RunSpec], settings: Settings, observer: Observer, jobs: int
) -> Iterator[Outcome]:
    """Train runs, several at once; yield the outcome of each as it ends.

    Arguments and errors are those of `zoo.sweep.engine.run_jobs`.

    Args:
        specs: the runs, in the order in which they begin.
        settings: where and on which device.
        observer: receives the messages of all jobs, see `Observer.beside`.
        jobs: number of processes.

    Raises:
        MachineError: if there are fewer GPUs than processes.
    """
    pool = _Pool(specs, [Worker(**share) for share in shares(jobs, settings.device)])
    try:
        with stopping(*pool.workers):
            yield from pool.outcomes(settings, observer)
    finally:
        pool.close()
    if pool.stopped_by is not None:
        raise Interrupted(pool.stopped_by, pool.step)


def shares(jobs: int, device: str) -> list[dict[str, str]]:
    """Return the environment variables that give each process its GPU or its share of the cores.

    Raises:
        MachineError: if there are fewer GPUs than processes.
    """
    import torch

    if device != "cpu" and torch.cuda.is_available():
        count = torch.cuda.device_count()
        if jobs > count:
            raise MachineError(f"--jobs {jobs} needs {jobs} GPUs, one for each job; found {count}")
        named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        known = named.split(",") if named else [str(index) for index in range(count)]
        return [{"CUDA_VISIBLE_DEVICES": known[index]} for index in range(jobs)]
    if "OMP_NUM_THREADS" in os.environ:
        return [{} for _ in range(jobs)]
    return [{"OMP_NUM_THREADS": str(max(1, _num_cores() // jobs))} for _ in range(jobs)]


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Schedule:
    """Which job comes next: the first whose pretraining no other job trains at the moment."""

    def __init__(self, specs: Sequence[RunSpec]) -> None:
        self._pending = list(specs)
        self._busy: list[str] = []
        self._lock = threading.Lock()

    def take(self) -> RunSpec | None:
        """Return the next job, None if there is none."""
        with self._lock:
            if not self._pending:
                return None
            free = (spec for spec in self._pending if _content(spec) not in self._busy)
            spec = next(free, self._pending[0])
            self._pending.remove(spec)
            self._busy.append(_content(spec))
            return spec

    def ended(self, spec: RunSpec) -> None:
        """Note that a job has ended."""
        with self._lock:
            self._busy.remove(_content(spec))


def _content(spec: RunSpec) -> str:
    return content_key(spec if spec.pretraining is None else spec.pretraining)


class _Pool:
    """Processes, a thread for each that waits for it, and the jobs.

    Attributes:
        workers: the processes.
        step: the last step that a stopped job saved.
    """

    def __init__(self, specs: Sequence[RunSpec], workers: Sequence[Worker]) -> None:
        self.workers = workers
        self.step = 0
        self._schedule = Schedule(specs)
        self._done = queue.SimpleQueue[_Done | BaseException | None]()
        self._threads: list[threading.Thread] = []

    @property
    def stopped_by(self) -> int | None:
        """The signal that requested a stop, None without one."""
        return next((w.stopped_by for w in self.workers if w.stopped_by is not None), None)

    def outcomes(self, settings: Settings, observer: Observer) -> Iterator[Outcome]:
        """Start the jobs; yield the outcome of each that was not stopped, as it ends."""
        for worker in self.workers:
            thread = threading.Thread(target=self._work, args=(worker, settings, observer))
            self._threads.append(thread)
            thread.start()
        for _ in self.workers:
            while (ended := self._done.get()) is not None:
                if isinstance(ended, BaseException):
                    raise ended
                spec, result = ended
                if result["status"] != "interrupted":
                    yield Outcome(spec, result["status"], result.get("message", ""))
                    continue
                self.step = max(self.step, int(result["step"]))
                self._stop(int(result["exit_code"]) - EXIT_CODE_OF_SIGNAL)

    def close(self) -> None:
        """Stop what still runs, which saves its state, and end all processes."""
        if any(thread.is_alive() for thread in self._threads):
            self._stop(signal.SIGTERM)
        for thread in self._threads:
            thread.join()
        for worker in self.workers:
            worker.close()

    def _stop(self, number: int) -> None:
        for worker in self.workers:
            if worker.stopped_by is None:
                worker.stop(number)

    def _work(self, worker: Worker, settings: Settings, observer: Observer) -> None:
        """Run jobs in one process until there are none, or a stop is requested."""
        try:
            while worker.stopped_by is None and (spec := self._schedule.take()) is not None:
                own = observer.beside(f"{spec.recipe} seed {spec.seed}")
                result = worker.run(job_document(spec, settings), own)
                self._schedule.ended(spec)
                self._done.put((spec, result))
        except BaseException as error:  # noqa: BLE001  the main thread raises it
            self._done.put(error)
        self._done.put(None)
