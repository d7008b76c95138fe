"""The hinge objective of geometric GAN and SN-GAN."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo.adversaries.pointwise import PointwiseAdversary
from zoo.registry import register_adversary


@register_adversary("hinge")
class Hinge(PointwiseAdversary):
    """Hinge loss with margin 1 (Lim and Ye 2017; Miyato et al. 2018, Eq. 16 and 17).

    L_D = E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]   and   L_G = -E[D(G(z))]
    """

    def real_loss(self, logits: Tensor) -> Tensor:
        """Return what is missing to a margin of 1 above zero."""
        return F.relu(1 - logits)

    def fake_loss(self, logits: Tensor) -> Tensor:
        """Return what is missing to a margin of 1 below zero."""
        return F.relu(1 + logits)

    def generator_term(self, logits: Tensor) -> Tensor:
        """Return the negative logit: the generator has no margin at which it rests."""
        return -logits
