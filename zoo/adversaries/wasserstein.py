"""The Wasserstein objective with gradient penalty, WGAN-GP; the penalty is in `penalties`."""

from __future__ import annotations

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo.adversaries.base import Adversary, Beta, Critic, Requirement
from zoo.adversaries.logits import batch_mean, mean_logits, score, score_both
from zoo.adversaries.penalties import gradient_penalty
from zoo.errors import RecipeError
from zoo.registry import register_adversary

_REASON = (
    "the gradient penalty is computed per image, and batch norm couples the images of a batch "
    "(Gulrajani et al. 2017, Sec. 4)"
)


@register_adversary("wgan-gp")
class WassersteinGP(Adversary):
    """The critic estimates a distance between distributions (Gulrajani et al. 2017, Eq. 3).

    L_D = E[D(G(z))] - E[D(x)] + penalty_weight * E[(|grad D(x_hat)| - 1)^2]
    L_G = -E[D(G(z))]

    The defaults are those of the paper's Algorithm 1. The critic is meant to be near its optimum
    at every generator update, hence several updates for one.

    Args:
        penalty_weight: lambda.
        discriminator_steps: n_critic, critic updates per generator update.
        discriminator_learning_rate: Adam's learning rate for the critic.
        discriminator_betas: Adam's betas for the critic: momentum hurts here.
    """

    requirements = (
        Requirement(
            kind="discriminator",
            parameter="norm",
            forbidden=("batch",),
            instead="layer",
            reason=_REASON,
        ),
    )

    bounded = False

    def __init__(
        self,
        *,
        penalty_weight: NonNegativeFloat = 10.0,
        discriminator_steps: PositiveInt = 5,
        discriminator_learning_rate: PositiveFloat = 1e-4,
        discriminator_betas: tuple[Beta, Beta] = (0.0, 0.9),
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
        """Return `total` = `wasserstein` + penalty_weight * `penalty`; see `Adversary`.

        One `total` for one backward pass: under data parallelism, a backward pass through the
        penalty alone leaves out parameters it does not depend on, and replicas drift apart.
        `gradient_norm` is the mean norm the penalty pulls to 1.
        """
        real_logits, fake_logits = score_both(discriminator, real, fake)
        wasserstein = batch_mean(fake_logits) - batch_mean(real_logits)
        penalty, gradient_norm = gradient_penalty(discriminator, real, fake)
        terms = {
            "total": wasserstein + self.penalty_weight * penalty,
            "wasserstein": wasserstein,
            "penalty": penalty,
            "gradient_norm": gradient_norm,
        }
        return terms | mean_logits(real_logits, fake_logits)

    def generator_loss(
        self,
        discriminator: Critic,
        real: Tensor,  # noqa: ARG002
        fake: Tensor,
    ) -> dict[str, Tensor]:
        """Return `total`, which depends on the fake images alone; see `Adversary`."""
        return {"total": -batch_mean(score(discriminator, fake))}

    def check_discriminator(self, discriminator: nn.Module) -> None:
        """Refuse a critic that has batch normalisation anywhere inside.

        Raises:
            RecipeError: if it has; the message names the first such layer.
        """
        for name, layer in discriminator.named_modules():
            if isinstance(layer, _BatchNorm):
                raise RecipeError(
                    f"{type(discriminator).__name__} has batch norm ({name or 'itself'}: "
                    f"{type(layer).__name__}) and cannot be the critic of WGAN-GP: {_REASON}; "
                    "choose another norm"
                )
