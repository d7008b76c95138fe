"""The training step, the same for every adversary and for none, and its state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.adversaries.base import Adversary, Critic
from zoo.adversaries.clipping import ConstrainedAdversary
from zoo.adversaries.logits import at_least_float32
from zoo.data.stream import to_float
from zoo.errors import RecipeError
from zoo.losses.kinds import Seen, StepLoss
from zoo.recipes.build import Components
from zoo.recipes.schema import Schedule, Training
from zoo.runs.device import Execution
from zoo.train.compilation import CompiledCritic, check_compiler, compile_losses
from zoo.train.ema import MovingAverage
from zoo.train.freezing import Freezing

Batch = tuple[Tensor, Tensor]
ADVERSARIAL = "adversarial"
"""Name of the adversary's term among those of the recipe's losses."""


@dataclass(slots=True)
class TrainingState:
    """Both networks with their optimizers, on the device, for one step.

    Attributes:
        generate: the generator, or its compiled form; shares the parameters of `generator`.
        critic: the same for `discriminator`.
        ema: moving average of the generator's parameters and buffers.
        freezing: which parameters of the generator are trained at which step.
        weights: weight of each term of the generator's loss.
    """

    generator: nn.Module
    generate: Callable[[Tensor], Tensor]
    generator_optimizer: torch.optim.Optimizer
    ema: MovingAverage
    freezing: Freezing
    losses: nn.ModuleDict
    weights: dict[str, float]
    adversary: Adversary | None
    discriminator: nn.Module | None
    critic: Critic | None
    discriminator_optimizer: torch.optim.Optimizer | None
    execution: Execution

    @property
    def num_extra_batches(self) -> int:
        """Extra batches of a step: one for each discriminator update but the last."""
        return 0 if self.adversary is None else self.adversary.discriminator_steps - 1

    def stateful(self) -> dict[str, Any]:
        """Return all objects whose state is part of a checkpoint, by name."""
        parts: dict[str, Any] = {
            "generator": self.generator,
            "generator_optimizer": self.generator_optimizer,
            "ema": self.ema,
        }
        if self.discriminator is not None:
            parts["discriminator"] = self.discriminator
            parts["discriminator_optimizer"] = self.discriminator_optimizer
        return parts

    def optimizers(self) -> Iterator[torch.optim.Optimizer]:
        """Yield the optimizers there are."""
        yield self.generator_optimizer
        if self.discriminator_optimizer is not None:
            yield self.discriminator_optimizer


def assemble(components: Components, training: Training, execution: Execution) -> TrainingState:
    """Place components on the device; create optimizers and a moving average.

    Raises:
        MachineError: if networks are to be compiled and there is no compiler.
        RecipeError: if a pattern of `freeze` is no parameter's, or nothing is left to train.
    """
    check_compiler(execution)
    generator = execution.place(components.generator)
    generator_optimizer = _adam(generator, training.learning_rate, training.betas)
    discriminator, discriminator_optimizer = None, None
    adversary = components.adversary
    if components.discriminator is not None and adversary is not None:
        discriminator = execution.place(components.discriminator)
        discriminator_optimizer = _adam(
            discriminator, adversary.discriminator_learning_rate, adversary.discriminator_betas
        )
    losses = nn.ModuleDict(
        {name: execution.place(loss) for name, loss in components.losses.items()}
    )
    generate: Callable[[Tensor], Tensor] = generator
    critic: Critic | None = discriminator
    if execution.compile:
        generate = torch.compile(generator)
        critic = None if discriminator is None else CompiledCritic(discriminator)
        compile_losses(losses.values())
    return TrainingState(
        generator=generator,
        generate=generate,
        generator_optimizer=generator_optimizer,
        ema=MovingAverage(generator, decay=training.ema_decay),
        freezing=Freezing(generator, training.freeze, training.unfreeze_at),
        losses=losses,
        weights={**components.weights, ADVERSARIAL: components.adversary_weight},
        adversary=adversary,
        discriminator=discriminator,
        critic=critic,
        discriminator_optimizer=discriminator_optimizer,
        execution=execution,
    )


def training_step(
    state: TrainingState,
    batch: Batch,
    extra_batches: Sequence[Batch] = (),
    *,
    observe: bool = False,
) -> dict[str, Tensor]:
    """Update the discriminator as often as its adversary requires, then the generator once.

    The generator's image of `batch` is made once: the last discriminator update sees it detached,
    the generator's loss with its graph. Nothing here waits for the device.

    Args:
        state: both networks; updated in place.
        batch: `lr_image` `(N, 3, h, w)` and `hr_image` `(N, 3, H, W)`, RGB in [0, 1].
        extra_batches: new batches for the discriminator's updates before the last.
        observe: also measure the gradient of each weighted term at the generator's output.

    Returns:
        Scalars on the device, detached: every unweighted term as `loss_*`; the discriminator's as
        `discriminator_*`; with `observe`, also `gradient_*` and `sr_contrast`.
    """
    lr_image, hr_image = batch
    state.freezing.train(state.generator)
    for extra_lr, extra_hr in extra_batches:  # first, while no graph of the generator is held
        with torch.no_grad(), state.execution.autocast():
            fake = state.generate(extra_lr)
        update_discriminator(state, extra_hr, fake)
    with state.execution.autocast():
        sr_image = state.generate(lr_image)
    log: dict[str, Tensor] = {}
    if state.discriminator is not None:
        log |= update_discriminator(state, hr_image, sr_image.detach())
    terms = generator_terms(state, sr_image, hr_image, seen(state, lr_image))
    if observe:
        log |= observe_terms(state, terms, sr_image, hr_image)
    total = torch.stack([state.weights[name] * term for name, term in terms.items()]).sum()
    state.generator_optimizer.zero_grad(set_to_none=True)
    total.backward()
    state.generator_optimizer.step()
    state.ema.update_parameters(state.generator)
    log |= {f"loss_{name}": term for name, term in terms.items()} | {"loss_total": total}
    return {name: value.detach() for name, value in log.items()}


def update_discriminator(state: TrainingState, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Update the discriminator once, with one backward pass for all its terms.

    Args:
        state: both networks; only the discriminator changes.
        real: `(N, 3, H, W)` real images, RGB in [0, 1].
        fake: `(N, 3, H, W)` generated images, without a graph.
    """
    adversary, discriminator = state.adversary, state.discriminator
    critic, optimizer = state.critic, state.discriminator_optimizer
    if adversary is None or discriminator is None or critic is None or optimizer is None:
        return {}
    discriminator.requires_grad_(requires_grad=True)
    with state.execution.autocast():
        losses = adversary.discriminator_loss(critic, real, fake)
    optimizer.zero_grad(set_to_none=True)
    losses["total"].backward()
    optimizer.step()
    if isinstance(adversary, ConstrainedAdversary):
        adversary.constrain(discriminator)
    return {f"discriminator_{name}": value for name, value in losses.items()}


def generator_terms(
    state: TrainingState, sr_image: Tensor, hr_image: Tensor, step: Seen | None = None
) -> dict[str, Tensor]:
    """Return the unweighted terms of the generator's loss; the discriminator stays frozen."""
    with state.execution.autocast():
        terms = {
            name: loss(sr_image, hr_image, *([step] if isinstance(loss, StepLoss) else []))
            for name, loss in state.losses.items()
        }
        adversary, discriminator, critic = state.adversary, state.discriminator, state.critic
        if adversary is not None and discriminator is not None and critic is not None:
            discriminator.requires_grad_(requires_grad=False)
            terms[ADVERSARIAL] = adversary.generator_loss(critic, hr_image, sr_image)["total"]
    return terms


def seen(state: TrainingState, lr_image: Tensor) -> Seen:
    """Return what a loss of the whole step may use: `(N, 3, h, w)` images, and the average's."""

    def average() -> Tensor:
        with torch.no_grad(), state.execution.autocast():
            image: Tensor = state.ema.module.eval()(lr_image)
        return image

    return Seen(lr_image, average)


def observe_terms(
    state: TrainingState, terms: dict[str, Tensor], sr_image: Tensor, hr_image: Tensor
) -> dict[str, Tensor]:
    """Measure the gradient norm of each weighted term at the generator's output.

    Raises:
        RecipeError: if a term does not depend on the generated image, so the generator would not
            learn from it.
    """
    observed: dict[str, Tensor] = {}
    for name, term in terms.items():
        if not term.requires_grad:
            raise RecipeError(
                f"the term {name!r} has no gradient at the generator; check that it is computed "
                "from the generator's output without detach()"
            )
        (gradient,) = torch.autograd.grad(state.weights[name] * term, sr_image, retain_graph=True)
        observed[f"gradient_{name}"] = at_least_float32(gradient).norm()
    contrast = at_least_float32(sr_image.detach()).std()
    observed["sr_contrast"] = contrast / hr_image.std().clamp_min(1e-6)
    return observed


def to_device(batch: Batch, execution: Execution) -> Batch:
    """Move a batch of 8-bit images to the device and convert it there to numbers in [0, 1]."""
    lr_image, hr_image = (
        to_float(image.to(execution.device, non_blocking=True)).contiguous(
            memory_format=torch.channels_last
            if execution.channels_last
            else torch.contiguous_format
        )
        for image in batch
    )
    return lr_image, hr_image


def learning_rate_factor(schedule: Schedule, step: int, num_steps: int) -> float:
    """Return the factor on the learning rates at a step, counted from 0.

    A pure function: there is no scheduler state to save.
    """
    progress = step / num_steps
    if schedule.kind == "step":
        passed = sum(progress >= milestone for milestone in schedule.milestones)
        return float(schedule.gamma**passed)
    if schedule.kind == "cosine":
        return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * progress)) / 2
    return 1.0


def set_learning_rates(state: TrainingState, factor: float) -> None:
    """Set every optimizer's learning rate to `factor` times its initial one."""
    for optimizer in state.optimizers():
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor


def _adam(
    module: nn.Module, learning_rate: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate, betas=betas, fused=True)
    for group in optimizer.param_groups:
        group["initial_lr"] = learning_rate
    return optimizer
