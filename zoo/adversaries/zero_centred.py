"""R1 and R2, penalties that are smallest where a discriminator is flat, on other objectives."""

from __future__ import annotations

from typing import Final, Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo.adversaries.base import Adversary, Beta, Critic, Requirement
from zoo.adversaries.hinge import Hinge
from zoo.adversaries.logits import at_least_float32, batch_mean
from zoo.adversaries.lsgan import LeastSquares
from zoo.adversaries.relativistic import RelativisticAverage
from zoo.adversaries.vanilla import Vanilla
from zoo.errors import RecipeError
from zoo.registry import register_adversary

_REASON = (
    "R1 and R2 are computed per image, and batch norm couples the images of a batch "
    "(Mescheder et al. 2018 use no normalisation)"
)
_OBJECTIVES: Final[dict[str, type[Adversary]]] = {
    "vanilla": Vanilla,
    "relativistic": RelativisticAverage,
    "lsgan": LeastSquares,
    "hinge": Hinge,
}


@register_adversary("r1-r2")
class ZeroCentred(Adversary):
    """Another objective with zero-centred gradient penalties: Mescheder et al., ICML 2018, Eq. 9.

    L_D = L + r1 / 2 * E[|grad D(x)|^2] + r2 / 2 * E[|grad D(G(z))|^2]

    L is the discriminator's loss of the objective, and L_G is the objective's. R1 is on real
    images, R2 on generated ones. The norm is that of the whole gradient of one image, and where the
    discriminator scores patches, an image's score is their mean. The defaults are the paper's; its
    RMSProp is Adam with betas of 0 and 0.99, without the correction of the first steps.

    Args:
        objective: the adversary that is penalised.
        r1: gamma, the weight of R1.
        r2: the weight of R2.
        discriminator_steps: discriminator updates per generator update.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        discriminator_betas: Adam's betas for the discriminator.
    """

    requirements = (
        Requirement(
            kind="discriminator",
            parameter="norm",
            forbidden=("batch",),
            instead="none",
            reason=_REASON,
        ),
    )

    def __init__(
        self,
        *,
        objective: Literal["vanilla", "relativistic", "lsgan", "hinge"] = "vanilla",
        r1: NonNegativeFloat = 10.0,
        r2: NonNegativeFloat = 0.0,
        discriminator_steps: PositiveInt = 1,
        discriminator_learning_rate: PositiveFloat = 1e-4,
        discriminator_betas: tuple[Beta, Beta] = (0.0, 0.99),
    ) -> None:
        super().__init__(
            discriminator_steps=discriminator_steps,
            discriminator_learning_rate=discriminator_learning_rate,
            discriminator_betas=discriminator_betas,
        )
        self.objective = _OBJECTIVES[objective]()
        self.r1, self.r2 = r1, r2

    def discriminator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return the objective's terms, `r1` and `r2` where they have a weight, and `penalty`.

        `total` is the objective's and `penalty`, the weighted sum of both.
        """
        terms = self.objective.discriminator_loss(discriminator, real, fake)
        penalty = torch.zeros_like(terms["total"])
        for name, weight, image in (("r1", self.r1, real), ("r2", self.r2, fake)):
            if weight > 0:
                terms[name] = squared_slope(discriminator, image)
                penalty = penalty + weight / 2 * terms[name]
        return terms | {"total": terms["total"] + penalty, "penalty": penalty}

    def generator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return the objective's; see `Adversary`."""
        return self.objective.generator_loss(discriminator, real, fake)

    def check_discriminator(self, discriminator: nn.Module) -> None:
        """Refuse a discriminator that has batch normalisation anywhere inside.

        Raises:
            RecipeError: if it has; the message names the first such layer.
        """
        # The same check as in `WassersteinGP`. That file keeps its content: records have its hash.
        for name, layer in discriminator.named_modules():
            if isinstance(layer, _BatchNorm):
                raise RecipeError(
                    f"{type(discriminator).__name__} has batch norm ({name or 'itself'}) and "
                    f"cannot be trained with R1 or R2: {_REASON}; choose another norm"
                )


def squared_slope(critic: Critic, image: Tensor) -> Tensor:
    """Return E[|grad C(x)|^2] over `(N, 3, H, W)` images, a scalar with its graph.

    Autocast is off in here: squares of small gradients, differentiated again, are lost in half
    precision.
    """
    with torch.autocast(device_type=image.device.type, enabled=False):
        image = at_least_float32(image.detach()).requires_grad_()
        scores = at_least_float32(critic(image)).flatten(1).mean(1)
        # No image's score depends on another image, so the gradient of the sum has each one's own.
        (gradient,) = torch.autograd.grad(scores.sum(), image, create_graph=True)
        return batch_mean(gradient.square().flatten(1).sum(1))
