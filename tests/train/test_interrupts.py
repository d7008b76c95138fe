"""Signals between the steps of trainings: what asks to stop is never forgotten."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.errors import Leaving
from zoo.plugins import load_plugin_file
from zoo.registry import Entry, Origin, Registry
from zoo.signals import ENDING
from zoo.train.interrupts import EXIT_CODES, StopRequest, leaving_at_once

ASKS_TO_LEAVE = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"


@pytest.fixture(autouse=True)
def _ctrl_c_is_heeded() -> Iterator[None]:
    """Shells ignore SIGINT for what they run behind, the tests among it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


def test_code_of_others_that_a_signal_meets_is_not_blamed_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that is loaded, a package that is imported, a check that runs: the program ends."""
    from zoo.testing.verdicts import judged

    path = tmp_path / "met_by_a_signal.py"
    path.write_text(ASKS_TO_LEAVE)
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[Any] = Registry("thing", base="", builtins="", group="zoo.things")
    package: Entry[Any] = Entry(
        name="met", origin=Origin("package", "a package"), target=f"{path.stem}:Thing"
    )
    contract: Any = SimpleNamespace(check=lambda: os.kill(os.getpid(), signal.SIGTERM))
    for use in (
        lambda: load_plugin_file(path),
        lambda: registry._load("met", package),
        lambda: judged(contract, "check", "what is checked"),
    ):
        with leaving_at_once(), pytest.raises(Leaving) as caught:
            use()
        assert caught.value.code == 143
