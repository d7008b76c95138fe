from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.adversaries.vanilla import Vanilla
from zoo.adversaries.zero_centred import ZeroCentred, squared_slope
from zoo.discriminators.vgg import VGGDiscriminator
from zoo.errors import RecipeError

REAL, FAKE = torch.rand(2, 3, 4, 5).double(), torch.rand(2, 3, 4, 5).double()


def critic(image: Tensor) -> Tensor:
    """x^2 summed, whose gradient is 2x."""
    return image.square().flatten(1).sum(1, keepdim=True)


def test_closed_form() -> None:
    terms = ZeroCentred(r1=3, r2=0.5).discriminator_loss(critic, REAL, FAKE)
    slopes = [4 * image.square().sum().item() / 2 for image in (REAL, FAKE)]
    assert [terms[name].item() for name in ("r1", "r2")] == pytest.approx(slopes)
    penalty = 1.5 * slopes[0] + 0.25 * slopes[1]
    assert terms["penalty"].item() == pytest.approx(penalty)
    plain = Vanilla().discriminator_loss(critic, REAL, FAKE)["total"].item()
    assert terms["total"].item() == pytest.approx(plain + penalty)


def test_a_penalty_without_weight_is_not_computed() -> None:
    assert "r2" not in ZeroCentred().discriminator_loss(critic, REAL, FAKE)
    flat = ZeroCentred(r1=0).discriminator_loss(critic, REAL, FAKE)
    assert flat["penalty"].item() == 0


def test_patches_are_averaged() -> None:
    def patches(image: Tensor) -> Tensor:
        return 6 * image[:, :1]

    assert squared_slope(patches, REAL).item() == pytest.approx(36 / REAL[0, 0].numel())


def test_batch_norm_is_refused() -> None:
    discriminator = VGGDiscriminator(width=4, hidden=8)
    with pytest.raises(RecipeError, match=r"has batch norm \(trunk\.3\)"):
        ZeroCentred().check_discriminator(discriminator)
    ZeroCentred().check_discriminator(nn.Linear(1, 1))
