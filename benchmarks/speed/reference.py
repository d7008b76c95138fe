"""A plain training loop as super-resolution code of the field writes it: what zoo is compared with.

Float32 in PyTorch's default settings, NCHW, eager. PNG sub-images are decoded and augmented by
loading processes, every loss is read with `.item()` in every step, Adam is as PyTorch makes it
where nothing is asked for (never fused), and the moving average is a loop over parameters. The
objectives are written out here and not taken from zoo, so that the comparison of both loops'
weights checks zoo's mathematics too. The networks are zoo's own modules: both loops compute the
same functions from the same weights.

Not here: the sub-images (`benchmarks.speed.subimages`), timing (`benchmarks.speed.loops`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import RecipeError
from zoo.recipes.build import Components
from zoo.recipes.schema import RecipeSettings
from zoo.train.step import learning_rate_factor

Batch = tuple[Tensor, Tensor]
Pixel = Callable[[Tensor, Tensor], Tensor]
DISTANCES: dict[str, Pixel] = {"mse": F.mse_loss, "l1": F.l1_loss}
ADVERSARIES = ("vanilla", "relativistic", "wgan-gp")


class Reference:
    """Both players of a recipe and what trains them, the plain way.

    Args:
        components: the networks to start from, this loop's own.
        settings: the recipe's.
        num_steps: generator updates in all, which the learning rate's schedule spans.
        device: where to train.

    Raises:
        RecipeError: if the recipe's adversary is not written out here.
    """

    def __init__(
        self,
        components: Components,
        settings: RecipeSettings,
        *,
        num_steps: int,
        device: torch.device,
    ) -> None:
        training, adversary = settings.training, components.adversary
        self.device = device
        self.settings = settings
        self.generator = components.generator.to(device).train()
        self.average = copy.deepcopy(self.generator).requires_grad_(requires_grad=False)
        self.features: dict[str, nn.Module] = {}
        for name, loss in components.losses.items():
            network = getattr(loss, "features", None)
            if isinstance(network, nn.Module):
                self.features[name] = network.to(device)
        self.optimizers = [plain_adam(self.generator, training.learning_rate, training.betas)]
        self.discriminator: nn.Module | None = None
        if components.discriminator is not None and adversary is not None:
            named = settings.adversary and settings.adversary.name
            if named not in ADVERSARIES:
                raise RecipeError(f"the plain loop has no adversary {named!r}")
            self.discriminator = components.discriminator.to(device).train()
            rate, betas = adversary.discriminator_learning_rate, adversary.discriminator_betas
            self.optimizers.append(plain_adam(self.discriminator, rate, betas))
        self.schedulers = [
            torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: learning_rate_factor(training.schedule, step, num_steps)
            )
            for optimizer in self.optimizers
        ]
        self.updates = 0

    def step(self, batch: Batch, extra_batches: Sequence[Batch] = ()) -> dict[str, float]:
        """Train on a batch; `extra_batches` are for the discriminator's updates before the last.

        Args:
            batch: `lr_image` `(N, 3, h, w)` and `hr_image` `(N, 3, H, W)`, RGB in [0, 1].
            extra_batches: batches of the same kind.

        Returns:
            Every loss, read from the device.
        """
        lr_image, hr_image = batch
        log: dict[str, float] = {}
        for extra_lr, extra_hr in extra_batches:
            with torch.no_grad():
                fake = self.generator(extra_lr)
            self._update_discriminator(extra_hr, fake, log)
        sr_image = self.generator(lr_image)
        if self.discriminator is not None:
            self._update_discriminator(hr_image, sr_image.detach(), log)
        self._update_generator(sr_image, hr_image, log)
        self._update_average()
        for scheduler in self.schedulers:
            scheduler.step()
        return log

    def _update_discriminator(self, real: Tensor, fake: Tensor, log: dict[str, float]) -> None:
        adversary, discriminator = self.settings.adversary, self.discriminator
        if adversary is None or discriminator is None:
            raise ValueError("a recipe without an adversary has no discriminator to update")
        for parameter in discriminator.parameters():
            parameter.requires_grad = True
        self.optimizers[1].zero_grad()
        real_logits, fake_logits = discriminator(real), discriminator(fake)
        if adversary.name == "wgan-gp":
            penalty = _gradient_penalty(discriminator, real, fake)
            log["discriminator_penalty"] = penalty.item()
            loss = fake_logits.mean() - real_logits.mean()
            loss = loss + adversary.arguments["penalty_weight"] * penalty
        elif adversary.name == "relativistic":
            loss = _cross_entropy(real_logits - fake_logits.mean(), real=True)
            loss = loss + _cross_entropy(fake_logits - real_logits.mean(), real=False)
        else:
            loss = _cross_entropy(real_logits, real=True) + _cross_entropy(fake_logits, real=False)
        loss.backward()
        self.optimizers[1].step()
        log["discriminator_total"] = loss.item()
        log["discriminator_real"] = real_logits.mean().item()
        log["discriminator_fake"] = fake_logits.mean().item()

    def _update_generator(self, sr_image: Tensor, hr_image: Tensor, log: dict[str, float]) -> None:
        total = sr_image.new_zeros(())
        for name, term in self.settings.losses.items():
            if name in self.features:
                loss = self._perceptual(name, sr_image, hr_image)
            else:
                loss = DISTANCES[term.name](sr_image, hr_image)
            log[f"loss_{name}"] = loss.item()
            total = total + term.weight * loss
        adversary = self.settings.adversary
        if adversary is not None and self.discriminator is not None:
            loss = self._adversarial(self.discriminator, sr_image, hr_image)
            log["loss_adversarial"] = loss.item()
            total = total + adversary.weight * loss
        self.optimizers[0].zero_grad()
        total.backward()
        self.optimizers[0].step()
        log["loss_total"] = total.item()

    def _perceptual(self, name: str, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        arguments = self.settings.losses[name].arguments
        network, scale = self.features[name], arguments["feature_scale"]
        distance = DISTANCES[arguments["criterion"]]
        (features,), (target,) = network(sr_image), network(hr_image.detach())
        return distance(scale * features, scale * target)

    def _adversarial(self, discriminator: nn.Module, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        for parameter in discriminator.parameters():
            parameter.requires_grad = False
        name = None if self.settings.adversary is None else self.settings.adversary.name
        if name == "relativistic":
            real_logits = discriminator(hr_image).detach()
            fake_logits = discriminator(sr_image)
            loss = _cross_entropy(real_logits - fake_logits.mean(), real=False)
            return loss + _cross_entropy(fake_logits - real_logits.mean(), real=True)
        fake_logits = discriminator(sr_image)
        if name == "wgan-gp":
            score: Tensor = fake_logits.mean()
            return -score
        return _cross_entropy(fake_logits, real=True)

    def _update_average(self) -> None:
        """Follow the generator's parameters one by one; the first update copies them."""
        decay = self.settings.training.ema_decay if self.updates else 0.0
        current = dict(self.generator.named_parameters())
        for name, average in self.average.named_parameters():
            average.data.mul_(decay).add_(current[name].data, alpha=1 - decay)
        self.updates += 1


def plain_adam(
    module: nn.Module, learning_rate: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """Return Adam that goes from parameter to parameter."""
    return torch.optim.Adam(module.parameters(), lr=learning_rate, betas=betas)


def _cross_entropy(logits: Tensor, *, real: bool) -> Tensor:
    target = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return F.binary_cross_entropy_with_logits(logits, target)


def _gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Return E[(|grad D(x_hat)| - 1)^2] (Gulrajani et al. 2017, Eq. 3)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    between: Any = (share * real + (1 - share) * fake).requires_grad_()
    logits = critic(between)
    (gradient,) = torch.autograd.grad(
        outputs=logits,
        inputs=between,
        grad_outputs=torch.ones_like(logits),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )
    slopes: Tensor = gradient.flatten(1).norm(2, dim=1)
    return ((slopes - 1) ** 2).mean()
