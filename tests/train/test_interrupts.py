"""Signals between the steps of trainings: what asks to stop is never forgotten."""

from __future__ import annotations

import os
import signal

import pytest

from zoo.signals import ENDING
from zoo.train.interrupts import EXIT_CODES, StopRequest, leaving_at_once


@pytest.mark.parametrize("number", EXIT_CODES)
def test_a_wish_to_leave_that_was_swallowed_is_known_to_the_training(
    number: signal.Signals,
) -> None:
    """An import met by a signal may swallow what it raises: numpy, torch and others do."""
    before = [signal.getsignal(each) for each in EXIT_CODES]
    with leaving_at_once():
        with pytest.raises((SystemExit, KeyboardInterrupt)) as caught:
            os.kill(os.getpid(), number)
        if number != signal.SIGINT:
            assert isinstance(caught.value, SystemExit)
            assert caught.value.code == 143
        with StopRequest() as stop:
            assert stop.requested == number
    assert [signal.getsignal(each) for each in EXIT_CODES] == before
    with leaving_at_once(), StopRequest() as stop:
        assert stop.requested is None


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    """As a shell sets it for what it runs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with leaving_at_once():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_is_ignored_stays_so(number: signal.Signals) -> None:
    """As `nohup` sets it for SIGHUP."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with leaving_at_once(), StopRequest() as stop:
            os.kill(os.getpid(), number)
            assert stop.requested is None
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
