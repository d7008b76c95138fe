"""The contract of adversaries: each way of breaking it is found, and said in words."""

from __future__ import annotations

import re
from typing import Any
from unittest import SkipTest

import pytest
import torch
from torch import Tensor, nn

from zoo.adversaries.base import Adversary, Requirement
from zoo.errors import RecipeError
from zoo.registry import ADVERSARIES
from zoo.testing import AdversaryContract

VANILLA: type[Any] = ADVERSARIES.get("vanilla")


class NoTotal(VANILLA):
    def generator_loss(self, *arguments: Any) -> dict[str, Tensor]:
        return {"loss": super().generator_loss(*arguments)["total"]}


class NoLog(VANILLA):
    def discriminator_loss(self, *arguments: Any) -> dict[str, Tensor]:
        return {"total": super().discriminator_loss(*arguments)["total"]}


class PerImage(VANILLA):
    def generator_loss(self, discriminator: Any, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"total": discriminator(fake)}


class NeedsABatch(VANILLA):
    def generator_loss(self, discriminator: Any, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"total": discriminator(fake).sum() / (len(fake) - 1)}


class Overflows(VANILLA):
    def generator_loss(self, discriminator: Any, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"total": torch.exp(discriminator(fake)).mean()}


class Detached(VANILLA):
    def generator_loss(self, discriminator: Any, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"total": discriminator(fake.detach()).mean() + 0 * fake.sum()}


class LearnsFromReal(VANILLA):
    def generator_loss(self, discriminator: Any, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"total": (discriminator(real) - discriminator(fake)).mean()}


class Rounded(VANILLA):
    def generator_loss(self, discriminator: Any, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"total": -discriminator(fake).mean()}


class Frozen(VANILLA):
    def discriminator_loss(self, *arguments: Any) -> dict[str, Tensor]:
        terms = super().discriminator_loss(*arguments)
        return terms | {"total": 0 * terms["total"]}


class Refuses(VANILLA):
    def check_discriminator(self, discriminator: nn.Module) -> None:
        raise RecipeError("none is good enough")


class Contradicts(VANILLA):
    requirements = (
        Requirement(
            kind="discriminator",
            parameter="norm",
            forbidden=("batch",),
            instead="batch",
            reason="none",
        ),
    )


def contract(component: type[Adversary]) -> AdversaryContract:
    found = AdversaryContract()
    found.component, found.arguments = component, {}
    return found


@pytest.mark.parametrize(
    ("component", "check", "cause"),
    [
        (NoTotal, "losses_are_finite_scalars", "generator_loss lacks 'total'"),
        (
            NoLog,
            "losses_are_finite_scalars",
            "discriminator_loss lacks the log entries d_real, d_fake",
        ),
        (PerImage, "losses_are_finite_scalars", "generator_loss: 'total' is not a scalar tensor"),
        (Overflows, "large_logits", "generator_loss: 'total' is inf for a batch of 2"),
        (
            Detached,
            "generator_learns_from_its_images",
            "the gradient of a generated image is missing",
        ),
        (LearnsFromReal, "generator_learns_from_its_images", "the real images have a gradient"),
        (Frozen, "discriminator_learns_alone", "its gradient is zero everywhere"),
        (Rounded, "bfloat16", "generator_loss: total is not float32"),
        (
            Contradicts,
            "own_rules",
            "the rule about discriminator 'norm' also forbids its replacement 'batch'",
        ),
    ],
)
def test_a_broken_promise_is_found(component: type[Adversary], check: str, cause: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(cause)):
        getattr(contract(component), f"test_{check}")()


def test_an_objective_that_needs_several_images_is_found() -> None:
    with pytest.raises(AssertionError, match=r"'total' is (inf|-inf) for a batch of 1"):
        contract(NeedsABatch).test_losses_are_finite_scalars()


def test_its_own_refusal_comes_through() -> None:
    with pytest.raises(RecipeError, match="none is good enough"):
        contract(Refuses).test_own_rules()


def test_without_a_second_player_there_is_less_to_promise() -> None:
    with pytest.raises(SkipTest, match="it has no discriminator"):
        contract(ADVERSARIES.get("none")).test_discriminator_learns_alone()
