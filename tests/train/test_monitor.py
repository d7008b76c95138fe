from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from zoo.errors import DivergedError
from zoo.runs.verdicts import judge, judge_again
from zoo.train.monitor import FiniteGuard


def adversarial_rows(critic: float, contrast: float = 1.0) -> list[dict[str, Any]]:
    row = {"kind": "train", "discriminator_total": critic, "sr_contrast": contrast}
    return [row] * 8


def validated(*scores: float, on: str = "a") -> list[dict[str, Any]]:
    return [{"kind": "validation", "validation": on, "psnr_y": score} for score in scores]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_reported_with_its_first_step(value: float) -> None:
    guard = FiniteGuard()
    for step in range(1, 10):
        bad = step in (4, 6)
        guard.observe(
            step, {"loss_l1": torch.tensor(0.5), "loss_x": torch.tensor(value if bad else 1.0)}
        )
    guard.remember({"loss_x": 1.25})
    with pytest.raises(DivergedError, match=r"loss_x .* step 4; last logged finite: loss_x 1.25"):
        guard.check()


def test_finite_values_pass() -> None:
    guard = FiniteGuard()
    guard.observe(1, {"loss": torch.tensor(1.0)})
    guard.check({"ema": {"a": [torch.ones(3)], "steps": torch.tensor(3)}})


def test_a_state_that_is_not_finite_is_found_without_a_bad_loss() -> None:
    moments = {"state": {0: {"exp_avg_sq": torch.tensor([1.0, math.inf])}}}
    with pytest.raises(DivergedError, match="state of discriminator_optimizer although"):
        FiniteGuard().check({"ema": torch.ones(3), "discriminator_optimizer": moments})


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([], "stable"),
        (validated(28.0, 27.0), "stable"),
        (validated(28.0, 21.9), "diverged"),
        (validated(28.0, 10.0, 27.0), "stable"),
        (validated(40.0) + validated(28.0, 27.0, on="b"), "stable"),  # other images since
        ([{"kind": "diverged", "step": 3}], "diverged"),
        (adversarial_rows(1.3), "stable"),
        (adversarial_rows(0.01), "critic-won"),
        (adversarial_rows(1.3, contrast=0.4), "mode-collapsed"),
        (
            [{"kind": "train", "sr_contrast": 0.1}],
            "stable",
        ),  # a content stage has no mode to collapse
    ],
)
def test_verdicts_follow_their_rules(rows: list[dict[str, Any]], verdict: str) -> None:
    assert judge(rows) == verdict


def test_an_objective_without_a_bound_is_not_judged_by_its_value() -> None:
    assert judge(adversarial_rows(0.01), bounded=False) == "stable"


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (validated(20.0, 27.5), "hardly-learned"),  # below bicubic
        (validated(27.9, 28.09), "hardly-learned"),  # above it by less than 0.1 dB
        (validated(27.9, 28.11), "stable"),
        (validated(29.0, 27.0), "stable"),  # below it for looks, after a generator that had learned
        (validated(40.0) + validated(27.0, on="b"), "hardly-learned"),  # other images since
        (validated(28.0, 21.9), "diverged"),
        (validated(27.0) + adversarial_rows(0.01), "hardly-learned"),
        (validated(29.0) + adversarial_rows(0.01), "critic-won"),
        ([], "stable"),
    ],
)
def test_what_gains_nothing_over_bicubic_is_not_called_stable(
    rows: list[dict[str, Any]], verdict: str
) -> None:
    assert judge(rows, bicubic=28.0) == verdict


def test_verdicts_of_runs_that_were_judged_before_are_mended() -> None:
    assert judge_again("stable", validated(20.0, 27.5), 28.0) == "hardly-learned"
    assert judge_again("critic-won", validated(29.0, 27.5), 28.0) == "critic-won"
    assert judge_again("diverged", validated(20.0), 28.0) == "diverged"
