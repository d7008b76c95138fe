"""Checks that may crash torch, in a process of their own, so that a crash affects one line only.

Not here: the process itself (`zoo.apart`); the handling of results (`zoo.testing.verdicts`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from unittest import SkipTest

from zoo.apart import TORCH_CRASHED, CrashError, call_apart, found, is_apart, reference
from zoo.plugins import plugin_file_of
from zoo.recipes.arguments import parameters
from zoo.testing.contract import Contract

Check = Callable[[Any], None]
ABSENT = "absent"
"""Status of a check whose classes the other process cannot import: pytest may load a file its own
way."""


class ApartError(AssertionError):
    """A check that failed in its own process.

    Attributes:
        place: `file:line` of the component's own code that failed; None if it was elsewhere.
        trace: the traceback there; None after a crash.
    """

    def __init__(self, sentence: str, place: str | None, trace: str | None) -> None:
        super().__init__(sentence)
        self.place = place
        self.trace = trace


def apart(check: Check) -> Check:
    """Run a method of a contract in its own process, if that can import its classes.

    Classes of a notebook or a function cannot be imported; they are checked in this process.
    """

    @functools.wraps(check)
    def run(self: Contract) -> None:
        contract, component = reference(type(self)), reference(self.component)
        if is_apart() or contract is None or component is None:
            check(self)
            return
        file = plugin_file_of(self.component)
        arguments = {
            "contract": contract,
            "component": component,
            "arguments": self.settings(),
            "check": check.__name__,
        }
        try:
            verdict = call_apart(f"{__name__}:told", arguments, [] if file is None else [file])
        except CrashError as error:
            raise ApartError(f"{error}: {TORCH_CRASHED}", None, None) from error
        if verdict["status"] == ABSENT:
            check(self)
        elif verdict["status"] == "skipped":
            raise SkipTest(verdict["detail"])
        elif verdict["status"] == "ok":
            self.measured = verdict["detail"]
        else:
            raise ApartError(verdict["detail"], verdict["place"], verdict["trace"])

    return run


def told(contract: str, component: str, arguments: Mapping[str, Any], check: str) -> dict[str, Any]:
    """Run one check in this process and return its verdict as JSON data.

    Args:
        contract: the contract's class, as `module:name`.
        component: the checked class, as `module:name`.
        arguments: constructor arguments, as JSON.
        check: name of the method.
    """
    from zoo.testing.verdicts import judged

    try:
        made: Contract = found(contract)()
        made.component = known = found(component)
    except ImportError:
        return {"status": ABSENT}
    read = {name: parameters(known)[name].read(value) for name, value in arguments.items()}
    made.arguments = read
    return asdict(judged(made, check, ""))
