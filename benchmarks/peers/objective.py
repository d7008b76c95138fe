"""ESRGAN's and SRGAN's losses as a user of a training framework writes them, in plain torch.

Shared by the loops that are ours to write; nothing of zoo's mathematics is taken. zoo's order of
updates: the discriminator first, then the generator against the updated one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.peers.tasks import Batch
from benchmarks.speed.loops import Switches
from benchmarks.speed.reference import plain_adam
from zoo.recipes.build import Components
from zoo.recipes.schema import RecipeSettings


@dataclass(frozen=True, slots=True)
class Setup:
    """What a peer's loop is built from.

    Attributes:
        components: networks with their initial weights, the loop's own.
        settings: zoo's, for weights and rates.
        batches: numbers in [0, 1], of the networks' type; used in turns.
        switches: torch's own settings.
        channels_last: whether networks and images are NHWC in memory.
        bfloat16: whether the loop is told to train in mixed precision.
    """

    components: Components
    settings: RecipeSettings
    batches: list[Batch]
    switches: Switches
    channels_last: bool = False
    bfloat16: bool = False

    @property
    def layout(self) -> torch.memory_format:
        """The memory format of networks and images."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def networks(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Return generator, discriminator and feature network in the layout.

        Raises:
            ValueError: if the recipe is not one of an adversarial training.
        """
        parts = self.components
        if parts.discriminator is None:
            raise ValueError("the recipe has no discriminator")
        features = copy.deepcopy(parts.losses["vgg19"].features)
        if not isinstance(features, nn.Module):
            raise TypeError("the recipe's loss 'vgg19' has no network")
        generator, discriminator, features = (
            module.to(memory_format=self.layout)
            for module in (parts.generator.train(), parts.discriminator.train(), features)
        )
        return generator, discriminator, features

    def average_of(self, generator: nn.Module) -> AveragedModel:
        """Return the moving average of a generator, as torch makes it."""
        average = get_ema_multi_avg_fn(self.settings.training.ema_decay)
        return AveragedModel(generator, multi_avg_fn=average, use_buffers=True)

    def optimizers(
        self, generator: nn.Module, discriminator: nn.Module
    ) -> list[torch.optim.Optimizer]:
        """Return Adam for both players, as torch makes it where nothing else is asked for."""
        training, adversary = self.settings.training, self.settings.adversary
        if adversary is None:
            raise ValueError("the recipe has no adversary")
        rate = adversary.arguments["discriminator_learning_rate"]
        betas = adversary.arguments["discriminator_betas"]
        return [
            plain_adam(generator, training.learning_rate, training.betas),
            plain_adam(discriminator, rate, tuple(betas)),
        ]


class Objective:
    """Both players' losses.

    Args:
        settings: which adversary, and the weights.
        features: images to the features of one layer, in a list.
    """

    def __init__(self, settings: RecipeSettings, features: nn.Module) -> None:
        if settings.adversary is None:
            raise ValueError("the recipe has no adversary")
        self.features = features
        self.relativistic = settings.adversary.name == "relativistic"
        self.weights = {name: loss.weight for name, loss in settings.losses.items()}
        self.weights["gan"] = settings.adversary.weight

    def discriminator_loss(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss of real images and detached fake ones."""
        real_logits, fake_logits = discriminator(real), discriminator(fake)
        if self.relativistic:
            return self._relative(real_logits, fake_logits)
        return _cross_entropy(real_logits, 1) + _cross_entropy(fake_logits, 0)

    def generator_terms(
        self, discriminator: nn.Module, sr_image: Tensor, hr_image: Tensor
    ) -> dict[str, Tensor]:
        """Return the weighted terms of the generator's loss."""
        with torch.no_grad():
            (target,) = self.features(hr_image)
        (features,) = self.features(sr_image)
        terms = {
            "l1": F.l1_loss(sr_image, hr_image),
            "vgg19": F.l1_loss(features, target),
            "gan": self._adversarial(discriminator, sr_image, hr_image),
        }
        return {name: self.weights[name] * term for name, term in terms.items()}

    def _adversarial(self, discriminator: nn.Module, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        if not self.relativistic:
            return _cross_entropy(discriminator(sr_image), 1)
        with torch.no_grad():
            real_logits = discriminator(hr_image)
        return self._relative(discriminator(sr_image), real_logits)

    def _relative(self, upper: Tensor, lower: Tensor) -> Tensor:
        loss = _cross_entropy(upper - lower.mean(), 1)
        return loss + _cross_entropy(lower - upper.mean(), 0)


def set_trainable(parameters: Iterable[nn.Parameter], *, trainable: bool) -> None:
    """Let parameters take gradients, or not."""
    for parameter in parameters:
        parameter.requires_grad_(trainable)


def _cross_entropy(logits: Tensor, label: int) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
