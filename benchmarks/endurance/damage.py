"""Flipped bits, a full disk, and two processes in one directory."""

from __future__ import annotations

import io
import logging
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.endurance.ends import end_of, finish_straight, same_bits
from benchmarks.endurance.processes import (
    EVERY,
    Place,
    Result,
    events,
    exit_code,
    finish,
    run_command,
    start,
    start_training,
    told,
    wait_for_rows,
)
from zoo.errors import IntegrityError
from zoo.runs.checkpoint import latest_step, load_latest


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
    process, pipe = start(run_command, place.arguments(name), place.home, largest // 2)
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
    first, pipe = start(run_command, endless, place.home, None)
    pipe.recv()
    wait_for_rows(place.directory(name, *settings), first)
    second, pipe = start(run_command, endless, place.home, None)
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
