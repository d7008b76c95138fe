"""Are both loops the same mathematics? Their weights after the same batches, compared.

Two programs that add the same float32 numbers in another order differ in the last bit, and Adam
divides a gradient by its own size: where a gradient is mathematically zero (the bias of a
convolution before BatchNorm), its rounding error becomes a step of the full learning rate, and
training carries that on. So the loops are compared in float64, where rounding lies far below Adam's
eps; and in float32 beside a control: the plain loop against itself, with nothing changed but its
initial weights, each moved to the next float32 number.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.speed.loops import Batch, StepBatches, Switches
from benchmarks.speed.reference import Reference
from zoo.data.stream import to_float
from zoo.recipes.build import Components, build_components
from zoo.recipes.schema import RunSpec
from zoo.train.follow import assemble_stage
from zoo.train.prepare import Options, Prepared, prepare
from zoo.train.step import learning_rate_factor, set_learning_rates, to_device, training_step
from zoo.train.trainer import step_batches

LIMIT = 1e-5
"""Largest difference of any weight that passes, in float64."""
NUM_STEPS = 20
EXACT = ("runtime.precision=float32", "runtime.tf32=false")
"""Settings without which rounding is coarser than what is compared."""
Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference of any weight, by network, and which weight it is.

    Attributes:
        largest: by `generator`, `average` and `discriminator`.
        where: name of that weight.
    """

    largest: dict[str, float]
    where: dict[str, str]

    @property
    def most(self) -> float:
        """The largest of all."""
        return max(self.largest.values())

    def describe(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"largest": self.largest, "where": self.where, "most": self.most}


def check_family(
    spec: RunSpec, options: Options, *, switches: Switches, num_steps: int = NUM_STEPS
) -> dict[str, Any]:
    """Train both loops from the same weights on the same batches and compare what they end with.

    Args:
        spec: what is trained, with `EXACT` among its settings.
        options: on what.
        switches: torch's own settings.
        num_steps: generator updates.

    Returns:
        `float64`: zoo against the plain loop. `float32`: the same. `control`: the plain loop
        against itself from the next weights, in float32. `passed`: whether float64 is within the
        limit.
    """
    switches.apply()
    prepared = prepare(spec, options)
    with closing(step_batches(assemble_stage(spec, prepared), 0)) as batches:
        fed = list(itertools.islice(batches, num_steps))
    single, double = torch.float32, torch.float64
    precise = compare(_plain(spec, prepared, fed, double), own_weights(spec, prepared, fed, double))
    plain = _plain(spec, prepared, fed, single)
    rounded = compare(plain, own_weights(spec, prepared, fed, single))
    control = compare(plain, _plain(spec, prepared, fed, single, moved=True))
    return {
        "steps": num_steps,
        "limit": LIMIT,
        "float64": precise.describe(),
        "float32": rounded.describe(),
        "control": control.describe(),
        "passed": precise.most <= LIMIT,
    }


def own_weights(
    spec: RunSpec, prepared: Prepared, fed: Sequence[StepBatches], dtype: torch.dtype
) -> dict[str, Weights]:
    """Train zoo's step and return the weights it ends with."""
    stage = assemble_stage(spec, replace(prepared, components=fresh_components(spec, dtype)))
    players, execution = stage.state, prepared.execution
    for number, (own, extra) in enumerate(fed):
        torch.manual_seed(number)  # the penalty draws from it
        factor = learning_rate_factor(stage.training.schedule, number, stage.num_steps)
        set_learning_rates(players, factor)
        fresh = [_as(to_device(one, execution), dtype) for one in extra]
        training_step(players, _as(to_device(own, execution), dtype), fresh)
    return weights_of(players.generator, players.ema.module, players.discriminator)


def _plain(
    spec: RunSpec,
    prepared: Prepared,
    fed: Sequence[StepBatches],
    dtype: torch.dtype,
    *,
    moved: bool = False,
) -> dict[str, Weights]:
    """Train the plain loop and return the weights it ends with."""
    device, components = prepared.execution.device, fresh_components(spec, dtype)
    if moved:
        _move(components)
    loop = Reference(components, spec.settings, num_steps=prepared.num_steps, device=device)

    def placed(batch: Batch) -> Batch:
        lr_image, hr_image = (to_float(image.to(device)).to(dtype).contiguous() for image in batch)
        return lr_image, hr_image

    for number, (own, extra) in enumerate(fed):
        torch.manual_seed(number)
        loop.step(placed(own), [placed(one) for one in extra])
    return weights_of(loop.generator, loop.average, loop.discriminator)


def fresh_components(spec: RunSpec, dtype: torch.dtype) -> Components:
    """Build the networks anew, with the same initial weights each time."""
    components = build_components(spec.settings, seed=spec.seed)
    for module in networks_of(components).values():
        module.to(dtype)
    return components


def networks_of(components: Components) -> dict[str, nn.Module]:
    """Return all networks by role."""
    named: dict[str, nn.Module] = {"generator": components.generator}
    if components.discriminator is not None:
        named["discriminator"] = components.discriminator
    return named | {f"loss {name}": loss for name, loss in components.losses.items()}


@torch.no_grad()
def _move(components: Components) -> None:
    """Move each weight that is trained to the next number of its type."""
    for module in (components.generator, components.discriminator):
        for weight in () if module is None else module.parameters():
            weight.copy_(torch.nextafter(weight, weight + 1))


def _as(batch: Batch, dtype: torch.dtype) -> Batch:
    return batch[0].to(dtype), batch[1].to(dtype)


def weights_of(
    generator: nn.Module, average: nn.Module, discriminator: nn.Module | None
) -> dict[str, Weights]:
    """Return copies of all weights; of the average its parameters, which both loops average."""
    found = {
        "generator": dict(generator.state_dict()),
        "average": dict(average.named_parameters()),
    }
    if discriminator is not None:
        found["discriminator"] = dict(discriminator.state_dict())
    return found


def compare(first: dict[str, Weights], second: dict[str, Weights]) -> Difference:
    """Return how far the weights of the first are from those of the second, by network."""
    largest, where = {}, {}
    for network, weights in first.items():
        differences = {
            name: _apart(value.detach(), second[network][name].detach())
            for name, value in weights.items()
        }
        where[network] = max(differences, key=lambda name: differences[name])
        largest[network] = differences[where[network]]
    return Difference(largest, where)


def _apart(first: Tensor, second: Tensor) -> float:
    return float((first.double() - second.double()).abs().max())
