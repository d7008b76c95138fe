"""Closed forms of the adversaries that are functions of one logit."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.adversaries.hinge import Hinge
from zoo.adversaries.lsgan import LeastSquares
from zoo.adversaries.none import NoAdversary
from zoo.adversaries.pointwise import PointwiseAdversary
from zoo.adversaries.vanilla import Vanilla

LN2 = math.log(2)


def logits_as_images(*logits: float) -> Tensor:
    """Constant images; with `first_value` as the critic, their logits are `logits`."""
    return torch.tensor(logits, dtype=torch.float64).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def first_value(image: Tensor) -> Tensor:
    return image[:, 0, 0, :1]


@pytest.mark.parametrize(
    ("adversary", "real", "fake", "real_term", "fake_term", "generator"),
    [
        (Vanilla(), 0.0, 0.0, LN2, LN2, LN2),
        (Vanilla(), math.log(3), math.log(3), math.log(4 / 3), math.log(4), math.log(4 / 3)),
        (Vanilla(), 1000.0, -1000.0, 0, 0, 1000),
        (LeastSquares(), 1.0, 0.0, 0, 0, 0.5),
        (LeastSquares(), 3.0, -1.0, 2, 0.5, 2),
        (Hinge(), 1.0, -1.0, 0, 0, 1),
        (Hinge(), 0.25, 0.5, 0.75, 1.5, -0.5),
        (Hinge(), 7.0, -7.0, 0, 0, 7),
    ],
)
def test_closed_forms(
    adversary: PointwiseAdversary,
    real: float,
    fake: float,
    real_term: float,
    fake_term: float,
    generator: float,
) -> None:
    real_image, fake_image = logits_as_images(real), logits_as_images(fake)
    terms = adversary.discriminator_loss(first_value, real_image, fake_image)
    assert terms["real"].item() == pytest.approx(real_term)
    assert terms["fake"].item() == pytest.approx(fake_term)
    assert terms["total"].item() == pytest.approx(real_term + fake_term)
    losses = adversary.generator_loss(first_value, real_image, fake_image)
    assert losses["total"].item() == pytest.approx(generator)


def test_batch_is_averaged() -> None:
    real, fake = logits_as_images(1, 2, 6), logits_as_images(0, 1, 2)
    terms = LeastSquares().discriminator_loss(first_value, real, fake)
    assert terms["real"].item() == pytest.approx(0.5 * (0 + 1 + 25) / 3)
    assert terms["fake"].item() == pytest.approx(0.5 * (0 + 1 + 4) / 3)


def test_vanilla_is_binary_cross_entropy() -> None:
    logits = torch.linspace(-30, 30, 13, dtype=torch.float64)
    ones, zeros = torch.ones_like(logits), torch.zeros_like(logits)
    bce = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(Vanilla().real_loss(logits), bce(logits, ones, reduction="none"))
    torch.testing.assert_close(Vanilla().fake_loss(logits), bce(logits, zeros, reduction="none"))


def test_no_adversary_calls_nobody() -> None:
    def never(image: Tensor) -> Tensor:
        raise AssertionError(image.shape)

    real, fake = logits_as_images(1.0), logits_as_images(2.0)
    assert not NoAdversary.uses_discriminator
    assert NoAdversary().generator_loss(never, real, fake)["total"] == 0
    assert not any(NoAdversary().discriminator_loss(never, real, fake).values())
