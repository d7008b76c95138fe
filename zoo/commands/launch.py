"""`zoo train --devices N`: the same command in N processes, started by torch's launcher.

The launcher is the one behind `torchrun`. Not here: what the processes do (`zoo.train.follow`).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

from zoo.commands.output import note
from zoo.errors import MachineError, RecipeError, ZooError
from zoo.signals import heeded

if TYPE_CHECKING:
    from zoo.recipes.schema import RunSpec

_GRACE_SECONDS: Final = 10
"""How much later than rank 0 another process tells of an error: the launcher ends it before."""
_SHUTDOWN_SECONDS: Final = 60
"""How long the launcher waits for a process to finish a step and save."""
_ENDED: Final = -signal.SIGTERM
"""Exit code of a process that the launcher ended after another one died."""
_LOST: Final = 5
"""Exit code of a process that lost another one."""


def is_follower() -> bool:
    """Return whether this is a process of `torchrun` that does not print. Imports no torch."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0"


@contextmanager
def behind_the_leader() -> Iterator[None]:
    """Let rank 0 speak first: what it tells, the others need not tell again."""
    if not is_follower():
        yield
        return
    logging.getLogger("zoo").setLevel(logging.ERROR)
    try:
        yield
    except ZooError:
        time.sleep(_GRACE_SECONDS)
        raise


def is_to_be_launched(devices: int | None) -> bool:
    """Return whether this process has to start others.

    Raises:
        RecipeError: if `torchrun` has started another number of them.
    """
    if devices is None:
        return False
    from zoo.runs.world import current_world

    world = current_world()
    if "TORCHELASTIC_RUN_ID" in os.environ and world.size != devices:
        raise RecipeError(
            f"--devices {devices}, but torchrun started {world.size} processes; leave out "
            "--devices, which starts torchrun itself"
        )
    return devices > world.size


def check_launch(spec: RunSpec, devices: int, device: str, *, dry_run: bool) -> None:
    """Refuse what the processes would refuse, before any of them starts.

    Raises:
        RecipeError: if the batch does not divide by the processes, or this is a dry run.
        MachineError: if there are fewer GPUs.
    """
    from zoo.runs.device import choose_device
    from zoo.runs.world import World

    if dry_run:
        raise RecipeError(
            "a dry run measures one process; leave out --devices, and give it the part of the "
            "batch that one process would have (--set data.batch_size=...)"
        )
    last = World(devices - 1, devices, devices - 1)
    last.check(spec)
    name = last.device_name(device)
    try:
        choose_device(name)
    except MachineError as error:
        raise MachineError(
            f"--devices {devices} needs {devices} GPUs: {error}, or fewer devices"
        ) from error


def launch(devices: int, words: Sequence[str]) -> None:
    """Run `python -m zoo` with these words in processes, until all of them have ended.

    Raises:
        Exit: with the exit code of the processes if it is not 0.
        MachineError: if a process died; the message names it.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # its tables and warnings repeat what is told here in a sentence
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed.launcher").setLevel(logging.CRITICAL)
    share = max(1, len(os.sched_getaffinity(0)) // devices)
    os.environ.setdefault("OMP_NUM_THREADS", str(share))
    numbers = (signal.SIGINT, *heeded())
    with tempfile.TemporaryDirectory(prefix="zoo-launch-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=devices,
            run_id=f"zoo-{os.getpid()}",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            signals_to_handle=",".join(signal.Signals(number).name for number in numbers),
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        try:
            elastic_launch(config, sys.executable)("-m", "zoo", *words)
        except SignalException as stopped:
            raise typer.Exit(130 if stopped.sigval == signal.SIGINT else 143) from stopped
        except ChildFailedError as error:
            _report(error.failures, devices)


def _report(failures: dict[int, Any], devices: int) -> None:
    """End like the process that failed first; name it if it could not tell anything itself."""
    killed = {rank: each for rank, each in failures.items() if each.exitcode < 0}
    if not killed:
        told = [each.exitcode for _, each in sorted(failures.items()) if each.exitcode != _LOST]
        raise typer.Exit(told[0] if told else _LOST)
    by_itself = {rank: each for rank, each in killed.items() if each.exitcode != _ENDED}
    rank, failure = min((by_itself or killed).items())
    name = signal.Signals(-failure.exitcode).name
    note(f"the {devices} processes have ended")
    raise MachineError(
        f"process {rank} of {devices} (PID {failure.pid}) was killed by {name}, so the others "
        "ended too; run the same command again to resume from the last checkpoint (after SIGKILL, "
        "look first whether the machine ran out of memory)"
    )
