"""Base class of adversaries whose losses are means of a function of one logit.

An objective that compares images, such as the relativistic one, or has another term besides the
logits, such as WGAN-GP, derives from `zoo.adversaries.base.Adversary` instead.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from zoo.adversaries.base import Adversary, Critic
from zoo.adversaries.logits import batch_mean, mean_logits, score, score_both


class PointwiseAdversary(Adversary):
    """An objective given by three functions of a logit, applied element by element.

    L_D = E[real_loss(D(x))] + E[fake_loss(D(G(z)))]   and   L_G = E[generator_term(D(G(z)))]
    """

    @abstractmethod
    def real_loss(self, logits: Tensor) -> Tensor:
        """Return what the discriminator pays for each logit of a real image."""

    @abstractmethod
    def fake_loss(self, logits: Tensor) -> Tensor:
        """Return what the discriminator pays for each logit of a fake image."""

    @abstractmethod
    def generator_term(self, logits: Tensor) -> Tensor:
        """Return what the generator pays for each logit of a fake image."""

    def discriminator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return `total` = `real` + `fake`, and the mean logits; see `Adversary`."""
        real_logits, fake_logits = score_both(discriminator, real, fake)
        real_term = batch_mean(self.real_loss(real_logits))
        fake_term = batch_mean(self.fake_loss(fake_logits))
        terms = {"total": real_term + fake_term, "real": real_term, "fake": fake_term}
        return terms | mean_logits(real_logits, fake_logits)

    def generator_loss(
        self,
        discriminator: Critic,
        real: Tensor,  # noqa: ARG002
        fake: Tensor,
    ) -> dict[str, Tensor]:
        """Return `total`, which depends on the fake images alone; see `Adversary`."""
        return {"total": batch_mean(self.generator_term(score(discriminator, fake)))}
