"""The training written with `accelerate`: its own loop around prepared networks and optimizers.

As its guide has it: `prepare` everything, `accelerator.backward`, mixed precision by its argument.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader

from benchmarks.peers.machine import Clock
from benchmarks.peers.objective import Objective, Setup, set_trainable
from benchmarks.peers.tasks import BATCH_SIZE, Batch
from benchmarks.speed.check import Weights, weights_of
from benchmarks.speed.loops import Block, StepBatches, run_block


class AccelerateLoop:
    """Both players under an `Accelerator`.

    Args:
        setup: networks, weights and batches.
    """

    def __init__(self, setup: Setup) -> None:
        AcceleratorState._reset_state()  # noqa: SLF001  one precision a process is its rule
        precision = "bf16" if setup.bfloat16 else "no"
        self.accelerator = Accelerator(cpu=True, mixed_precision=precision)
        self.switches, self.device, self.batch_size = (
            setup.switches,
            self.accelerator.device,
            BATCH_SIZE,
        )
        generator, discriminator, features = setup.networks()
        optimizers = setup.optimizers(generator, discriminator)
        images: Any = [pair for batch in setup.batches for pair in zip(*batch, strict=True)]
        prepared = self.accelerator.prepare(
            generator, discriminator, *optimizers, DataLoader(images, batch_size=BATCH_SIZE)
        )
        self.generator, self.discriminator, *self.optimizers, self.loader = prepared
        self.average = setup.average_of(self.accelerator.unwrap_model(self.generator))
        self.objective = Objective(setup.settings, features.to(self.device))
        self._layout = setup.layout
        self.log: dict[str, float] = {}

    def batches(self) -> Generator[StepBatches, None, None]:
        """Yield the batches of the prepared loader, over and over."""
        while True:
            for lr_image, hr_image in self.loader:
                yield self._placed((lr_image, hr_image)), []

    def step(self, batches: StepBatches) -> None:
        """Take one training step."""
        (lr_image, hr_image), _ = batches
        generator_optimizer, discriminator_optimizer = self.optimizers
        sr_image = self.generator(lr_image)
        set_trainable(self.discriminator.parameters(), trainable=True)
        with self.accelerator.autocast():
            loss = self.objective.discriminator_loss(
                self.discriminator, hr_image, sr_image.detach()
            )
        discriminator_optimizer.zero_grad()
        self.accelerator.backward(loss)
        discriminator_optimizer.step()
        set_trainable(self.discriminator.parameters(), trainable=False)
        with self.accelerator.autocast():
            terms = self.objective.generator_terms(self.discriminator, sr_image, hr_image)
        generator_optimizer.zero_grad()
        self.accelerator.backward(torch.stack(list(terms.values())).sum())
        generator_optimizer.step()
        self.average.update_parameters(self.accelerator.unwrap_model(self.generator))
        self.log = {name: term.item() for name, term in {**terms, "d": loss}.items()}

    def block(self, steps: int, clock: Clock) -> Block:
        """Take steps and time them."""
        return run_block(self, steps, clock)

    def train(self, batches: Sequence[Batch]) -> dict[str, Weights]:
        """Train on batches and return the weights."""
        for batch in batches:
            self.step((self._placed(batch), []))
        return weights_of(self.generator, self.average.module, self.discriminator)

    def _placed(self, batch: Batch) -> Batch:
        lr_image, hr_image = (image.contiguous(memory_format=self._layout) for image in batch)
        return lr_image, hr_image
