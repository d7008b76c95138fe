"""Ctrl-C, SIGTERM and similar signals as a request to stop after the current step and save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from zoo.errors import Leaving
from zoo.signals import ENDING, heeded

EXIT_CODES = {signal.SIGINT: 130, **dict.fromkeys(ENDING, 143)}
"""Exit codes by signal: 128 plus the number of SIGINT or of SIGTERM."""


class Interrupted(Exception):  # noqa: N818  it is a wish of the user's, not an error
    """A signal stopped a run, after it saved its state.

    Attributes:
        exit_code: 130 for Ctrl-C, 143 for the others.
        step: generator updates done and saved.
    """

    def __init__(self, signal_number: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name} at step {step}")
        self.exit_code = EXIT_CODES[signal.Signals(signal_number)]
        self.step = step


class StopRequest:
    """Within it, the first signal of `EXIT_CODES` sets `requested`; a later SIGINT interrupts.

    Ignored signals stay ignored, except SIGINT, which shells ignore for background jobs. A signal
    that arrived in `leaving_at_once` and was swallowed counts too. The previous handlers are
    restored at the end. Outside the main thread, signals cannot be caught, and nothing happens.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *heeded()):
                self._previous[number] = signal.signal(number, self._note)
            self.requested = self.requested or wish_before(self._previous.values())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.requested is None:
            self.requested = number
        elif number == signal.SIGINT:  # schedulers repeat SIGTERM: it is one wish, however often
            raise KeyboardInterrupt


class _Leaver:
    """A handler that ends the program, and remembers it: an import may swallow any exception."""

    def __init__(self) -> None:
        self.requested: int | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.requested = self.requested or number
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Leaving(EXIT_CODES[signal.Signals(number)])


def wish_before(handlers: Iterable[Any]) -> int | None:
    """Return the signal that arrived in `leaving_at_once` without ending the program, or None.

    Args:
        handlers: the handlers of signals until now.
    """
    noted = [handler.requested for handler in handlers if isinstance(handler, _Leaver)]
    return next((number for number in noted if number is not None), None)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """In this context, signals end the program at once, with exit code and clean-up.

    For the time before and after the steps of a training, when there is nothing to save. Ignored
    signals stay ignored, and so does a Ctrl-C with a foreign handler. Outside the main thread,
    nothing happens.
    """
    leaver, previous = _Leaver(), dict[int, Any]()
    if threading.current_thread() is threading.main_thread():
        numbers = heeded()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            numbers.append(signal.SIGINT)
        for number in numbers:
            previous[number] = signal.signal(number, leaver)
    try:
        yield
    finally:
        for taken, handler in previous.items():
            signal.signal(taken, handler)
