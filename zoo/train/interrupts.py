"""Ctrl-C and SIGTERM as a wish to stop after the current step, not as a loss of work."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(Exception):  # noqa: N818  it is a wish of the user's, not an error
    """A run stopped on request after it saved its state.

    Attributes:
        exit_code: 130 for Ctrl-C, 143 for SIGTERM: 128 and the signal's number.
        step: generator updates done and saved.
    """

    def __init__(self, signal_number: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name} at step {step}")
        self.exit_code = 128 + signal_number
        self.step = step


class StopRequest:
    """While entered, turns the first SIGINT or SIGTERM into `requested`; a SIGINT after it breaks.

    The handlers before are restored on leaving. Outside the main thread signals cannot be caught,
    and nothing is done.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
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
