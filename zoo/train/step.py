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
from zoo.runs.world import ALONE, World
from zoo.train.compilation import CompiledCritic, check_compiler, compile_losses
from zoo.train.ema import MovingAverage
from zoo.train.freezing import Freezing
from zoo.train.global_batch import (
    average_gradients,
    global_draws,
    global_norm,
    global_std,
    globalise,
)
from zoo.train.optimizers import make_optimizer

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
        training: gradient norms, and the parts of a batch.
        world: the processes that share a batch.
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
    training: Training
    world: World = ALONE

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


def assemble(
    components: Components, training: Training, execution: Execution, world: World = ALONE
) -> TrainingState:
    """Place components on the device; create optimizers and a moving average.

    Raises:
        MachineError: if networks are to be compiled and there is no compiler.
        RecipeError: if a pattern of `freeze` is no parameter's, or nothing is left to train.
    """
    check_compiler(execution)
    generator = globalise(execution.place(components.generator), world, execution.device)
    generator_optimizer = make_optimizer(
        generator,
        training.optimizer,
        learning_rate=training.learning_rate,
        betas=training.betas,
        options=training.optimizer_options,
    )
    discriminator, discriminator_optimizer = _discriminator(components, training, execution, world)
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
        adversary=components.adversary,
        discriminator=discriminator,
        critic=critic,
        discriminator_optimizer=discriminator_optimizer,
        execution=execution,
        training=training,
        world=world,
    )


def _discriminator(
    components: Components, training: Training, execution: Execution, world: World
) -> tuple[nn.Module | None, torch.optim.Optimizer | None]:
    """Return the discriminator, placed on the device, and its optimizer; None if there is none."""
    adversary = components.adversary
    if components.discriminator is None or adversary is None:
        return None, None
    discriminator = globalise(execution.place(components.discriminator), world, execution.device)
    optimizer = make_optimizer(
        discriminator,
        training.discriminator_optimizer,
        learning_rate=adversary.discriminator_learning_rate,
        betas=adversary.discriminator_betas,
        options=training.discriminator_optimizer_options,
    )
    return discriminator, optimizer


def training_step(
    state: TrainingState,
    batch: Batch,
    extra_batches: Sequence[Batch] = (),
    *,
    observe: bool = False,
) -> dict[str, Tensor]:
    """Update the discriminator as often as its adversary requires, then the generator once.

    The generator's image of `batch` is made once: the last discriminator update sees it detached,
    the generator's loss with its graph. Of a batch in parts it is made twice, because only one part
    at a time has a graph. Nothing here waits for the device.

    Args:
        state: both networks; updated in place.
        batch: `lr_image` `(N, 3, h, w)` and `hr_image` `(N, 3, H, W)`, RGB in [0, 1].
        extra_batches: new batches for the discriminator's updates before the last.
        observe: also measure the gradient of each weighted term at the generator's output.

    Returns:
        Scalars on the device, detached: every unweighted term as `loss_*`; the discriminator's as
        `discriminator_*`; with `observe`, also `gradient_*` and `sr_contrast`. Of a batch in parts,
        means over them.
    """
    (lr_image, hr_image), training = batch, state.training
    state.freezing.train(state.generator)
    for extra_lr, extra_hr in extra_batches:  # first, while no graph of the generator is held
        update_discriminator(state, extra_hr, _generated(state, extra_lr))
    sr_image = None if training.accumulate > 1 else _generate(state, lr_image)
    log: dict[str, Tensor] = {}
    if state.discriminator is not None:
        fake = _generated(state, lr_image) if sr_image is None else sr_image.detach()
        log |= update_discriminator(state, hr_image, fake)
    state.generator_optimizer.zero_grad(set_to_none=True)
    logs = []
    for lr_part, hr_part in _parts(state, lr_image, hr_image):
        made = _generate(state, lr_part) if sr_image is None else sr_image
        terms = generator_terms(state, made, hr_part, seen(state, lr_part))
        observed = observe_terms(state, terms, made, hr_part) if observe else {}
        total = torch.stack([state.weights[name] * term for name, term in terms.items()]).sum()
        _backward(state, total)
        losses = {f"loss_{name}": term for name, term in terms.items()} | {"loss_total": total}
        logs.append({name: value.detach() for name, value in (observed | losses).items()})
    average_gradients(state.generator, state.world)
    _limit(state.generator, training.max_gradient_norm)
    state.generator_optimizer.step()
    state.ema.update_parameters(state.generator)
    return state.world.mean(log | _mean(logs))


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
    optimizer.zero_grad(set_to_none=True)
    logs = []
    for real_part, fake_part in _parts(state, real, fake):
        with state.execution.autocast(), global_draws(state.world, len(real_part)):
            losses = adversary.discriminator_loss(critic, real_part, fake_part)
        _backward(state, losses["total"])
        logs.append({f"discriminator_{name}": value.detach() for name, value in losses.items()})
    average_gradients(discriminator, state.world)
    _limit(discriminator, state.training.discriminator_max_gradient_norm)
    optimizer.step()
    if isinstance(adversary, ConstrainedAdversary):
        adversary.constrain(discriminator)
    return _mean(logs)


def generator_terms(
    state: TrainingState, sr_image: Tensor, hr_image: Tensor, step: Seen | None = None
) -> dict[str, Tensor]:
    """Return the unweighted terms of the generator's loss; the discriminator stays frozen."""
    with state.execution.autocast(), global_draws(state.world, len(sr_image)):
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
        observed[f"gradient_{name}"] = global_norm(state.world, at_least_float32(gradient))
    contrast = global_std(state.world, at_least_float32(sr_image.detach()))
    real_contrast = global_std(state.world, hr_image)
    observed["sr_contrast"] = contrast / real_contrast.clamp_min(1e-6)
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


def learning_rate_factor(
    schedule: Schedule, step: int, num_steps: int, warmup_steps: int = 0
) -> float:
    """Return the factor on the learning rates at a step, counted from 0.

    A pure function: there is no scheduler state to save.
    """
    progress, factor = step / num_steps, 1.0
    if schedule.kind == "step":
        passed = sum(progress >= milestone for milestone in schedule.milestones)
        factor = float(schedule.gamma**passed)
    if schedule.kind == "cosine":
        factor = schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * progress)) / 2
    return factor * (step + 1) / warmup_steps if step < warmup_steps else factor


def set_learning_rates(state: TrainingState, factor: float) -> None:
    """Set every optimizer's learning rate to `factor` times its initial one."""
    for optimizer in state.optimizers():
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor


def _generate(state: TrainingState, lr_image: Tensor) -> Tensor:
    with state.execution.autocast():
        return state.generate(lr_image)


def _generated(state: TrainingState, lr_image: Tensor) -> Tensor:
    """Return what the generator makes of a batch, part by part, without a graph."""
    with torch.no_grad():
        made = [_generate(state, lr_part) for (lr_part,) in _parts(state, lr_image)]
    return made[0] if len(made) == 1 else torch.cat(made)


def _parts(state: TrainingState, *batch: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(images.chunk(state.training.accumulate) for images in batch), strict=True)


def _backward(state: TrainingState, total: Tensor) -> None:
    """Add the gradient of a part to that of the batch."""
    num_parts = state.training.accumulate
    (total if num_parts == 1 else total / num_parts).backward()


def _limit(network: nn.Module, max_norm: float | None) -> None:
    if max_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), max_norm)


def _mean(logs: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    if len(logs) == 1:
        return logs[0]
    return {name: torch.stack([log[name] for log in logs]).mean() for name in logs[0]}
