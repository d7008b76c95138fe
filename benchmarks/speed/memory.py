"""Peak memory of each loop on a CPU, in a process of its own.

On a GPU it is what the loop allocated, which `benchmarks.speed.loops` reads in the process that
times. A CPU's process cannot forget its peak, so a fresh one takes two steps of one loop. What is
returned is resident memory, Python and torch in it; loading processes have their own and are not.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from benchmarks.speed.loops import PlainLoop, Switches, ZooLoop, run_block
from zoo.errors import ZooError
from zoo.recipes.schema import RunSpec
from zoo.runs.device import peak_memory
from zoo.train.prepare import Options, autotune, prepare


def resident_peak(
    spec: RunSpec, options: Options, *, loop: str, switches: Switches, folder: Path
) -> dict[str, int]:
    """Return the peak of a fresh process, before and after it trained with one loop.

    Args:
        spec: what is trained.
        options: on what.
        loop: `reference` or `zoo`.
        switches: torch's own settings.
        folder: the sub-images.

    Raises:
        ZooError: if the process ended without an answer.
    """
    context = multiprocessing.get_context("forkserver")
    # imported once, before any thread has started; the processes are copies of that state
    context.set_forkserver_preload([__name__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_train_and_tell, args=(sender, spec, options, loop, switches, folder)
    )
    process.start()
    sender.close()
    try:
        found: dict[str, int] = receiver.recv()
    except EOFError as error:
        process.join()
        raise ZooError(f"the process that measures memory ended with {process.exitcode}") from error
    process.join()
    return found


def _train_and_tell(
    sender: Connection,
    spec: RunSpec,
    options: Options,
    loop: str,
    switches: Switches,
    folder: Path,
) -> None:
    torch.set_num_threads(switches.threads)
    before = peak_memory(torch.device("cpu"))
    prepared = autotune(spec, prepare(spec, options), options, begun=None)
    made: ZooLoop | PlainLoop
    if loop == "zoo":
        made = ZooLoop(spec, prepared)
    else:
        made = PlainLoop(spec, prepared, switches=switches, folder=folder, num_workers=0)
    del prepared  # with networks that the plain loop does not train
    run_block(made, 1)
    sender.send({"before": before, "peak": peak_memory(torch.device("cpu"))})
    sender.close()
