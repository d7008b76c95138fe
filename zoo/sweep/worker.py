"""The process that trains jobs for a sweep: one JSON line in, JSON lines out.

In: `{"spec": RunSpec, "options": {...}, "plugins": [paths]}`. Out: `{"event": name, "arguments":
[...]}` for each event of an `Observer`, then one `{"result": {...}}`. It trains one job after
another and ends with its input, or after an unexpected error; then its result has `ends`, and the
next job gets a new process. `python -m zoo.sweep.worker`.

Not here: which jobs, and the use of the results (`zoo.sweep.engine`).
"""

from __future__ import annotations

import json
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from zoo.apart import private_stdout
from zoo.errors import DivergedError, ZooError, staying
from zoo.plugins import load_plugin_file
from zoo.streams import lasting_streams
from zoo.train.observer import Observer

SECONDS_BETWEEN_STEPS = 0.5


class PipeObserver(Observer):
    """Sends events as JSON lines; steps at most twice a second."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._stepped_at = 0.0

    def notice(self, message: str) -> None:
        """Pass a line on."""
        self._send("notice", message)

    def preparing(self, done: int, total: int) -> None:
        """Pass on how many images are in the store."""
        self._send("preparing", done, total)

    def opened(self, directory: Path) -> None:
        """Pass on where a stage is."""
        self._send("opened", str(directory))

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        """Pass on that a stage begins."""
        self._send("stage_started", recipe, stage, step, num_steps)

    def stepped(self, step: int, num_images: int) -> None:
        """Pass on a step, unless one was passed on just now."""
        now = time.monotonic()
        if now - self._stepped_at >= SECONDS_BETWEEN_STEPS:
            self._stepped_at = now
            self._send("stepped", step, num_images)

    def logged(self, row: Mapping[str, Any]) -> None:
        """Pass on a row."""
        self._send("logged", dict(row))

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """Pass on that a stage is done."""
        self._send("stage_finished", str(directory), dict(summary))

    def _send(self, event: str, *arguments: Any) -> None:
        write_line(self._out, {"event": event, "arguments": arguments})


def write_line(out: IO[str], document: Mapping[str, Any]) -> None:
    """Write one JSON line at once; if the sweep is gone, request to save and end."""
    try:
        out.write(json.dumps(document) + "\n")
        out.flush()
    except BrokenPipeError:
        signal.raise_signal(signal.SIGTERM)


def run_job(job: Mapping[str, Any], observer: Observer) -> dict[str, Any]:
    """Train one job and return its result.

    Returns:
        `{"status": "finished", "summary": ...}`; `{"status": "failed" | "diverged", "message":
        ...}`; `{"status": "interrupted", "exit_code": ..., "step": ...}`. With `"ends": True`,
        this process cannot run another job.
    """
    from zoo.recipes.schema import RunSpec
    from zoo.train.interrupts import Interrupted
    from zoo.train.prepare import Options
    from zoo.train.run import train

    try:
        for plugin in job["plugins"]:
            load_plugin_file(Path(plugin))
        spec = RunSpec.model_validate_json(json.dumps(job["spec"]))
        given = job["options"]
        data_root = None if given["data_root"] is None else Path(given["data_root"])
        options = Options(
            Path(given["run_root"]),
            data_root,
            given["device"],
            observer=observer,
            sources=tuple(given.get("sources", ())),
        )
        with staying():
            run = train(spec, options)
    except Interrupted as stopped:
        return {
            "status": "interrupted",
            "exit_code": stopped.exit_code,
            "step": stopped.step,
        }
    except DivergedError as error:
        return {"status": "diverged", "message": str(error)}
    except ZooError as error:
        return {"status": "failed", "message": str(error)}
    except Exception as error:  # noqa: BLE001  a bug costs one row; its traceback is kept
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        return {"status": "failed", "message": message, "ends": True}
    return {"status": "finished", "summary": dict(run.summary)}


def serve(jobs: Iterable[str], out: IO[str]) -> None:
    """Train jobs, one JSON line each, until the input ends or one makes this process unusable."""
    for line in jobs:
        result = run_job(json.loads(line), PipeObserver(out))
        write_line(out, {"result": result})
        if result.get("ends"):
            break


def main() -> None:
    """Train the jobs that come in until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep passes on what it wants stopped
    out = private_stdout()
    with lasting_streams():
        serve(sys.stdin, out)


if __name__ == "__main__":
    main()
