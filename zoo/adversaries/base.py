"""The base class of adversaries: the losses of both networks, and how the discriminator trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from zoo.discriminators.base import Discriminator

Critic = Discriminator | Callable[[Tensor], Tensor]
"""A function from `(N, 3, H, W)` images to logits: a discriminator, or any such function."""


Beta = Annotated[float, Ge(0), Lt(1)]
"""A decay rate of Adam's moving averages."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A rule about another component. The recipe checker enforces it generically.

    Attributes:
        kind: kind of the other component, such as `discriminator`.
        parameter: the parameter of its constructor to which the rule applies.
        forbidden: the forbidden values of the parameter.
        instead: the value to use if the recipe does not set the parameter.
        reason: why, with the source; the end of the error message.
    """

    kind: str
    parameter: str
    forbidden: tuple[object, ...]
    instead: object
    reason: str


class Adversary(ABC):
    """An adversarial objective: `discriminator_loss` and `generator_loss`.

    Each returns a dictionary of scalars. The entry `total` is minimised. Every other entry is
    logged: the terms of `total`, and `d_real` and `d_fake`, the mean logits of real and fake
    images. An adversary has no parameters and no state.

    Attributes:
        uses_discriminator: False only for an objective without a discriminator.
        requirements: rules about other components.
        bounded: whether the minimum of the discriminator's `total` is 0, reached if it separates
            real and fake images with certainty. The verdict `critic-won` depends on it.
        discriminator_steps: discriminator updates per generator update, each on a new batch.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        discriminator_betas: Adam's betas for the discriminator.

    Example:
        >>> import torch
        >>> import zoo
        >>> adversary = zoo.create("vanilla", kind="adversaries")
        >>> critic = zoo.create("vgg", kind="discriminators", norm="layer")
        >>> real, fake = torch.rand(2, 2, 3, 32, 32)
        >>> losses = adversary.discriminator_loss(critic, real, fake)
        >>> {"total", "d_real", "d_fake"} <= losses.keys()
        True
    """

    uses_discriminator: ClassVar[bool] = True
    requirements: ClassVar[tuple[Requirement, ...]] = ()
    bounded: ClassVar[bool] = True

    def __init__(
        self,
        *,
        discriminator_steps: PositiveInt = 1,
        discriminator_learning_rate: PositiveFloat = 1e-4,
        discriminator_betas: tuple[Beta, Beta] = (0.9, 0.999),
    ) -> None:
        self.discriminator_steps = discriminator_steps
        self.discriminator_learning_rate = discriminator_learning_rate
        self.discriminator_betas = discriminator_betas

    @abstractmethod
    def discriminator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return the discriminator's loss.

        Args:
            discriminator: scores images; its parameters receive the gradient of `total`.
            real: `(N, 3, H, W)` high-resolution images, RGB in [0, 1].
            fake: `(N, 3, H, W)` generated images, detached from the generator.

        Returns:
            Scalars: `total`, its terms, `d_real`, `d_fake`.
        """

    @abstractmethod
    def generator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return the generator's adversarial loss.

        Args:
            discriminator: scores images; the trainer has frozen its parameters.
            real: `(N, 3, H, W)` high-resolution images, RGB in [0, 1].
            fake: `(N, 3, H, W)` generated images; the gradient of `total` flows through them.

        Returns:
            Scalars: `total`, and its terms where there are several.
        """

    def check_discriminator(self, discriminator: nn.Module) -> None:  # noqa: B027  a hook
        """Check a discriminator before training; accepts all by default.

        Raises:
            RecipeError: if the discriminator does not fit; the message says why.
        """
