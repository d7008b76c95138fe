from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.adversaries.clipping import WassersteinClipped
from zoo.adversaries.penalties import gradient_penalty
from zoo.adversaries.wasserstein import WassersteinGP
from zoo.discriminators.vgg import VGGDiscriminator
from zoo.errors import RecipeError

SIZES = [(1, 3, 8, 8), (2, 3, 5, 9), (5, 3, 16, 4)]


class Linear(nn.Module):
    """C(x) = slope * <w, x> with |w| = 1: its gradient has the norm `slope` everywhere."""

    def __init__(self, size: tuple[int, ...], slope: float) -> None:
        super().__init__()
        weight = torch.randn(size[1:])
        self.weight = nn.Parameter(slope * weight / weight.norm())
        self.dtypes: set[torch.dtype] = set()
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        self.dtypes.add(image.dtype)
        self.seen.append(image.detach())
        return (image * self.weight).flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.0, 1.0)])
def test_linear_critic(size: tuple[int, ...], slope: float, penalty: float) -> None:
    value, norm = gradient_penalty(Linear(size, slope), torch.rand(size), torch.rand(size))
    assert value.item() == pytest.approx(penalty, abs=1e-5)
    assert norm.item() == pytest.approx(slope, abs=1e-5)


def test_critic_receives_gradient_through_the_penalty() -> None:
    size = (2, 3, 4, 5)
    critic = Linear(size, 3.0)
    gradient_penalty(critic, torch.rand(size), torch.rand(size))[0].backward()
    assert critic.weight.grad is not None
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|
    torch.testing.assert_close(critic.weight.grad, 4 * critic.weight.detach() / 3)


def test_no_nan_where_the_slope_is_zero() -> None:
    size = (2, 3, 4, 5)
    critic = Linear(size, 0.0)
    gradient_penalty(critic, torch.rand(size), torch.rand(size))[0].backward()
    assert critic.weight.grad is not None
    assert not critic.weight.grad.any()


def test_one_interpolation_factor_per_image() -> None:
    size = (4, 3, 6, 5)
    critic = Linear(size, 1.0)
    gradient_penalty(critic, torch.ones(size), torch.zeros(size))
    factors = critic.seen[0].flatten(1)
    assert torch.equal(factors, factors[:, :1].expand_as(factors))
    assert len(factors[:, 0].unique()) == len(factors)
    assert ((factors >= 0) & (factors <= 1)).all()


def test_interpolation_draws_from_the_global_generator() -> None:
    size = (4, 3, 6, 5)
    critic = Linear(size, 1.0)
    for _ in range(2):
        torch.manual_seed(7)
        gradient_penalty(critic, torch.ones(size), torch.zeros(size))
    assert torch.equal(critic.seen[0], critic.seen[1])


def test_penalty_is_float32_under_autocast() -> None:
    size = (2, 3, 4, 5)
    critic = Linear(size, 3.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        penalty, norm = gradient_penalty(critic, torch.rand(size).bfloat16(), torch.rand(size))
    assert critic.dtypes == {torch.float32}
    assert penalty.dtype == norm.dtype == torch.float32
    assert penalty.item() == pytest.approx(4, abs=1e-5)


def test_convolutions_inside_the_penalty_are_not_autocast() -> None:
    dtypes: list[torch.dtype] = []
    critic = VGGDiscriminator(width=2, norm="layer", hidden=4)
    critic.trunk[0].register_forward_hook(lambda *call: dtypes.append(call[-1].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        WassersteinGP().discriminator_loss(
            critic, torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
        )
    assert dtypes == [torch.bfloat16, torch.float32]  # real and fake in one pass, then the penalty


def test_no_gradient_reaches_the_images() -> None:
    size = (2, 3, 4, 5)
    real, fake = torch.rand(size, requires_grad=True), torch.rand(size, requires_grad=True)
    gradient_penalty(Linear(size, 3.0), real, fake)[0].backward()
    assert real.grad is None
    assert fake.grad is None


def test_total_is_distance_and_weighted_penalty() -> None:
    size = (2, 3, 4, 5)
    critic = Linear(size, 3.0)
    real, fake = torch.rand(size), torch.rand(size)
    terms = WassersteinGP(penalty_weight=2.5).discriminator_loss(critic, real, fake)
    assert terms.keys() == {"total", "wasserstein", "penalty", "gradient_norm", "d_real", "d_fake"}
    torch.testing.assert_close(terms["wasserstein"].detach(), terms["d_fake"] - terms["d_real"])
    torch.testing.assert_close(terms["total"], terms["wasserstein"] + 2.5 * terms["penalty"])
    losses = WassersteinGP().generator_loss(critic, real, fake)
    torch.testing.assert_close(losses["total"].detach(), -terms["d_fake"])


def test_defaults_of_the_paper() -> None:
    adversary = WassersteinGP()
    assert adversary.penalty_weight == 10
    assert adversary.discriminator_steps == 5
    assert adversary.discriminator_learning_rate == 1e-4
    assert adversary.discriminator_betas == (0.0, 0.9)


def test_batch_norm_is_refused_and_others_are_not() -> None:
    adversary = WassersteinGP()
    (rule,) = adversary.requirements
    assert (rule.kind, rule.parameter, rule.forbidden, rule.instead) == (
        "discriminator",
        "norm",
        ("batch",),
        "layer",
    )
    for norm in ("layer", "instance", "none"):
        adversary.check_discriminator(VGGDiscriminator(width=2, norm=norm))  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=r"batch norm \(trunk\.3: BatchNorm2d\)"):
        adversary.check_discriminator(VGGDiscriminator(width=2))
    with pytest.raises(RecipeError, match="itself: SyncBatchNorm"):
        adversary.check_discriminator(nn.SyncBatchNorm(4))


def test_clipping_bounds_every_parameter_and_changes_no_other() -> None:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.2, -0.2], [0.005, -0.01]]))
        layer.bias.copy_(torch.tensor([0.01, -3.0]))
    WassersteinClipped(clip=0.01).constrain(layer)
    assert torch.equal(layer.weight, torch.tensor([[0.01, -0.01], [0.005, -0.01]]))
    assert torch.equal(layer.bias, torch.tensor([0.01, -0.01]))


def test_clipped_objective_is_the_gap() -> None:
    real, fake = torch.full((2, 3, 2, 2), 0.75), torch.full((2, 3, 2, 2), 0.25)

    def mean(image: Tensor) -> Tensor:
        return image.flatten(1).mean(1, keepdim=True)

    assert WassersteinClipped().discriminator_loss(mean, real, fake)["total"].item() == -0.5
    assert WassersteinClipped().generator_loss(mean, real, fake)["total"].item() == -0.25
