"""The contract of discriminators: each way of breaking it is found, and said in words."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from zoo.discriminators.base import Discriminator
from zoo.errors import ShapeError
from zoo.testing import DiscriminatorContract

Normalise = Callable[[nn.Module], nn.Module]


class Sound(Discriminator):
    """Patches of logits."""

    def __init__(self, *, width: int = 4) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, width, 4, stride=4)
        self.tail = nn.Conv2d(width, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.tail(nn.functional.leaky_relu(self.head(image), 0.2))


class Flat(Sound):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image).mean(dim=(1, 2, 3))


class Coupled(Sound):
    def forward(self, image: Tensor) -> Tensor:
        logits = super().forward(image)
        return logits - logits.mean() if self.training else logits


class Untrue(Sound):
    scores_images_apart = True

    def __init__(self, *, width: int = 4) -> None:
        super().__init__(width=width)
        self.tail = nn.Sequential(nn.BatchNorm2d(width), nn.Conv2d(width, 1, 1))


class Probabilities(Sound):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image).sigmoid()


class Picky(Sound):
    def forward(self, image: Tensor) -> Tensor:
        if image.shape[-1] != 32:
            raise ShapeError("32 pixels wide, please")
        return super().forward(image)


def contract(component: type[Discriminator], **changes: object) -> DiscriminatorContract:
    found = DiscriminatorContract()
    found.component, found.arguments = component, {}
    found.sizes = changes.get("sizes", ((32, 32), (24, 40)))  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("check", DiscriminatorContract.checks())
def test_a_sound_discriminator_keeps_every_promise(check: str) -> None:
    getattr(contract(Sound), check)()


@pytest.mark.parametrize("check", DiscriminatorContract.checks())
@pytest.mark.parametrize("norm", [parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_spectral_norm_and_dropout_keep_every_promise(norm: Normalise, check: str) -> None:
    """They change with every pass in training, and no image changes another's score."""

    class Normalised(Sound):
        def __init__(self, *, width: int = 4) -> None:
            super().__init__(width=width)
            self.head, self.tail = norm(self.head), norm(self.tail)
            self.drop = nn.Dropout(0.5)

        def forward(self, image: Tensor) -> Tensor:
            return super().forward(self.drop(image))

    getattr(contract(Normalised), check)()


def test_some_sizes_may_be_refused_not_all() -> None:
    found = contract(Picky)
    found.test_logits_of_any_size()
    assert found.measured == "takes 32x32; refuses 24x40"
    with pytest.raises(AssertionError, match="it accepts none of 24x40: 32 pixels wide, please"):
        contract(Picky, sizes=((24, 40),)).test_logits_of_any_size()


@pytest.mark.parametrize(
    ("component", "check", "cause"),
    [
        (Flat, "logits_of_any_size", "(2, 3, 32, 32) is scored with (2,), not (2, 1)"),
        (Probabilities, "logits_are_not_probabilities", "is between 0 and 1: is there a sigmoid"),
        (Untrue, "images_do_not_affect_each_other", "scores_images_apart is true, but it has"),
        (Coupled, "images_do_not_affect_each_other", "in training a score depends on"),
    ],
)
def test_a_broken_promise_is_found(component: type[Discriminator], check: str, cause: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(cause)):
        getattr(contract(component), f"test_{check}")()


def test_an_image_without_a_gradient_is_found() -> None:
    class Halved(Sound):
        def forward(self, image: Tensor) -> Tensor:
            return super().forward(torch.cat([image[:1], image[1:].detach()]))

    with pytest.raises(AssertionError, match="no gradient reaches 1 of 2 images"):
        contract(Halved).test_gradient_reaches_the_image()


def test_what_no_penalty_goes_through_is_found() -> None:
    class Linear(Discriminator):
        def forward(self, image: Tensor) -> Tensor:
            return image.mean(dim=(1, 2, 3)).unsqueeze(1)

    with pytest.raises(AssertionError, match="the gradient does not depend on the parameters"):
        contract(Linear).test_gradient_penalty()


def test_batch_norm_couples_images_in_training_alone() -> None:
    class Normed(Sound):
        def __init__(self, *, width: int = 4) -> None:
            super().__init__(width=width)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, image: Tensor) -> Tensor:
            return super().forward(self.norm(image))

    found = contract(Normed)
    found.test_images_do_not_affect_each_other()
    assert found.measured.endswith("; evaluation only: it has batch norm")
