"""Trainings that several processes share: with gloo on the CPU, from a server that has torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

import zoo
from tests.train.mortal import forkserver
from zoo.data.sampling import Share
from zoo.generators.srresnet import SRResNet
from zoo.recipes.build import Components
from zoo.recipes.schema import Training
from zoo.registry import ADVERSARIES
from zoo.runs.checkpoint import random_state, restore_random_state
from zoo.runs.device import Execution
from zoo.runs.world import ALONE, World
from zoo.train.step import TrainingState, assemble, training_step

CPU = Execution(torch.device("cpu"), False, False, False, False, 0)  # noqa: FBT003
BATCH, SIDE = 8, 8
LIMIT = 240.0


@dataclass(frozen=True, slots=True)
class Case:
    """A tiny float64 network and its adversary."""

    adversary: str
    batch_norm: bool
    accumulate: int = 1
    steps: int = 20

    def __str__(self) -> str:
        parts = f", in {self.accumulate} parts" if self.accumulate > 1 else ""
        return f"{self.adversary}, batch norm {'on' if self.batch_norm else 'off'}{parts}"

    def discriminator_norm(self) -> str:
        requirements = ADVERSARIES.get(self.adversary).requirements
        if any("batch" in each.forbidden for each in requirements):
            return "layer"
        return "batch" if self.batch_norm else "layer"

    def state(self, world: World) -> TrainingState:
        torch.manual_seed(0)
        norm = "batch" if self.batch_norm else "none"
        options: dict[str, Any] = {}
        if ADVERSARIES.get(self.adversary).uses_discriminator:
            made = zoo.create(
                "vgg", kind="discriminators", width=2, hidden=8, norm=self.discriminator_norm()
            )
            adversary = zoo.create(self.adversary, kind="adversaries")
            options = {"discriminator": made, "adversary": adversary, "adversary_weight": 0.1}
        components = Components(
            generator=SRResNet(width=4, num_blocks=1, norm=norm),
            losses={"l1": zoo.create("l1", kind="losses")},
            weights={"l1": 1.0},
            **options,
        )
        components.generator.double()
        if components.discriminator is not None:
            components.discriminator.double()
        training = Training(steps=self.steps, accumulate=self.accumulate, learning_rate=1e-3)
        state = assemble(components, training, CPU, world)
        torch.manual_seed(5)
        return state

    def train(
        self, world: World, state: TrainingState, start: int = 0, end: int | None = None
    ) -> dict[str, Tensor]:
        """Take the steps from `start` to `end`; return the values of the last."""
        values: dict[str, Tensor] = {}
        for number in range(start, self.steps if end is None else end):
            noise = torch.Generator().manual_seed(number)
            pieces = Share(world.rank, world.size, self.accumulate).pieces(0, BATCH)
            batches = [drawn(noise, pieces) for _ in range(1 + state.num_extra_batches)]
            values = training_step(state, batches[0], batches[1:], observe=True)
        return values


def drawn(noise: torch.Generator, pieces: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Return this process's pieces of a batch that all processes draw."""
    lr = torch.rand(BATCH, 3, SIDE, SIDE, generator=noise, dtype=torch.float64)
    hr = torch.rand(BATCH, 3, 4 * SIDE, 4 * SIDE, generator=noise, dtype=torch.float64)
    cut = [slice(start, start + count) for start, count in pieces]
    return torch.cat([lr[part] for part in cut]), torch.cat([hr[part] for part in cut])


def numbers_of(state: TrainingState) -> dict[str, Tensor]:
    """Return all tensors of both networks and of the average, by name."""
    networks = {"generator": state.generator, "ema": state.ema, "critic": state.discriminator}
    return {
        f"{name}.{key}": value.detach().clone()
        for name, network in networks.items()
        if network is not None
        for key, value in network.state_dict().items()
    }


def train_case(case: Case, world: World) -> dict[str, Tensor]:
    """Return the tensors after all steps, and the logged values of the last one."""
    state = case.state(world)
    values = case.train(world, state)
    return numbers_of(state) | {f"log.{name}": value for name, value in values.items()}


def train_case_from(
    case: Case, saved: dict[str, Any] | None, end: int, world: World
) -> dict[str, Any]:
    """Take steps up to `end` from a saved state; return the state to save."""
    state, start = case.state(world), 0
    if saved is not None:
        start = saved["step"]
        for name, part in state.stateful().items():
            part.load_state_dict(saved[name])
        restore_random_state(saved["random"], CPU.device)
    case.train(world, state, start, end)
    parts = {name: part.state_dict() for name, part in state.stateful().items()}
    return {**parts, "random": random_state(CPU.device), "step": end}


def in_processes(size: int, folder: Path, work: Callable[[World], Any]) -> Any:
    """Return what rank 0 makes of some work that `size` processes do together."""
    folder.mkdir(parents=True)
    if size == 1:
        return work(ALONE)
    torch.save(work, folder / "work.pt")  # as a file: pickled for a process, each tensor takes a fd
    start_all(size, partial(_connected, folder))
    return torch.load(folder / "result.pt", weights_only=True)


def start_all(size: int, task: Callable[[World], None], *, codes: Sequence[int] = (0,)) -> None:
    """Run a task in processes; all of them end with one of the exit codes."""
    context = forkserver()
    children = [
        context.Process(target=task, args=(World(rank, size, rank),)) for rank in range(size)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(LIMIT)
    found = [child.exitcode for child in children]
    for child in children:
        if child.exitcode is None:
            child.kill()
    assert set(found) <= set(codes), found


def _connected(folder: Path, world: World) -> None:
    torch.set_num_threads(1)
    work: Callable[[World], Any] = torch.load(folder / "work.pt", weights_only=False)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=world.rank,
        world_size=world.size,
        timeout=timedelta(seconds=LIMIT),
    )
    result = work(world)
    if world.leads:
        torch.save(result, folder / "result.pt")
    dist.destroy_process_group()
