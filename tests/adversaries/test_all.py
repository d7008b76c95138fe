"""What every registered adversary with a second player must do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.adversaries.base import Adversary
from zoo.registry import ADVERSARIES

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


def test_losses_are_finite_scalars_with_a_log(adversary: Adversary, critic: nn.Module) -> None:
    real, fake = images(2, 3, 5, 7), images(2, 3, 5, 7)
    terms = adversary.discriminator_loss(critic, real, fake)
    assert {"total", "d_real", "d_fake"} <= terms.keys()
    for name, term in terms.items() | adversary.generator_loss(critic, real, fake).items():
        assert term.shape == (), name
        assert term.isfinite(), name
    assert not terms["d_real"].requires_grad
    assert not terms["d_fake"].requires_grad
    torch.testing.assert_close(terms["d_real"], critic(real).mean())
    torch.testing.assert_close(terms["d_fake"], critic(fake).mean())


def test_generator_loss_sends_no_gradient_to_the_real_images(
    adversary: Adversary, critic: nn.Module
) -> None:
    real, fake = images(2, 3, 5, 7), images(2, 3, 5, 7).requires_grad_()
    critic.requires_grad_(requires_grad=False)
    adversary.generator_loss(critic, real.requires_grad_(), fake)["total"].backward()
    assert real.grad is None


def test_every_critic_parameter_gets_a_gradient(adversary: Adversary, critic: nn.Module) -> None:
    adversary.discriminator_loss(critic, images(2, 3, 5, 7), images(2, 3, 5, 7))["total"].backward()
    for name, parameter in critic.named_parameters():
        assert parameter.grad is not None, name


def test_patch_logits_are_accepted(adversary: Adversary) -> None:
    critic = nn.Conv2d(3, 1, 3)
    real, fake = images(2, 3, 6, 7, dtype=torch.float32), images(2, 3, 6, 7, dtype=torch.float32)
    assert adversary.discriminator_loss(critic, real, fake)["total"].shape == ()
    assert adversary.generator_loss(critic, real, fake)["total"].shape == ()


def test_losses_are_float32_under_autocast(adversary: Adversary, critic: nn.Module) -> None:
    real, fake = images(2, 3, 5, 7).float(), images(2, 3, 5, 7).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = adversary.discriminator_loss(critic.float(), real, fake)
        terms |= adversary.generator_loss(critic, real, fake)
    assert {term.dtype for term in terms.values()} == {torch.float32}
