"""R3GAN's objective: a relativistic comparison of pairs, and a gradient penalty on both sides.

Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A modern baseline GAN",
NeurIPS 2024 (arXiv:2501.05441). The comparison is of Jolicoeur-Martineau 2018, the penalties are
R1 and R2 of Mescheder et al. 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo import Adversary, register_adversary
from zoo.adversaries.base import Beta, Critic, Requirement
from zoo.adversaries.logits import at_least_float32, batch_mean, mean_logits, score
from zoo.errors import RecipeError

_REASON = (
    "its penalty is on the gradient of each image's own score, and batch norm makes that depend on "
    "the other images of a batch"
)


@register_adversary("r3gan")
class RelativisticPairing(Adversary):
    """Each real image is to be more real than the generated one it is paired with.

    With C the logit, p the softplus function and g the weight of the penalties:

    L_D = E[p(C(G(z)) - C(x))] + g/2 E[|grad C(x)|^2] + g/2 E[|grad C(G(z))|^2]
    L_G = E[p(C(x) - C(G(z)))]

    In super-resolution a pair is an image and its ground truth. The penalties are on the whole
    gradient of one image. The discriminator's loss is in float32 outside autocast: squares of
    gradients, differentiated again, are lost in half precision.

    Args:
        penalty_weight: g. The authors choose it for each dataset.
        discriminator_steps: discriminator updates per generator update.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        discriminator_betas: Adam's betas for the discriminator; the authors use no momentum.
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
        penalty_weight: NonNegativeFloat = 1.0,
        discriminator_steps: PositiveInt = 1,
        discriminator_learning_rate: PositiveFloat = 1e-4,
        discriminator_betas: tuple[Beta, Beta] = (0.0, 0.99),
    ) -> None:
        super().__init__(
            discriminator_steps=discriminator_steps,
            discriminator_learning_rate=discriminator_learning_rate,
            discriminator_betas=discriminator_betas,
        )
        self.penalty_weight = penalty_weight

    def discriminator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return `total` = `pairing` + penalty_weight / 2 * (`r1` + `r2`), and the mean logits."""
        with torch.autocast(device_type=real.device.type, enabled=False):
            real_logits, r1 = _score_and_penalty(discriminator, real)
            fake_logits, r2 = _score_and_penalty(discriminator, fake)
            pairing = batch_mean(F.softplus(fake_logits - real_logits))
            total = pairing + self.penalty_weight / 2 * (r1 + r2)
        terms = {"total": total, "pairing": pairing, "r1": r1, "r2": r2}
        return terms | mean_logits(real_logits, fake_logits)

    def generator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        """Return `total`; the gradient flows through the `(N, 3, H, W)` generated images alone."""
        with torch.no_grad():
            real_logits = score(discriminator, real)
        return {"total": batch_mean(F.softplus(real_logits - score(discriminator, fake)))}

    def check_discriminator(self, discriminator: nn.Module) -> None:
        """Refuse a discriminator that has batch normalisation anywhere inside.

        Raises:
            RecipeError: if it has; the message names the first such layer.
        """
        for name, layer in discriminator.named_modules():
            if isinstance(layer, _BatchNorm):
                raise RecipeError(
                    f"{type(discriminator).__name__} has batch norm ({name or 'itself'}) and "
                    f"cannot be trained with R3GAN's objective: {_REASON}; choose another norm"
                )


def _score_and_penalty(critic: Critic, image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits of `(N, 3, H, W)` images and E[|grad C|^2], with their graphs.

    Where the critic scores patches, an image's score is their mean.
    """
    image = at_least_float32(image.detach()).requires_grad_()
    logits = score(critic, image)
    # No image's score depends on another image, so the gradient of the sum holds each one's own.
    scores = logits.flatten(1).mean(1)
    (gradient,) = torch.autograd.grad(scores.sum(), image, create_graph=True)
    return logits, batch_mean(gradient.square().flatten(1).sum(1))
