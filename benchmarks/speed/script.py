"""How the scripts that time training end: problems in words, with zoo's exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from zoo.errors import MachineError, ZooError


def run(name: str, main: Callable[[], int | None]) -> None:
    """Run a script to its end and leave Python with its exit status.

    Args:
        name: what its messages begin with.
        main: returns the exit status; None is 0.
    """
    try:
        sys.exit(main())
    except ZooError as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
    except torch.OutOfMemoryError as problem:
        print(f"{name}: {problem}\nTry --set data.batch_size=4", file=sys.stderr)
        sys.exit(MachineError.exit_code)
