"""The objective of the first GANs, non-saturating, as SRGAN uses it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo.adversaries.pointwise import PointwiseAdversary
from zoo.registry import register_adversary


@register_adversary("vanilla")
class Vanilla(PointwiseAdversary):
    """Binary cross entropy on logits (Goodfellow et al. 2014, Eq. 1, with sigma(D) for D).

    L_D = -E[log sigma(D(x))] - E[log(1 - sigma(D(G(z))))]
    L_G = -E[log sigma(D(G(z)))], the non-saturating form of Sec. 3; SRGAN's Eq. 6

    Softplus is the cross entropy of a logit: -log sigma(l) = softplus(-l).
    """

    def real_loss(self, logits: Tensor) -> Tensor:
        """Return -log sigma(D(x))."""
        return F.softplus(-logits)

    def fake_loss(self, logits: Tensor) -> Tensor:
        """Return -log(1 - sigma(D(G(z))))."""
        return F.softplus(logits)

    def generator_term(self, logits: Tensor) -> Tensor:
        """Return -log sigma(D(G(z)))."""
        return F.softplus(-logits)
