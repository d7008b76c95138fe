"""Verdicts: what a contract's methods come to, whatever the component does."""

from __future__ import annotations

from pathlib import Path
from unittest import SkipTest

import pytest
from torch import Tensor

from zoo.errors import WeightsError
from zoo.losses.base import Loss
from zoo.registry import REGISTRIES
from zoo.testing.losses import LossContract
from zoo.testing.verdicts import CONTRACTS, Verdict, contract_of, run_contract


class Faulty(Loss):
    """A loss with a bug."""

    def __init__(self, *, weights: str = "here") -> None:
        super().__init__()
        if weights == "gone":
            raise WeightsError("no weights: run 'zoo weights add'")
        if weights == "wrong":
            raise ValueError("no such weights")

    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        return sr_image.reshape(7) + hr_image


LINE = next(
    number
    for number, line in enumerate(Path(__file__).read_text().splitlines(), start=1)
    if "reshape(7)" in line
)


def verdicts(**arguments: str) -> dict[str, Verdict]:
    return {
        verdict.check: verdict for verdict in run_contract(contract_of("losses", Faulty, arguments))
    }


def test_there_is_a_contract_for_each_kind() -> None:
    assert CONTRACTS.keys() == REGISTRIES.keys()


def test_a_bug_is_a_failure_with_its_line_and_stops_no_other_check() -> None:
    found = verdicts()
    assert list(found) == LossContract.checks()
    failure = found["test_finite_scalar"]
    assert failure.status == "FAILED"
    assert failure.detail.startswith("RuntimeError: shape '[7]' is invalid for input of size")
    assert failure.place == f"test_verdicts.py:{LINE}"
    assert failure.trace is not None
    assert "Traceback" in failure.trace
    passed = found["test_constructor"]
    assert (passed.status, passed.detail, passed.trace) == ("ok", "weights", None)
    assert passed.says.startswith("Every argument is keyword-only")


def test_what_cannot_be_built_is_checked_no_further() -> None:
    (only,) = verdicts(weights="wrong").values()
    assert (only.check, only.status, only.detail) == (
        "build",
        "FAILED",
        "ValueError: no such weights",
    )
    assert str(only.place).startswith("test_verdicts.py:")


def test_missing_weights_are_a_reason_to_skip() -> None:
    (only,) = verdicts(weights="gone").values()
    assert only.status == "skipped"
    assert only.detail == "its weights are not here: no weights: run 'zoo weights add'"


@pytest.mark.parametrize("ending", [SkipTest("not here"), SystemExit(3)])
def test_whatever_a_check_ends_in_is_a_verdict(
    ending: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(self: Loss, *images: Tensor) -> Tensor:
        raise ending

    monkeypatch.setattr(Faulty, "forward", end)
    found = verdicts()["test_finite_scalar"]
    expected = (
        ("skipped", "not here") if isinstance(ending, SkipTest) else ("FAILED", "SystemExit: 3")
    )
    assert (found.status, found.detail) == expected
