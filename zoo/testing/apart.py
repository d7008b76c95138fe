"""Checks that torch may crash in, in a process of their own: a crash costs their line alone.

Not here: the process itself (`zoo.apart`); what becomes of a check (`zoo.testing.verdicts`).
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
"""Status of a check whose classes cannot be imported there: pytest may load a file its own way."""


class ApartError(AssertionError):
    """A check that failed in its own process.

    Attributes:
        place: `file:line` of the component's own code that failed, None where it did not.
        trace: the traceback there, None of a crash.
    """

    def __init__(self, sentence: str, place: str | None, trace: str | None) -> None:
        super().__init__(sentence)
        self.place = place
        self.trace = trace


def apart(check: Check) -> Check:
    """Have a method of a contract run in a process of its own, where that can import its classes.

    Those of a notebook or a function cannot be imported: they are checked in this process.
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
        contract: where its class is found, `module:name`.
        component: the same of the class it checks.
        arguments: what that is built with, as JSON.
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
