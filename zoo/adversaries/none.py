"""No adversary: the generator is trained with its content losses only."""

from __future__ import annotations

from torch import Tensor

from zoo.adversaries.base import Adversary, Critic
from zoo.registry import register_adversary


@register_adversary("none")
class NoAdversary(Adversary):
    """The objective without a second player: zero for everybody, no discriminator is called."""

    uses_discriminator = False

    def __init__(self) -> None:
        super().__init__()

    def discriminator_loss(
        self,
        discriminator: Critic,  # noqa: ARG002
        real: Tensor,
        fake: Tensor,  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """Return zeros: there is nothing to train and nothing to score."""
        return {name: real.new_zeros(()) for name in ("total", "d_real", "d_fake")}

    def generator_loss(
        self,
        discriminator: Critic,  # noqa: ARG002
        real: Tensor,  # noqa: ARG002
        fake: Tensor,
    ) -> dict[str, Tensor]:
        """Return zero: no gradient reaches the generator from here."""
        return {"total": fake.new_zeros(())}
