"""Verdicts: what a contract's methods come to, whatever the component does."""

from __future__ import annotations

import re
from pathlib import Path
from unittest import SkipTest

import pytest
from torch import Tensor, nn

from zoo.errors import WeightsError
from zoo.generators.base import Generator
from zoo.losses.base import Loss
from zoo.registry import REGISTRIES
from zoo.testing.losses import LossContract
from zoo.testing.verdicts import CONTRACTS, Verdict, contract_of, judged, run_contract


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


def test_a_cause_is_told_once() -> None:
    failures = [verdict for verdict in verdicts().values() if verdict.status == "FAILED"]
    assert len(failures) > 3
    told = [each for each in failures if "shape '[7]'" in each.detail and each.place is not None]
    same = f"for the same cause as {failures[0].says!r}"
    assert told[0] == failures[0]
    assert [each.detail for each in failures].count(same) > 1
    assert len({each.detail for each in told}) == len(told)


class Windowed(Generator):
    """Takes images in windows of 8x8 pixels only."""

    def __init__(self, *, scale: int = 4, side: int = 8) -> None:
        super().__init__(scale=scale)
        self.side = side
        self.body = nn.Conv2d(3, 3 * scale**2, 3, padding=1)

    def forward(self, lr_image: Tensor) -> Tensor:
        batch, channels, height, width = lr_image.shape
        windows = lr_image.reshape(batch, channels, height // self.side, self.side, width)
        return nn.functional.pixel_shuffle(self.body(windows.reshape(lr_image.shape)), self.scale)


def test_a_network_that_does_not_take_an_image_is_told_once_with_its_size() -> None:
    (only,) = run_contract(contract_of("generators", Windowed, {}))
    assert (only.status, only.says) == ("FAILED", "It can be built and used here.")
    assert only.detail.startswith(
        "2 images of 12x10 pixels fail in training: RuntimeError: shape '[2, 3, 1, "
    )
    assert str(only.place).startswith("test_verdicts.py:")


def test_a_size_that_does_not_go_through_is_named() -> None:
    contract = contract_of("generators", Windowed, {"side": 2})
    verdict = judged(contract, "test_images_of_any_size", "")
    assert verdict.detail.startswith(
        "2 images of 1x1 pixels fail in evaluation at scale 2: RuntimeError: "
    )
    assert str(verdict.place).startswith("test_verdicts.py:")


class Huge(Windowed):
    """Untrained, its values are far from those of an image."""

    def forward(self, lr_image: Tensor) -> Tensor:
        return 1e9 * nn.functional.pixel_shuffle(self.body(lr_image), self.scale)


def test_a_difference_of_large_values_is_relative_and_says_so() -> None:
    verdict = judged(contract_of("generators", Huge, {}), "test_bfloat16", "")
    assert verdict.status == "ok"
    told = re.fullmatch(
        r"largest difference (\S+) of the largest value, (\S+e\+0[89])", verdict.detail
    )
    assert told is not None
    assert 0 < float(told[1]) < 0.05


def test_what_cannot_be_built_is_checked_no_further() -> None:
    (only,) = verdicts(weights="wrong").values()
    assert (only.check, only.status, only.detail) == (
        "first_use",
        "FAILED",
        "ValueError: no such weights",
    )
    assert str(only.place).startswith("test_verdicts.py:")


def test_missing_weights_are_a_reason_to_skip() -> None:
    (only,) = verdicts(weights="gone").values()
    assert only.status == "skipped"
    assert only.detail == "its weights are not installed: no weights: run 'zoo weights add'"


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
