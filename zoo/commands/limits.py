"""Explains a limit of the address space (`ulimit -v`) that is too small for torch.

Loading a library that does not fit ends in a linker error or in an abort inside C++ that Python
cannot catch. So if there is a limit, another process tries to load the library first.
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
"""Bytes of address space that are always enough: libraries for a GPU take some 10 GiB."""
_SECONDS: Final = 120.0


class _TrialFinder(MetaPathFinder):
    """Import finder that finds nothing, but checks a heavy library before Python loads it."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> None:
        """Check a heavy library; leave finding it to other finders.

        Raises:
            MachineError: if it does not fit.
        """
        if name in HEAVY:
            check_address_space(name)


def check_address_space(library: str) -> None:
    """Check that a library can be loaded into this process's address space.

    Raises:
        MachineError: if the address space is limited and too small.
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
            f"{library} does not fit into the address space of this process, which is limited to "
            f"{limit >> 20:,} MiB: raise the limit (ulimit -v), or run zoo without a limit"
        )


@contextmanager
def watching_address_space() -> Iterator[None]:
    """Within this context, a heavy library that does not fit raises a `MachineError`."""
    finder = _TrialFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
