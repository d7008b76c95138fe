"""What is trained: the ESRGAN and SRGAN of BasicSR's options, as recipes of zoo's.

Both at BasicSR's weights and optimizers, on its discriminator, with VGG19's features of random
weights, which take as long as trained ones and need no hub. Batches are drawn at random: no loop
waits for a disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.peers import networks
from zoo.data.stream import to_float
from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve, written_settings
from zoo.recipes.schema import RunSpec

Batch = tuple[Tensor, Tensor]
BATCH_SIZE: Final = 2
LR_SIDE: Final = 32
SCALE: Final = 4
BETAS: Final = (0.9, 0.99)
LEARNING_RATE: Final = 1e-4
EMA_DECAY: Final = 0.999
NUM_STEPS: Final = 400_000
"""Of a whole training: zoo measures how to execute its steps where there are many."""
L1_WEIGHT: Final = 1e-2
GAN_WEIGHT: Final = 5e-3
"""BasicSR's; it halves the relativistic sum (see `zoo.adversaries.relativistic`)."""


@dataclass(frozen=True, slots=True)
class Task:
    """One training.

    Attributes:
        title: what it is called in tables.
        generator: the network as a recipe of zoo's names it.
        adversary: by zoo's name.
        gan_share: what BasicSR multiplies the adversary's sum of two terms by.
        peer_model: BasicSR's class of the training.
        peer_generator: its options of the network.
    """

    title: str
    generator: dict[str, Any]
    adversary: str
    gan_share: float
    peer_model: str
    peer_generator: dict[str, Any]


TASKS: Final = {
    "esrgan": Task(
        "ESRGAN, RRDBNet 32/2",
        {"name": "rrdb", "width": 32, "num_blocks": 2},
        "relativistic",
        0.5,
        "ESRGANModel",
        {"type": "RRDBNet", "num_feat": 32, "num_block": 2, "num_grow_ch": 32},
    ),
    "srgan": Task(
        "SRGAN, MSRResNet 32/4",
        {"name": "msrresnet", "width": 32, "num_blocks": 4},
        "vanilla",
        1.0,
        "SRGANModel",
        {"type": "MSRResNet", "num_feat": 32, "num_block": 4, "upscale": SCALE},
    ),
}


def specify(task: Task, settings: tuple[str, ...] = ()) -> RunSpec:
    """Return the specification of zoo's training.

    Args:
        task: one of `TASKS`.
        settings: `path=value` overrides, the last to be applied.
    """
    networks.register()
    own: dict[str, Any] = {
        **{f"generator.{name}": value for name, value in task.generator.items()},
        "discriminator": networks.NAME,
        "adversary": task.adversary,
        "adversary.weight": GAN_WEIGHT * task.gan_share,
        "adversary.discriminator_learning_rate": LEARNING_RATE,
        "adversary.discriminator_betas": BETAS,
        "losses.l1": L1_WEIGHT,
        "losses.vgg19.weights": "random",
        "training.steps": NUM_STEPS,
        "training.epochs": None,
        "training.betas": BETAS,
        "training.learning_rate": LEARNING_RATE,
        "training.ema_decay": EMA_DECAY,
        "data.source": "samples",
        "data.batch_size": BATCH_SIZE,
        "data.lr_patch_size": LR_SIDE,
    }
    every = [*written_settings(own), *settings]
    found = resolve(load_book(), "esrgan", "paper", seed=0, settings=every)
    return complete(found).spec


def draw_batches(count: int) -> list[Batch]:
    """Return batches of random 8-bit images: `(2, 3, 32, 32)` and `(2, 3, 128, 128)`, uint8."""
    random = torch.Generator().manual_seed(0)
    sides = (LR_SIDE, LR_SIDE * SCALE)

    def draw(side: int) -> Tensor:
        shape = (BATCH_SIZE, 3, side, side)
        return torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)

    return [(draw(sides[0]), draw(sides[1])) for _ in range(count)]


def as_numbers(batch: Batch, dtype: torch.dtype = torch.float32) -> Batch:
    """Return a batch of 8-bit images as numbers in [0, 1]."""
    lr_image, hr_image = (to_float(image).to(dtype).contiguous() for image in batch)
    return lr_image, hr_image
