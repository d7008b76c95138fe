from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from zoo.adversaries.relativistic import RelativisticAverage


def logits_as_images(*logits: float) -> Tensor:
    return torch.tensor(logits, dtype=torch.float64).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def first_value(image: Tensor) -> Tensor:
    return image[:, 0, 0, :1]


REAL, FAKE = logits_as_images(0.5, 2.0, -1.0), logits_as_images(1.5, -0.25, 0.0)


def test_equations_of_the_paper() -> None:
    real, fake = first_value(REAL), first_value(FAKE)
    real_over_fake = torch.sigmoid(real - fake.mean())
    fake_over_real = torch.sigmoid(fake - real.mean())
    critic = -real_over_fake.log().mean() - (1 - fake_over_real).log().mean()
    generator = -(1 - real_over_fake).log().mean() - fake_over_real.log().mean()
    adversary = RelativisticAverage()
    torch.testing.assert_close(
        adversary.discriminator_loss(first_value, REAL, FAKE)["total"], critic
    )
    torch.testing.assert_close(
        adversary.generator_loss(first_value, REAL, FAKE)["total"], generator
    )


def test_generator_loss_is_the_discriminator_loss_with_roles_exchanged() -> None:
    adversary = RelativisticAverage()
    torch.testing.assert_close(
        adversary.generator_loss(first_value, REAL, FAKE)["total"],
        adversary.discriminator_loss(first_value, FAKE, REAL)["total"],
    )


def test_equal_logits_cost_two_ln_two_and_a_common_offset_nothing() -> None:
    adversary = RelativisticAverage()
    same = adversary.generator_loss(first_value, REAL * 0 + 3, FAKE * 0 + 3)["total"]
    assert same.item() == pytest.approx(2 * math.log(2))
    torch.testing.assert_close(
        adversary.discriminator_loss(first_value, REAL + 10, FAKE + 10)["total"],
        adversary.discriminator_loss(first_value, REAL, FAKE)["total"],
    )


def test_real_term_reaches_the_generator_through_the_mean_of_the_fakes() -> None:
    fake = FAKE.clone().requires_grad_()
    terms = RelativisticAverage().generator_loss(first_value, REAL, fake)
    (gradient,) = torch.autograd.grad(terms["real"], fake)
    assert (gradient[:, 0, 0, 0] < 0).all()


def test_generator_loss_keeps_no_graph_of_the_real_images() -> None:
    modes: list[bool] = []

    class Critic(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            modes.append(torch.is_grad_enabled())
            return first_value(image)

    RelativisticAverage().generator_loss(Critic(), REAL, FAKE)
    assert modes == [False, True]
