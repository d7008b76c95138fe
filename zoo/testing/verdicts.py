"""Runs the contract of a component and returns a verdict for each check.

Not here: which components are checked and how verdicts are printed (`zoo.commands.check`).
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from unittest import SkipTest

from zoo.errors import Leaving, ZooError
from zoo.testing.adversaries import AdversaryContract
from zoo.testing.apart import ApartError
from zoo.testing.contract import Contract
from zoo.testing.degradations import DegradationContract
from zoo.testing.discriminators import DiscriminatorContract
from zoo.testing.generators import GeneratorContract
from zoo.testing.losses import LossContract
from zoo.testing.metrics import MetricContract

Status = Literal["ok", "FAILED", "skipped"]
CONTRACTS: dict[str, type[Contract]] = {
    contract.kind: contract
    for contract in (
        AdversaryContract,
        DegradationContract,
        DiscriminatorContract,
        GeneratorContract,
        LossContract,
        MetricContract,
    )
}
"""The contract of each kind, by the keys of `REGISTRIES`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check.

    Attributes:
        check: name of the method.
        says: what was checked, in words.
        status: whether it holds.
        detail: what was measured, or the cause.
        place: `file:line` of the component's own code that failed; None if it was elsewhere.
        trace: the traceback of a failure.
    """

    check: str
    says: str
    status: Status
    detail: str = ""
    place: str | None = None
    trace: str | None = None


def contract_of(
    kind: str, component: type[Any], arguments: Mapping[str, Any] | None = None
) -> Contract:
    """Return the contract of a kind for one component.

    Args:
        kind: key of `REGISTRIES`.
        component: the class.
        arguments: constructor arguments; by default, small ones are chosen.
    """
    contract = CONTRACTS[kind]()
    contract.component = component
    contract.arguments = arguments
    contract.arguments = contract.settings()  # chosen once
    return contract


def run_contract(contract: Contract) -> Iterator[Verdict]:
    """Yield a verdict for each check of a contract; errors of a component do not stop it.

    If a component cannot be built and used once, the other checks are skipped. A failure with the
    same cause at the same line is reported once.
    """
    used = judged(contract, "first_use", "It can be built and used here.")
    if used.status != "ok":
        yield used
        return
    failed: dict[tuple[str, str | None], str] = {}
    for check in contract.checks():
        contract.measured = ""
        doc = inspect.getdoc(getattr(contract, check)) or check
        verdict = judged(contract, check, " ".join(doc.partition("\n\n")[0].split()))
        if verdict.status == "FAILED":
            first = failed.setdefault((verdict.detail, verdict.place), verdict.says)
            if first != verdict.says:
                verdict = replace(verdict, detail=f"for the same cause as {first!r}", place=None)
        yield verdict


def judged(contract: Contract, check: str, says: str) -> Verdict:
    """Return the verdict of one check; `says` describes the check."""
    try:
        getattr(contract, check)()
    except SkipTest as reason:
        return Verdict(check, says, "skipped", str(reason))
    except ApartError as error:
        return Verdict(check, says, "FAILED", str(error), error.place, error.trace)
    except Leaving:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may fail in any way
        place = _place(error, contract.component)
        trace = "".join(traceback.format_exception(error))
        return Verdict(check, says, "FAILED", _sentence(error), place, trace)
    return Verdict(check, says, "ok", contract.measured)


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, AssertionError | ZooError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(error: BaseException, component: type[Any]) -> str | None:
    """Return the deepest line of the component's own file in an error's traceback."""
    own = inspect.getsourcefile(component)
    if own is None:
        return None
    while error is not None:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == own]
        if lines:
            return f"{Path(own).name}:{lines[-1]}"
        if error.__cause__ is None:
            break
        error = error.__cause__
    return None
