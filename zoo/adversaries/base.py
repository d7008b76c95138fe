"""What every adversary is: the losses of both players, and how the discriminator is trained."""

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
"""What a loss calls: `(N, 3, H, W)` images to logits. A discriminator, or any such function."""


Beta = Annotated[float, Ge(0), Lt(1)]
"""A decay rate of Adam's moving averages."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A rule about another component, which the recipe checker enforces without knowing either.

    Attributes:
        kind: kind of the other component, such as `discriminator`.
        parameter: the parameter of its constructor that the rule is about.
        forbidden: the values the parameter must not have.
        instead: the value to take where the recipe leaves the parameter to its default.
        reason: why, with the source; it ends the error message.
    """

    kind: str
    parameter: str
    forbidden: tuple[object, ...]
    instead: object
    reason: str


class Adversary(ABC):
    """An adversarial objective: `discriminator_loss` and `generator_loss`.

    Each returns a dictionary of scalars. The entry `total` is what its player minimises; every
    other entry is for the log: the terms `total` is made of, and `d_real` and `d_fake`, the mean
    logits of real and fake images. An adversary holds no parameters and no state.

    Attributes:
        uses_discriminator: False only for an objective without a second player.
        requirements: rules about other components.
        bounded: whether the discriminator's `total` cannot go below 0, which it reaches when it
            tells real from fake with certainty. The monitor judges by it who has won.
        discriminator_steps: discriminator updates per generator update, each on a fresh batch.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        discriminator_betas: Adam's betas for the discriminator.
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
        """Refuse a built discriminator this objective cannot be used with; accepts all by default.

        Raises:
            RecipeError: if the discriminator does not fit; the message says why.
        """
