"""The training of BasicSR itself: the `optimize_parameters` of its own model classes.

Its networks get zoo's initial weights, tensor by tensor in order. What it does otherwise than
zoo's step is done with zoo's own pieces by `reordered`: the
weights of that must be BasicSR's, or the comparison is not one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from basicsr.models import build_model
from torch import Tensor, nn

from benchmarks.peers.machine import Clock
from benchmarks.peers.objective import Setup
from benchmarks.peers.tasks import (
    BATCH_SIZE,
    BETAS,
    EMA_DECAY,
    GAN_WEIGHT,
    L1_WEIGHT,
    LEARNING_RATE,
    NUM_STEPS,
    Batch,
    Task,
)
from benchmarks.speed.check import Weights, fresh_components
from benchmarks.speed.loops import Block, StepBatches, run_block
from zoo.adversaries.base import Critic
from zoo.adversaries.relativistic import RelativisticAverage
from zoo.recipes.schema import RunSpec
from zoo.train.follow import assemble_stage
from zoo.train.prepare import Prepared
from zoo.train.step import generator_terms, update_discriminator


class BasicSRLoop:
    """BasicSR's model of a task.

    Args:
        setup: networks, weights and batches; BasicSR knows neither layout nor mixed precision.
        task: which of its models.
    """

    def __init__(self, setup: Setup, task: Task) -> None:
        self.switches, self.device = setup.switches, torch.device("cpu")
        self.batch_size = BATCH_SIZE
        generator, discriminator, features = setup.networks()
        dtype = next(generator.parameters()).dtype
        with patch("torchvision.models.vgg.vgg19", _untrained_vgg19):
            self.model = build_model(_options(task, _width(discriminator)))
        self._named = {"generator": generator, "discriminator": discriminator}
        self._parts = {"generator": self.model.net_g, "discriminator": self.model.net_d}
        for source, target in (
            (generator, self.model.net_g),
            (discriminator, self.model.net_d),
            (features, self.model.cri_perceptual.vgg.vgg_net),
        ):
            copy_in_order(source, target.to(dtype))
        self.model.net_g_ema.to(dtype)
        self.model.cri_perceptual.to(dtype)
        self.model.model_ema(0)
        self._batches = setup.batches
        self._step = 0

    def batches(self) -> Generator[StepBatches, None, None]:
        """Yield the batches, over and over."""
        while True:
            for batch in self._batches:
                yield batch, []

    def step(self, batches: StepBatches) -> None:
        """Take one iteration as `basicsr/train.py` does."""
        (lr_image, hr_image), _ = batches
        self._step += 1
        self.model.update_learning_rate(self._step, warmup_iter=-1)
        self.model.feed_data({"lq": lr_image, "gt": hr_image})
        self.model.optimize_parameters(self._step)

    def block(self, steps: int, clock: Clock) -> Block:
        """Take steps and time them."""
        return run_block(self, steps, clock)

    def train(self, batches: Sequence[Batch]) -> dict[str, Weights]:
        """Train on batches and return the parameters under zoo's names."""
        for batch in batches:
            self.step((batch, []))
        return {
            role: dict(
                zip(
                    (name for name, _ in self._named[role].named_parameters()),
                    (value.detach() for value in part.parameters()),
                    strict=True,
                )
            )
            for role, part in self._parts.items()
        }


def reordered(
    spec: RunSpec, prepared: Prepared, batches: Sequence[Batch], dtype: torch.dtype
) -> dict[str, Weights]:
    """Train with zoo's pieces in BasicSR's order and return the parameters.

    Args:
        spec: the training.
        prepared: what zoo prepared for it.
        batches: numbers in [0, 1], of the type.
        dtype: of the networks.
    """
    components = fresh_components(spec, dtype)
    if isinstance(components.adversary, RelativisticAverage):
        components = replace(
            components,
            adversary=_HalvedRelativistic(
                discriminator_learning_rate=LEARNING_RATE, discriminator_betas=BETAS
            ),
        )
    players = assemble_stage(spec, replace(prepared, components=components)).state
    players.generator.train()
    for lr_image, hr_image in batches:
        sr_image = players.generate(lr_image)
        terms = generator_terms(players, sr_image, hr_image)
        total = torch.stack([players.weights[name] * term for name, term in terms.items()]).sum()
        players.generator_optimizer.zero_grad()
        total.backward()
        players.generator_optimizer.step()
        update_discriminator(players, hr_image, sr_image.detach())
    if players.discriminator is None:
        raise ValueError("the recipe has no discriminator")
    return {
        "generator": dict(players.generator.named_parameters()),
        "discriminator": dict(players.discriminator.named_parameters()),
    }


class _HalvedRelativistic(RelativisticAverage):
    """BasicSR's discriminator's loss: the mean of two terms, the means of logits detached."""

    def discriminator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        real_logits, fake_logits = discriminator(real), discriminator(fake)
        real_term = F.softplus(fake_logits.mean().detach() - real_logits).mean()
        fake_term = F.softplus(fake_logits - real_logits.mean().detach()).mean()
        return {"total": (real_term + fake_term) / 2}


@torch.no_grad()
def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Copy the tensors of one network to another that has the same ones in the same order.

    Raises:
        ValueError: if it has not.
    """
    pairs = list(zip(source.state_dict().values(), target.state_dict().values(), strict=True))
    for value, place in pairs:
        if value.shape != place.shape:
            raise ValueError(f"{tuple(value.shape)} does not fit {tuple(place.shape)}")
        place.copy_(value)


def _options(task: Task, width: int) -> dict[str, Any]:
    """Return what a YAML file of BasicSR's says of the training."""
    adam: Mapping[str, Any] = {
        "type": "Adam", "lr": LEARNING_RATE, "weight_decay": 0, "betas": list(BETAS),
    }  # fmt: skip
    milestones = [NUM_STEPS // 8, NUM_STEPS // 4, NUM_STEPS // 2, NUM_STEPS * 3 // 4]
    return {
        "model_type": task.peer_model,
        "num_gpu": 0,
        "dist": False,
        "is_train": True,
        "path": {},
        "network_g": {"num_in_ch": 3, "num_out_ch": 3, **task.peer_generator},
        "network_d": {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": width},
        "train": {
            "ema_decay": EMA_DECAY,
            "optim_g": dict(adam),
            "optim_d": dict(adam),
            "scheduler": {"type": "MultiStepLR", "milestones": milestones, "gamma": 0.5},
            "pixel_opt": {"type": "L1Loss", "loss_weight": L1_WEIGHT, "reduction": "mean"},
            "perceptual_opt": {
                "type": "PerceptualLoss",
                "layer_weights": {"conv5_4": 1},
                "vgg_type": "vgg19",
                "use_input_norm": True,
                "perceptual_weight": 1.0,
                "style_weight": 0,
                "range_norm": False,
                "criterion": "l1",
            },
            "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": GAN_WEIGHT},
        },
    }


def _width(discriminator: nn.Module) -> int:
    """Return the channels of the first convolution."""
    return len(next(discriminator.parameters()))


def _untrained_vgg19(**_: Any) -> Any:
    """Return VGG19's convolutions, to be filled: its constructor asks the network for weights."""
    from torchvision.models.vgg import cfgs, make_layers

    return SimpleNamespace(features=make_layers(cfgs["E"]))
