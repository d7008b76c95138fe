"""One value of a run made NaN or infinite, in one step: where, when, and looking for it on disk."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.runs.directory import RunDirectory
from zoo.train.step import Batch, TrainingState, training_step

NAN, INFINITY = math.nan, math.inf


@contextmanager
def _poisoned_loss(players: TrainingState, value: float) -> Iterator[None]:
    before, name = dict(players.weights), next(iter(players.losses))
    players.weights[name] = value
    yield
    players.weights.update(before)


@contextmanager
def _poisoned_gradient(network: nn.Module, value: float) -> Iterator[None]:
    network.requires_grad_(requires_grad=True)  # a critic is frozen between its updates
    handle = next(network.parameters()).register_hook(lambda gradient: gradient * value)
    yield
    handle.remove()


@contextmanager
def _poisoned_output(network: nn.Module, value: float) -> Iterator[None]:
    handle = network.register_forward_hook(lambda _module, _inputs, output: output * value)
    yield
    handle.remove()


@contextmanager
def _poisoned_value(network: nn.Module, value: float) -> Iterator[None]:
    """Poison an output and leave its gradient as it is."""
    handle = network.register_forward_hook(lambda _module, _inputs, output: output + value)
    yield
    handle.remove()


@contextmanager
def _poisoned_slope(network: nn.Module, value: float) -> Iterator[None]:
    """Poison the gradient of an output and leave its value as it is."""

    def spoil(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        output.register_hook(lambda gradient: gradient * value)

    handle = network.register_forward_hook(spoil)
    yield
    handle.remove()


@contextmanager
def _poisoned_extra_output(players: TrainingState, value: float) -> Iterator[None]:
    """Poison what the critic says in its first update of the step, whose terms are not logged."""
    assert players.num_extra_batches > 0
    calls = itertools.count()

    def spoil(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return output * value if next(calls) == 0 else output

    handle = _critic(players).register_forward_hook(spoil)
    yield
    handle.remove()


@contextmanager
def _poisoned_weight(network: nn.Module, value: float) -> Iterator[None]:
    """Poison after the step: the losses of it were finite."""
    yield
    with torch.no_grad():
        weight = next(network.parameters())
        weight[(0,) * weight.dim()] = value


@contextmanager
def _poisoned_moment(optimizer: torch.optim.Optimizer, value: float) -> Iterator[None]:
    """Poison what an optimizer remembers; an infinite second moment leaves the weights finite."""
    yield
    moment = next(iter(optimizer.state.values()))["exp_avg_sq"]
    moment[(0,) * moment.dim()] = value


def _term(players: TrainingState) -> nn.Module:
    return next(iter(players.losses.values()))


def _critic(players: TrainingState) -> nn.Module:
    assert players.discriminator is not None
    return players.discriminator


def _critic_optimizer(players: TrainingState) -> torch.optim.Optimizer:
    assert players.discriminator_optimizer is not None
    return players.discriminator_optimizer


PLACES: dict[str, Callable[[TrainingState, float], Any]] = {
    "loss": _poisoned_loss,
    "term": lambda players, value: _poisoned_output(_term(players), value),
    "term-value-alone": lambda players, value: _poisoned_value(_term(players), value),
    "term-gradient-alone": lambda players, value: _poisoned_slope(_term(players), value),
    "generator-gradient": lambda players, value: _poisoned_gradient(players.generator, value),
    "critic-gradient": lambda players, value: _poisoned_gradient(_critic(players), value),
    "generator-weight": lambda players, value: _poisoned_weight(players.generator, value),
    "critic-weight": lambda players, value: _poisoned_weight(_critic(players), value),
    "average": lambda players, value: _poisoned_weight(players.ema, value),
    "critic-output": lambda players, value: _poisoned_output(_critic(players), value),
    "critic-output-of-an-extra-update": _poisoned_extra_output,
    "generator-moment": lambda p, value: _poisoned_moment(p.generator_optimizer, value),
    "critic-moment": lambda p, value: _poisoned_moment(_critic_optimizer(p), value),
}


class Poison:
    """Stands for `training_step` in the trainer and poisons adversarial steps, counted from 1.

    Args:
        place: of `PLACES`.
        value: what is put there.
        steps: which of the adversarial steps taken, repeated ones counted again; None for all.
    """

    def __init__(self, place: str, value: float, steps: Sequence[int] | None) -> None:
        self.place, self.value, self.steps = place, value, steps
        self.taken = 0

    def __call__(
        self, players: TrainingState, batch: Batch, extra: Sequence[Batch], *, observe: bool
    ) -> dict[str, Tensor]:
        with ExitStack() as stack:
            if players.discriminator is not None:
                self.taken += 1
                if self.steps is None or self.taken in self.steps:
                    stack.enter_context(PLACES[self.place](players, self.value))
            return training_step(players, batch, extra, observe=observe)


def non_finite_on_disk(path: Path) -> list[str]:
    """Return where in a run directory something is not finite: checkpoints, weights, rows."""
    found = []
    for file in path.glob("checkpoints/*.pt"):
        found += [file.name] if _is_bad(torch.load(file, weights_only=True)) else []
    directory = RunDirectory(path)
    if directory.weights.exists():
        found += ["weights"] if _is_bad(directory.read_weights()[0]) else []
    for file in path.glob("*.json*"):
        text = file.read_text()
        for line in [text] if file.suffix == ".json" else text.splitlines():
            json.loads(line, parse_constant=lambda name, file=file: found.append(f"{file}: {name}"))
    return found


def _is_bad(state: Any) -> bool:
    if isinstance(state, Tensor):
        return bool(state.is_floating_point() and not state.isfinite().all())
    if isinstance(state, dict):
        return any(_is_bad(part) for part in state.values())
    if isinstance(state, list | tuple):
        return any(_is_bad(part) for part in state)
    return isinstance(state, float) and not math.isfinite(state)
