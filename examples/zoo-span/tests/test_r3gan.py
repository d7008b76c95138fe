"""R3GAN's objective keeps the contract of adversaries, and its values where they are known."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from zoo_span.r3gan import RelativisticPairing

from zoo.errors import RecipeError
from zoo.testing import AdversaryContract


class TestRelativisticPairing(AdversaryContract):
    component = RelativisticPairing


def linear(slope: float) -> Callable[[Tensor], Tensor]:
    """Return a critic with a known gradient: `slope` for each of an image's values."""

    def critic(image: Tensor) -> Tensor:
        return slope * image.flatten(1).sum(1, keepdim=True)

    return critic


def test_an_undecided_discriminator_costs_both_ln_2() -> None:
    image = torch.rand(2, 3, 8, 8)
    adversary = RelativisticPairing()
    losses = adversary.discriminator_loss(linear(0.1), image, image)
    assert math.isclose(losses["pairing"].item(), math.log(2), rel_tol=1e-6)
    total = adversary.generator_loss(linear(0.1), image, image)["total"]
    assert math.isclose(total.item(), math.log(2), rel_tol=1e-6)


def test_the_penalty_is_the_squared_norm_of_the_whole_gradient() -> None:
    real, fake = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    losses = RelativisticPairing(penalty_weight=0.5).discriminator_loss(linear(0.1), real, fake)
    expected = 0.1**2 * 3 * 4 * 5
    assert math.isclose(losses["r1"].item(), expected, rel_tol=1e-5)
    assert math.isclose(losses["r2"].item(), expected, rel_tol=1e-5)
    total = losses["pairing"] + 0.25 * (losses["r1"] + losses["r2"])
    torch.testing.assert_close(losses["total"], total)


def test_it_compares_each_image_with_its_own_pair() -> None:
    real = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
    adversary, critic = RelativisticPairing(penalty_weight=0), linear(0.1)
    paired = adversary.discriminator_loss(critic, real, real)["total"].item()
    crossed = adversary.discriminator_loss(critic, real, real.flip(0))["total"].item()
    gap = 0.1 * 48
    assert math.isclose(paired, math.log(2), rel_tol=1e-6)
    assert math.isclose(
        crossed, (math.log1p(math.exp(gap)) + math.log1p(math.exp(-gap))) / 2, rel_tol=1e-5
    )


def test_the_penalty_reaches_the_discriminators_parameters() -> None:
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten(), nn.LazyLinear(1))
    image = torch.rand(2, 3, 6, 6)
    critic(image)
    losses = RelativisticPairing().discriminator_loss(critic, image, image)
    (gradient,) = torch.autograd.grad(losses["r1"], critic[0].weight)
    assert gradient.abs().sum() > 0


def test_it_refuses_batch_norm() -> None:
    with pytest.raises(RecipeError, match=r"batch norm \(1\)"):
        RelativisticPairing().check_discriminator(
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        )
