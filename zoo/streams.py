"""Standard output and error that never stop the program when they cannot be written.

A reader that goes away (`| head`), a terminal that is gone, a log on a full disk, an encoding that
lacks a letter: none of them ends a training. Not here: what is written, and how it looks.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from zoo.letters import STAND_INS

_MENDED = {"strict", "backslashreplace"}
"""Default error handlers, which zoo replaces; a handler that the user chose stays."""


class Outlet:
    """A text stream that remembers what it could not write in place of raising it.

    Attributes:
        failure: why something was not written, None while all of it was.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Write what is held back, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        """Remember why, and let the stream lead nowhere: Python writes what is left at its end."""
        self.failure = self.failure or error
        with suppress(OSError, ValueError):  # a stream of a test has no descriptor
            descriptor = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


@contextmanager
def lasting_streams() -> Iterator[Outlet | None]:
    """While entered, `sys.stdout` and `sys.stderr` take everything and raise nothing.

    Yields:
        Standard output; None if the program was started without one.
    """
    before = sys.stdout, sys.stderr
    handlers = [_with_stand_ins(stream) for stream in before]
    outlets = [None if stream is None else Outlet(stream) for stream in before]
    sys.stdout, sys.stderr = (cast("TextIO", outlet) for outlet in outlets)
    try:
        yield outlets[0]
    finally:
        for outlet in outlets:
            if outlet is not None:
                outlet.flush()
        sys.stdout, sys.stderr = before
        for stream, errors in zip(before, handlers, strict=True):
            if errors is not None:
                cast("io.TextIOWrapper", stream).reconfigure(errors=errors)


def _with_stand_ins(stream: TextIO | None) -> str | None:
    """Let a stream write letters it lacks by stand-ins; return what it did before, None for that.

    A stream in which a user chose otherwise (`PYTHONIOENCODING=ascii:replace`) is left alone.
    """
    if not isinstance(stream, io.TextIOWrapper) or stream.errors not in _MENDED:
        return None
    before = stream.errors
    stream.reconfigure(errors=STAND_INS)
    return before
