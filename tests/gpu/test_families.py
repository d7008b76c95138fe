"""Every adversary takes the steps on a GPU that it takes on the CPU."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from tests.gpu.conftest import EXACT, MakeSpec, make_batches, make_players, relative_distance
from zoo.adversaries import penalties
from zoo.recipes.schema import RunSpec
from zoo.registry import ADVERSARIES
from zoo.runs.device import choose_device
from zoo.train.step import training_step

FAMILIES = [name for name in ADVERSARIES.names() if ADVERSARIES.get(name).uses_discriminator]
NUM_STEPS = 4
FLOAT32_LOSSES, BFLOAT16_LOSSES = 1e-3, 0.1
"""Relative, of each term at each step: float32 sums in another order, bfloat16 has 8 bits."""
FLOAT32_WEIGHTS, BFLOAT16_WEIGHTS = 0.05, 0.5
"""Of the way the generator went. Adam's first steps are the signs of gradients: one that is zero
but for rounding may point either way, and with bfloat16 there are many."""


@pytest.fixture(autouse=True)
def random_numbers_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gradient penalty draw the same points on every device."""

    def between(real: Tensor, fake: Tensor) -> Tensor:
        factor = torch.rand((len(real), 1, 1, 1)).to(real.device)
        return torch.lerp(fake.detach().float(), real.detach().float(), factor)

    monkeypatch.setattr(penalties, "_between", between)


def family_spec(make_spec: MakeSpec, family: str, *settings: str) -> RunSpec:
    changes = (f"adversary={family}", "adversary.weight=0.1", "discriminator.norm=layer")
    return make_spec("srgan-nobn", *changes, "losses.vgg19=null", *settings)


def run_steps(
    spec: RunSpec, device: torch.device
) -> tuple[list[dict[str, float]], dict[str, Tensor], dict[str, Tensor]]:
    """Take a few steps; return every step's values, and the generator before and after."""
    players = make_players(spec, device)
    start = copy.deepcopy(players.generator.state_dict())
    torch.manual_seed(0)
    logs = []
    for step in range(NUM_STEPS):
        (batch,) = make_batches(1, device, first=step)
        extra = make_batches(players.num_extra_batches, device, first=100 * (step + 1))
        values = training_step(players, batch, extra, observe=True)
        logs.append({name: float(value) for name, value in values.items()})
    return logs, start, players.generator.state_dict()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_few_steps_are_those_of_the_cpu_in_float32(
    make_spec: MakeSpec, device: torch.device, family: str, precision: str
) -> None:
    # another memory layout, so that on the CPU too the sums are in another order
    plain = family_spec(make_spec, family, *EXACT, "runtime.channels_last=false")
    tested = family_spec(make_spec, family, *EXACT, f"runtime.precision={precision}")
    expected, start, end = run_steps(plain, choose_device("cpu"))
    logs, start_too, end_too = run_steps(tested, device)
    assert all(torch.equal(start[name], start_too[name].cpu()) for name in start)
    loss_tolerance, weight_tolerance = (
        (FLOAT32_LOSSES, FLOAT32_WEIGHTS)
        if precision == "float32"
        else (BFLOAT16_LOSSES, BFLOAT16_WEIGHTS)
    )
    for one, other in zip(logs, expected, strict=True):
        assert one.keys() == other.keys()
        assert all(map(math.isfinite, one.values()))
        for name in other:
            if name.startswith("loss_"):
                assert one[name] == pytest.approx(other[name], rel=loss_tolerance, abs=1e-3)
    assert relative_distance(end_too, end, start) < weight_tolerance
