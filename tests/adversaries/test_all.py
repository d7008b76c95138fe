"""What every registered adversary must do, built in or not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.adversaries.base import Adversary
from zoo.registry import ADVERSARIES
from zoo.testing import AdversaryContract

NAMES = [name for name in ADVERSARIES.names() if ADVERSARIES.get(name).uses_discriminator]


def images(*size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*size, dtype=dtype)


@pytest.fixture
def critic() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 1, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 3, 1)
    return nn.Sequential(*layers).double()


@pytest.fixture(params=NAMES)
def adversary(request: pytest.FixtureRequest) -> Adversary:
    return ADVERSARIES.get(request.param)()


@pytest.mark.parametrize("name", ADVERSARIES.names())
class TestEveryAdversary(AdversaryContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name: str) -> None:
        self.component, self.arguments = ADVERSARIES.get(name), {}


def test_generator_gradient_equals_finite_differences(
    adversary: Adversary, critic: nn.Module
) -> None:
    real, fake = images(2, 3, 5, 7), images(2, 3, 5, 7).requires_grad_()

    def total(image: Tensor) -> Tensor:
        return adversary.generator_loss(critic, real, image)["total"]

    (gradient,) = torch.autograd.grad(total(fake), fake)
    assert all(gradient.flatten(1).norm(dim=1) > 0)
    assert torch.autograd.gradcheck(total, (fake,))


def test_discriminator_gradient_equals_finite_differences(
    adversary: Adversary, critic: nn.Module
) -> None:
    real, fake = images(2, 3, 5, 7), images(2, 3, 5, 7)
    names, values = zip(*critic.named_parameters(), strict=True)

    def total(*parameters: Tensor) -> Tensor:
        def score(image: Tensor) -> Tensor:
            state = dict(zip(names, parameters, strict=True))
            return torch.func.functional_call(critic, state, (image,))

        torch.manual_seed(1)
        return adversary.discriminator_loss(score, real, fake)["total"]

    assert torch.autograd.gradcheck(total, values)


def test_the_log_has_the_mean_logits(adversary: Adversary, critic: nn.Module) -> None:
    real, fake = images(2, 3, 5, 7), images(2, 3, 5, 7)
    terms = adversary.discriminator_loss(critic, real, fake)
    assert not terms["d_real"].requires_grad
    assert not terms["d_fake"].requires_grad
    torch.testing.assert_close(terms["d_real"], critic(real).mean())
    torch.testing.assert_close(terms["d_fake"], critic(fake).mean())
