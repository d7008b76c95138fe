"""The first Wasserstein objective, WGAN, and what changes a discriminator after its updates."""

from __future__ import annotations

from abc import abstractmethod

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from zoo.adversaries.base import Adversary, Beta, Critic
from zoo.adversaries.logits import batch_mean, mean_logits, score, score_both
from zoo.registry import register_adversary


class ConstrainedAdversary(Adversary):
    """An objective whose discriminator must stay within a set; the training step calls it."""

    @abstractmethod
    def constrain(self, discriminator: nn.Module) -> None:
        """Change the parameters in place, after each update of the discriminator."""


@register_adversary("wgan")
class WassersteinClipped(ConstrainedAdversary):
    """The critic estimates a distance, with clipped weights: Arjovsky et al., ICML 2017, Alg. 1.

    L_D = E[D(G(z))] - E[D(x)]   and   L_G = -E[D(G(z))]

    After each of its updates, every parameter of the critic is clipped to [-clip, clip]. The
    defaults are the paper's; its RMSProp is Adam with betas of 0 and 0.99, without the correction
    of the first steps.

    Args:
        clip: c, the largest magnitude of a parameter.
        discriminator_steps: n_critic, critic updates per generator update.
        discriminator_learning_rate: Adam's learning rate for the critic.
        discriminator_betas: Adam's betas for the critic: momentum hurts here.
    """

    bounded = False

    def __init__(
        self,
        *,
        clip: PositiveFloat = 0.01,
        discriminator_steps: PositiveInt = 5,
        discriminator_learning_rate: PositiveFloat = 5e-5,
        discriminator_betas: tuple[Beta, Beta] = (0.0, 0.99),
    ) -> None:
        super().__init__(
            discriminator_steps=discriminator_steps,
            discriminator_learning_rate=discriminator_learning_rate,
            discriminator_betas=discriminator_betas,
        )
        self.clip = clip

    def discriminator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return `total`, the negative gap between the mean logits; see `Adversary`."""
        real_logits, fake_logits = score_both(discriminator, real, fake)
        total = batch_mean(fake_logits) - batch_mean(real_logits)
        return {"total": total, **mean_logits(real_logits, fake_logits)}

    def generator_loss(
        self,
        discriminator: Critic,
        real: Tensor,  # noqa: ARG002
        fake: Tensor,
    ) -> dict[str, Tensor]:
        """Return `total`, which depends on the fake images alone; see `Adversary`."""
        return {"total": -batch_mean(score(discriminator, fake))}

    @torch.no_grad()
    def constrain(self, discriminator: nn.Module) -> None:
        """Clip every parameter."""
        for parameter in discriminator.parameters():
            parameter.clamp_(-self.clip, self.clip)
