"""The least-squares objective of LSGAN."""

from __future__ import annotations

from torch import Tensor

from zoo.adversaries.pointwise import PointwiseAdversary
from zoo.registry import register_adversary


@register_adversary("lsgan")
class LeastSquares(PointwiseAdversary):
    """Squared distances to the labels 1, real, and 0, fake (Mao et al. 2017, Eq. 9).

    L_D = 1/2 E[(D(x) - 1)^2] + 1/2 E[D(G(z))^2]   and   L_G = 1/2 E[(D(G(z)) - 1)^2]
    """

    def real_loss(self, logits: Tensor) -> Tensor:
        """Return half the squared distance to 1."""
        return 0.5 * (logits - 1).square()

    def fake_loss(self, logits: Tensor) -> Tensor:
        """Return half the squared distance to 0."""
        return 0.5 * logits.square()

    def generator_term(self, logits: Tensor) -> Tensor:
        """Return half the squared distance to 1."""
        return 0.5 * (logits - 1).square()
