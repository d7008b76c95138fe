"""A limit of the address space (`ulimit -v`) that torch does not fit in is told in a sentence.

Loading a library that does not fit ends in an error of the linker or, from inside C++, in an abort
that no code can catch: so where there is a limit another process tries it first.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Final

from zoo.errors import MachineError

HEAVY: Final = ("numpy", "torch")
ENOUGH: Final = 32 << 30
"""Bytes of address space that are not tried: libraries for a GPU take some 10 GiB."""
_SECONDS: Final = 120.0


class _TrialFinder(MetaPathFinder):
    """Finds nothing; sees a heavy library asked for before Python loads it."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> None:
        """Try a heavy library elsewhere first; leave its finding to others.

        Raises:
            MachineError: if it does not fit.
        """
        if name in HEAVY:
            check_address_space(name)


def check_address_space(library: str) -> None:
    """Check that a library can be loaded within this process's address space.

    Raises:
        MachineError: if the address space is limited, and it cannot.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or limit >= ENOUGH:
        return
    command = [sys.executable, "-c", f"import {library}"]
    try:
        tried = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # not even a process fits
        fits = False
    else:
        fits = tried.returncode == 0 or "ModuleNotFoundError" in tried.stderr
    if not fits:
        raise MachineError(
            f"{library} does not fit in the address space of this process, which is limited to "
            f"{limit >> 20:,} MiB: raise the limit (ulimit -v), or run where there is none"
        )


@contextmanager
def watching_address_space() -> Iterator[None]:
    """While entered, a heavy library that does not fit raises a `MachineError`."""
    finder = _TrialFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
