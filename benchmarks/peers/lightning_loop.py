"""The training written with `lightning`: a module with manual optimization, as its GAN example.

`Trainer.fit` runs the loop; what it does before the first and after the last timed step is left
out of the time. Logger, checkpoints and progress bar are off: no other loop has them here.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader

from benchmarks.peers.machine import Clock
from benchmarks.peers.objective import Objective, Setup
from benchmarks.peers.tasks import BATCH_SIZE, Batch
from benchmarks.speed.check import Weights, weights_of
from benchmarks.speed.loops import WARM_STEPS, Block


class _Players(lightning.LightningModule):  # type: ignore[misc]  # it is untyped
    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator, self.features = setup.networks()
        self.average = setup.average_of(self.generator)
        self.objective = Objective(setup.settings, self.features)
        self._setup = setup

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return self._setup.optimizers(self.generator, self.discriminator)

    def training_step(self, batch: Batch, _number: int) -> None:
        lr_image, hr_image = (image.contiguous(memory_format=self._setup.layout) for image in batch)
        generator_optimizer, discriminator_optimizer = self.optimizers()
        sr_image = self.generator(lr_image)
        self.toggle_optimizer(discriminator_optimizer)
        loss = self.objective.discriminator_loss(self.discriminator, hr_image, sr_image.detach())
        discriminator_optimizer.zero_grad()
        self.manual_backward(loss)
        discriminator_optimizer.step()
        self.untoggle_optimizer(discriminator_optimizer)
        self.toggle_optimizer(generator_optimizer)
        terms = self.objective.generator_terms(self.discriminator, sr_image, hr_image)
        generator_optimizer.zero_grad()
        self.manual_backward(torch.stack(list(terms.values())).sum())
        generator_optimizer.step()
        self.untoggle_optimizer(generator_optimizer)
        self.average.update_parameters(self.generator)
        self.log_dict({**terms, "d": loss}, prog_bar=True)


class _Watch(lightning.Callback):  # type: ignore[misc]  # it is untyped
    """From the end of the last warm step to the end of the last step."""

    def __init__(self, clock: Clock) -> None:
        self.ends: list[float] = []
        self._clock = clock

    def on_train_batch_end(self, *_: Any) -> None:
        self.ends.append(self._clock())

    @property
    def seconds(self) -> float:
        return self.ends[-1] - self.ends[WARM_STEPS - 1]


class LightningLoop:
    """Both players as one `LightningModule`.

    Args:
        setup: networks, weights and batches.
    """

    def __init__(self, setup: Setup) -> None:
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        self.device, self.switches = torch.device("cpu"), setup.switches
        self.players = _Players(setup)
        self._batches = setup.batches
        self._precision = "bf16-mixed" if setup.bfloat16 else "32-true"

    def block(self, steps: int, clock: Clock) -> Block:
        """Take steps and time them."""
        self.switches.apply()
        watch, number = _Watch(clock), WARM_STEPS + steps
        self._fit([self._batches[turn % len(self._batches)] for turn in range(number)], [watch])
        return Block(steps * BATCH_SIZE, watch.seconds, 0.0, steps)

    def train(self, batches: Sequence[Batch]) -> dict[str, Weights]:
        """Train on batches and return the weights."""
        self._fit(batches, [])
        players = self.players
        return weights_of(players.generator, players.average.module, players.discriminator)

    def _fit(self, batches: Sequence[Batch], callbacks: list[lightning.Callback]) -> None:
        images: Any = [pair for batch in batches for pair in zip(*batch, strict=True)]
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            precision=self._precision,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=callbacks,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks for loading processes; there is no loading
            trainer.fit(self.players, DataLoader(images, batch_size=BATCH_SIZE))
