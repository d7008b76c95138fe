"""The relativistic average objective of ESRGAN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.adversaries.base import Adversary, Critic
from zoo.adversaries.logits import batch_mean, global_mean, mean_logits, score, score_both
from zoo.registry import register_adversary


@register_adversary("relativistic")
class RelativisticAverage(Adversary):
    """Whether a real image is more real than the average fake one, and a fake one less real.

    RaSGAN of Jolicoeur-Martineau 2018. With C the logit and
    D_Ra(a, b) = sigma(C(a) - E[C(b)]) (ESRGAN, Sec. 3.2, Eq. 1 and 2):

    L_D = -E[log D_Ra(x, G(z))] - E[log(1 - D_Ra(G(z), x))]
    L_G = -E[log(1 - D_Ra(x, G(z)))] - E[log D_Ra(G(z), x)]

    Both losses are the paper's *sum* of two terms. BasicSR takes their mean, so a weight of 5e-3
    there is 2.5e-3 here; ESRGAN's lambda of 5e-3 belongs to the sum. The generator's first term
    reaches it through the mean of the fake logits and must not be dropped.
    """

    def discriminator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return `total` = `real` + `fake`, and the mean logits; see `Adversary`."""
        real_logits, fake_logits = score_both(discriminator, real, fake)
        terms = _prefer(real_logits, fake_logits)
        return _summed(real=terms[0], fake=terms[1]) | mean_logits(real_logits, fake_logits)

    def generator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return `total` = `real` + `fake`: the discriminator's loss with the roles exchanged."""
        with torch.no_grad():
            real_logits = score(discriminator, real)
        terms = _prefer(score(discriminator, fake), real_logits)
        return _summed(real=terms[1], fake=terms[0])


def _prefer(upper: Tensor, lower: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each side pays until `upper` logits exceed the mean of `lower`, and vice versa.

    The terms are -E[log D_Ra(upper, lower)] and -E[log(1 - D_Ra(lower, upper))].
    """
    upper_term = F.softplus(global_mean(lower) - upper)
    lower_term = F.softplus(lower - global_mean(upper))
    return batch_mean(upper_term), batch_mean(lower_term)


def _summed(*, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    return {"total": real + fake, "real": real, "fake": fake}
