"""A function called in a process of its own: what crashes there costs that call alone.

`torch.export` and compilers end a process by a segmentation fault where an exception would do. The
caller's side starts `python -m zoo.apart`, hands it one JSON document and takes one back; plugin
files that the call needs are executed there again. Not here: what is called that way, and the
process that trains one job after another (`zoo.sweep.worker`), which is started alike.
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
"""What is said where a tool of torch that reads code ended a process."""


class CrashError(ZooError):
    """A process ended before it had a result; the message says how: `by SIGSEGV`."""


def is_apart() -> bool:
    """Tell whether this process was started for one call: it needs no further one."""
    return _HERE in os.environ


def start_module(module: str, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m MODULE` with pipes for its input and output, and our places of modules."""
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
    """Return this process's stdout for results; what anything else prints goes to stderr."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return out


def ending(code: int) -> str:
    """Say how a process ended: `by SIGSEGV`, `with exit status 3`."""
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return how + ("; the machine may have too little memory" if code == -signal.SIGKILL else "")


def reference(component: type) -> str | None:
    """Return `module:name` of a class that another process can import, None of any other.

    A class of a script, a notebook or a function is in this process alone.
    """
    module = sys.modules.get(component.__module__)
    named = "<locals>" not in component.__qualname__ and component.__module__ != "__main__"
    is_file = getattr(module, "__file__", None) is not None or plugin_file_of(component)
    return f"{component.__module__}:{component.__qualname__}" if named and is_file else None


def found(target: str) -> Any:
    """Return what `reference` means, imported."""
    module, _, path = target.partition(":")
    value: Any = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value


def call_apart(target: str, arguments: Mapping[str, Any], plugins: Sequence[Path] = ()) -> Any:
    """Call a function of zoo's in a new process and return what it returns.

    Args:
        target: `module:function`.
        arguments: by name; JSON, as is the result.
        plugins: files to execute there first.

    Raises:
        CrashError: if the process ends before it has a result.
        ZooError: whatever of these the function raises, by its class and message.
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
    """Do what `call_apart` asks for: `{"result": ...}`, or `{"error": class, "message": ...}`."""
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
    """Answer the one job on stdin."""
    out = private_stdout()
    json.dump(answer(json.load(sys.stdin)), out)
    out.flush()


if __name__ == "__main__":
    main()
