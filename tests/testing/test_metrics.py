"""The contract of metrics: each way of breaking it is found, and said in words."""

from __future__ import annotations

import random
import re
from typing import Any
from unittest import SkipTest

import pytest
from torch import Tensor

from zoo.metrics.base import Metric
from zoo.testing import MetricContract


class Sound(Metric):
    """The mean absolute error."""

    label, unit, higher_is_better = "MAE", "", False

    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        return float((sr_image - hr_image).abs().mean())


class WrongWay(Sound):
    higher_is_better = True


class Unbounded(Sound):
    value_range = (0.0, 0.01)


class Backwards(Sound):
    value_range = (1.0, 0.0)


class Tensorial(Sound):
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> Any:
        return (sr_image - hr_image).abs().mean()


class InPlace(Sound):
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        return super().__call__(sr_image.mul_(0.5), hr_image, scale=scale)


class Random(Sound):
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        return random.random()  # noqa: S311


class NeedsMore(Sound):
    min_side = 16

    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        large = min(sr_image.shape[-2:]) > 16 + 2 * scale
        return super().__call__(sr_image, hr_image, scale=scale) if large else float("nan")


class Absent(Sound):
    def unavailable(self) -> str | None:
        return "its network is not here"


def contract(component: type[Metric]) -> MetricContract:
    found = MetricContract()
    found.component, found.arguments = component, {}
    return found


@pytest.mark.parametrize("check", MetricContract.checks())
def test_a_sound_metric_keeps_every_promise(check: str) -> None:
    getattr(contract(Sound), check)()


@pytest.mark.parametrize(
    ("component", "check", "cause"),
    [
        (WrongWay, "best_at_the_real_image", "the real image scores 0"),
        (Unbounded, "range", "outside 0 to 0.01"),
        (Backwards, "declared_facts", "`value_range` is (1.0, 0.0), not (smallest, largest)"),
        (Tensorial, "finite_number", "it is a Tensor, not a float"),
        (InPlace, "finite_number", "the generated image is changed in place"),
        (Random, "same_images_give_the_same_score", "it scored 0."),
        (NeedsMore, "smallest_image", "a 24x28 image scores nan"),
    ],
)
def test_a_broken_promise_is_found(component: type[Metric], check: str, cause: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(cause)):
        getattr(contract(component), f"test_{check}")()


def test_what_is_not_available_here_is_skipped() -> None:
    with pytest.raises(SkipTest, match="its network is not here"):
        contract(Absent).test_finite_number()
