"""What each optimisation brings: zoo's loop against itself with one of them taken back.

Both loops are zoo's, in one process, and take turns in blocks of steps, as the two of
`benchmarks.speed.measure` do. What is taken back is done as the plain loop does it, so a ratio
above 1 is what the optimisation brings beside all the others.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from benchmarks.speed.loops import (
    Batch,
    Loop,
    PlainLoop,
    StepBatches,
    Switches,
    ZooLoop,
    run_block,
)
from benchmarks.speed.measure import spread, take_turns
from benchmarks.speed.reference import plain_adam
from zoo.recipes.schema import RunSpec
from zoo.train.ema import MovingAverage
from zoo.train.prepare import Options, Prepared, autotune, prepare
from zoo.train.step import TrainingState

OpenLoop = Callable[[RunSpec, Prepared], ZooLoop]
OpenPlainLoop = Callable[[RunSpec, Prepared], PlainLoop]


@dataclass(frozen=True, slots=True)
class Optimisation:
    """One thing that zoo does and a plain loop does not.

    Attributes:
        title: what it is called in tables.
        settings: that turn it off, where settings can.
        without: makes the loop that lacks it.
        including: makes the loop that has it, where zoo's own does not.
        concerns: whether players have it; asked of those with it.
    """

    title: str
    settings: tuple[str, ...] = ()
    without: OpenLoop = ZooLoop
    including: OpenLoop = ZooLoop
    concerns: Callable[[TrainingState], bool] = lambda _players: True


class _Decoding(ZooLoop):
    """Takes images from PNG files, as the plain loop does; their layout is zoo's."""

    def __init__(self, spec: RunSpec, prepared: Prepared, *, open_plain: OpenPlainLoop) -> None:
        super().__init__(spec, prepared)
        self._plain = open_plain(spec, prepared)

    def batches(self) -> Generator[StepBatches, None, None]:
        with closing(self._plain.batches()) as batches:
            for own, extra in batches:
                yield self._arranged(own), [self._arranged(one) for one in extra]

    def _arranged(self, batch: Batch) -> Batch:
        execution = self.stage.state.execution
        layout = torch.channels_last if execution.channels_last else torch.contiguous_format
        lr_image, hr_image = (image.contiguous(memory_format=layout) for image in batch)
        return lr_image, hr_image


class _ReadingLosses(ZooLoop):
    def step(self, batches: StepBatches) -> dict[str, Tensor]:
        values = super().step(batches)
        for value in values.values():
            value.item()
        return values


class _PlainAdam(ZooLoop):
    def __init__(self, spec: RunSpec, prepared: Prepared) -> None:
        super().__init__(spec, prepared)
        players = self.stage.state
        players.generator_optimizer = _unfused(players.generator_optimizer, players.generator)
        if players.discriminator is not None and players.discriminator_optimizer is not None:
            players.discriminator_optimizer = _unfused(
                players.discriminator_optimizer, players.discriminator
            )


class _PlainAverage(ZooLoop):
    def __init__(self, spec: RunSpec, prepared: Prepared) -> None:
        super().__init__(spec, prepared)
        players, decay = self.stage.state, spec.settings.training.ema_decay
        players.ema = _TensorByTensor(players.generator, decay=decay)


class _TwoPasses(ZooLoop):
    def __init__(self, spec: RunSpec, prepared: Prepared) -> None:
        super().__init__(spec, prepared)
        for network in (self.stage.state.discriminator, self.stage.state.critic):
            setattr(network, "scores_images_apart", False)  # noqa: B010  a module, to mypy


class _Graphs(ZooLoop):
    """Replays compiled networks as CUDA graphs, which zoo does not do: is it worth doing?"""

    def step(self, batches: StepBatches) -> dict[str, Tensor]:
        torch.compiler.cudagraph_mark_step_begin()
        with inductor.patch({"triton.cudagraphs": True}):
            return super().step(batches)


class _Unfrozen(ZooLoop):
    """Computes the discriminator's gradient in the generator's backward pass, and drops it."""

    def __init__(self, spec: RunSpec, prepared: Prepared) -> None:
        super().__init__(spec, prepared)
        network = self.stage.state.discriminator
        setattr(network, "requires_grad_", lambda **_: network)  # noqa: B010  as above


class _TensorByTensor(MovingAverage):
    def __init__(self, model: nn.Module, *, decay: float) -> None:
        super().__init__(model, decay=decay)
        self._decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        decay = self._decay if int(self.n_averaged) else 0.0
        current = model.state_dict()
        for name, average in self.module.state_dict().items():
            if average.is_floating_point():
                average.mul_(decay).add_(current[name], alpha=1 - decay)
        self.n_averaged += 1


def _unfused(optimizer: torch.optim.Optimizer, module: nn.Module) -> torch.optim.Optimizer:
    plain = plain_adam(module, optimizer.defaults["lr"], optimizer.defaults["betas"])
    for group in plain.param_groups:
        group["initial_lr"] = group["lr"]
    return plain


def _has_discriminator(players: TrainingState) -> bool:
    return players.discriminator is not None


def _is_compiled_for_a_gpu(players: TrainingState) -> bool:
    return players.execution.compile and players.execution.device.type == "cuda"


def _scores_in_one_pass(players: TrainingState) -> bool:
    return bool(getattr(players.discriminator, "scores_images_apart", False))


OPTIMISATIONS = (
    Optimisation("images on the device", ("runtime.store=host",)),
    Optimisation("bfloat16", ("runtime.precision=float32",)),
    Optimisation("TensorFloat-32", ("runtime.tf32=false",)),
    Optimisation("channels_last", ("runtime.channels_last=false",)),
    Optimisation("compiled networks", ("runtime.compile=false",)),
    Optimisation("CUDA graphs", including=_Graphs, concerns=_is_compiled_for_a_gpu),
    Optimisation("fused Adam", without=_PlainAdam),
    Optimisation("moving average in one call", without=_PlainAverage),
    Optimisation("losses not read", without=_ReadingLosses),
    Optimisation("real and fake in one pass", without=_TwoPasses, concerns=_scores_in_one_pass),
    Optimisation(
        "discriminator frozen for the generator", without=_Unfrozen, concerns=_has_discriminator
    ),
)
"""All but the patch store, which takes the plain loop's files to do without."""


def measure_ablation(
    specify: Callable[[Sequence[str]], RunSpec],
    options: Options,
    *,
    switches: Switches,
    open_plain: OpenPlainLoop,
    steps: int,
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    """Return the ratio that each optimisation brings to a family, by its title.

    Args:
        specify: makes the family's specification, with further settings.
        options: on what.
        switches: torch's own settings, from which zoo's loop is opened.
        open_plain: makes the plain loop, whose images the loop without the patch store takes.
        steps: timed steps in a block.
        repeats: pairs of blocks.
        seconds: an optimisation's, after which a few pairs are enough.
    """
    decoding = partial(_Decoding, open_plain=open_plain)
    found: dict[str, Any] = {}
    for one in (Optimisation("patch store", without=decoding), *OPTIMISATIONS):
        switches.apply()
        loops = _open_pair(one, specify, options)
        if loops is None:
            continue
        for loop in loops.values():
            run_block(loop, 1)
        blocks = take_turns(loops, steps, repeats, seconds)
        pairs = zip(blocks["with"], blocks["without"], strict=True)
        found[one.title] = spread([own.rate / other.rate for own, other in pairs])
        del loops
        gc.collect()
    return found


def _open_pair(
    one: Optimisation, specify: Callable[[Sequence[str]], RunSpec], options: Options
) -> Mapping[str, Loop] | None:
    """Return both loops, or None where the family or the device does not have the optimisation."""
    spec, spec_without = specify(()), specify(one.settings)
    whole = one.including(spec, _prepared(spec, options))
    if not one.concerns(whole.stage.state):
        return None
    without = one.without(spec_without, _prepared(spec_without, options))
    same = whole.stage.state.execution == without.stage.state.execution
    return None if one.settings and same else {"with": whole, "without": without}


def _prepared(spec: RunSpec, options: Options) -> Prepared:
    return autotune(spec, prepare(spec, options), options, begun=None)
