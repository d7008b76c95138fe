"""Calls a function in its own process, so that a crash affects this call only.

`torch.export` and compilers may end a process with a segmentation fault instead of an exception.
The caller starts `python -m zoo.apart`, sends it one JSON document and receives one. The other
process executes the needed plugin files again. Not here: who uses this, and the process that
trains one job after another (`zoo.sweep.worker`), which starts in the same way.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from zoo import errors
from zoo.errors import MachineError, ZooError
from zoo.plugins import load_plugin_file, plugin_file_of

_HERE = "ZOO_APART"
TORCH_CRASHED = (
    "a crash inside torch instead of an error. A network that assigns to its own weights in "
    "`forward`, for example one that re-parameterises itself in evaluation, can crash torch: "
    "compute with the merged weights as plain tensors, such as `F.conv2d(image, weight, bias)`"
)
"""Message for a crash of a torch tool that reads code."""


class CrashError(ZooError):
    """A process ended without a result; the message says how: `by SIGSEGV`."""


def is_apart() -> bool:
    """Whether this process was started for one call, so that it needs no further process."""
    return _HERE in os.environ


def start_module(module: str, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m MODULE` with pipes for input and output, and this process's module path."""
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(  # noqa: S603  the module is one of zoo's
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )


def pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    """Return the input and the output of a process of `start_module`."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process was started without pipes")
    return process.stdin, process.stdout


def private_stdout() -> IO[str]:
    """Return this process's stdout for results; other output goes to stderr."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return out


def ending(code: int) -> str:
    """Return how a process ended: `by SIGSEGV`, `with exit code 3`."""
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return how + ("; the machine may have too little memory" if code == -signal.SIGKILL else "")


def reference(component: type) -> str | None:
    """Return `module:name` of a class that another process can import; None for others.

    Classes of a script, a notebook or a function exist only in this process.
    """
    module = sys.modules.get(component.__module__)
    named = "<locals>" not in component.__qualname__ and component.__module__ != "__main__"
    is_file = getattr(module, "__file__", None) is not None or plugin_file_of(component)
    return f"{component.__module__}:{component.__qualname__}" if named and is_file else None


def found(target: str) -> Any:
    """Import and return the class of a `reference`."""
    module, _, path = target.partition(":")
    value: Any = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value


def call_apart(target: str, arguments: Mapping[str, Any], plugins: Sequence[Path] = ()) -> Any:
    """Call a function of zoo in a new process and return its result.

    Args:
        target: `module:function`.
        arguments: by name; JSON, as is the result.
        plugins: files that the process executes first.

    Raises:
        CrashError: if the process ends without a result.
        ZooError: any `ZooError` of the function, with its class and message.
        RuntimeError: if it raises anything else; its traceback is on stderr.
    """
    job = {"target": target, "arguments": arguments, "plugins": [str(path) for path in plugins]}
    try:
        process = start_module("zoo.apart", **{_HERE: "1"})
    except OSError as error:
        raise MachineError(f"cannot start a process: {error.strerror}") from error
    with process:
        said, _ = process.communicate(json.dumps(job))
    if process.returncode != 0 or not said:
        raise CrashError(f"its process ended {ending(process.returncode)}")
    document = json.loads(said)
    if "error" in document:
        kind = getattr(errors, document["error"], RuntimeError)
        raise kind.__new__(kind, document["message"])  # a constructor would word it once more
    return document["result"]


def answer(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do a job of `call_apart`; return `{"result": ...}`, or `{"error": class, "message": ...}`."""
    try:
        for path in job["plugins"]:
            load_plugin_file(path)
        return {"result": found(job["target"])(**job["arguments"])}
    except ZooError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except Exception as error:  # noqa: BLE001  a bug: its traceback is kept
        traceback.print_exc()
        return {"error": type(error).__name__, "message": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Do the one job on stdin."""
    out = private_stdout()
    json.dump(answer(json.load(sys.stdin)), out)
    out.flush()


if __name__ == "__main__":
    main()
