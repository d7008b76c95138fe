"""Both training loops behind one interface, and blocks of steps that are timed in turns.

What zoo's loop does in a step is what `zoo.train.trainer` does between two logged steps, from the
same functions. Not here: the plain loop's step (`benchmarks.speed.reference`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from benchmarks.speed.reference import Reference
from benchmarks.speed.subimages import SubImages, write_subimages
from zoo.recipes.build import build_components
from zoo.recipes.schema import RunSpec
from zoo.runs.device import choose_device, reset_peak_memory
from zoo.train.follow import assemble_stage
from zoo.train.monitor import FiniteGuard
from zoo.train.prepare import Options, Prepared, autotune, prepare
from zoo.train.step import learning_rate_factor, set_learning_rates, to_device, training_step
from zoo.train.trainer import step_batches

WARM_STEPS = 1
"""Steps before the timed ones of each block: loading processes start in them."""
LOOPS = ("reference", "zoo")
Batch = tuple[Tensor, Tensor]
StepBatches = tuple[Batch, list[Batch]]


@dataclass(frozen=True, slots=True)
class Switches:
    """The settings of torch that belong to the process, which the two loops do not share."""

    threads: int
    matmul_precision: str
    cudnn_tf32: bool
    cudnn_benchmark: bool

    @classmethod
    def now(cls) -> Self:
        """Return the settings as they are."""
        cudnn = torch.backends.cudnn
        return cls(
            torch.get_num_threads(),
            torch.get_float32_matmul_precision(),
            cudnn.allow_tf32,
            cudnn.benchmark,
        )

    def apply(self) -> None:
        """Set them."""
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision(self.matmul_precision)
        torch.backends.cudnn.allow_tf32 = self.cudnn_tf32
        torch.backends.cudnn.benchmark = self.cudnn_benchmark


class Loop(Protocol):
    """What a block needs of a training loop.

    Attributes:
        switches: applied before a block.
        device: where it trains.
        batch_size: images the generator learns from in a step.
    """

    switches: Switches
    device: torch.device
    batch_size: int

    def batches(self) -> Generator[StepBatches, None, None]:
        """Yield each step's own batch and the discriminator's extra ones, on the device."""

    def step(self, batches: StepBatches) -> Any:
        """Take one training step."""


class ZooLoop:
    """zoo's training, piece by piece as its trainer puts them together.

    Args:
        spec: what is trained.
        prepared: what `zoo.train.prepare` returned for it.
    """

    def __init__(self, spec: RunSpec, prepared: Prepared) -> None:
        with prepared.execution.own_threads():
            self.switches = Switches.now()
        self.stage = assemble_stage(spec, prepared)
        self.device = prepared.execution.device
        self.batch_size = spec.settings.data.batch_size
        self.guard = FiniteGuard()
        self.steps = 0

    def batches(self) -> Generator[StepBatches, None, None]:
        """Yield batches of the patch stream, on the device."""
        execution = self.stage.state.execution
        with closing(step_batches(self.stage, self.steps)) as batches:
            for own, extra in batches:
                yield to_device(own, execution), [to_device(one, execution) for one in extra]

    def step(self, batches: StepBatches) -> dict[str, Tensor]:
        """Take one training step that is not logged."""
        stage, players = self.stage, self.stage.state
        factor = learning_rate_factor(stage.training.schedule, self.steps, stage.num_steps)
        set_learning_rates(players, factor)
        values = training_step(players, *batches)
        self.steps += 1
        self.guard.observe(self.steps, values)
        return values


class PlainLoop:
    """The field's training on PNG sub-images.

    Args:
        spec: what is trained.
        prepared: what zoo prepared for it: the same images, device and number of steps.
        switches: torch's own settings.
        folder: where sub-images are, or get written.
        num_workers: loading processes.
    """

    def __init__(
        self,
        spec: RunSpec,
        prepared: Prepared,
        *,
        switches: Switches,
        folder: Path,
        num_workers: int,
    ) -> None:
        data = spec.settings.data
        if not (folder / "HR").is_dir():
            write_subimages(prepared.stream.store, folder)
        self.switches = switches
        self.device = prepared.execution.device
        self.batch_size = data.batch_size
        self._num_workers = num_workers
        self._images = SubImages(
            folder,
            lr_patch_size=data.lr_patch_size,
            scale=spec.settings.scale,
            augment=data.augment,
        )
        self.reference = Reference(
            build_components(spec.settings, seed=spec.seed),
            spec.settings,
            num_steps=prepared.num_steps,
            device=self.device,
        )
        adversary = spec.settings.adversary
        steps = 1 if adversary is None else adversary.arguments["discriminator_steps"]
        self._num_extra = steps - 1

    def batches(self) -> Generator[StepBatches, None, None]:
        """Yield decoded batches, on the device."""
        loaded = self._images.batches(
            self.batch_size,
            num_workers=self._num_workers,
            pin_memory=self.device.type == "cuda",
        )
        while True:
            own = self._placed(loaded)
            yield own, [self._placed(loaded) for _ in range(self._num_extra)]

    def _placed(self, loaded: Iterator[Batch]) -> Batch:
        lr_image, hr_image = next(loaded)
        return lr_image.to(self.device), hr_image.to(self.device)

    def step(self, batches: StepBatches) -> dict[str, float]:
        """Take one training step."""
        return self.reference.step(*batches)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of timed steps.

    Attributes:
        images: the generator learnt from.
        seconds: of wall clock.
        waiting: seconds of them in which the loop was getting batches and made no step.
        steps: how many steps.
    """

    images: int
    seconds: float
    waiting: float
    steps: int

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds


def run_block(loop: Loop, steps: int, clock: Callable[[], float] = time.perf_counter) -> Block:
    """Take steps with a loop and time them; its loading processes live as long as the block."""
    loop.switches.apply()
    waiting = 0.0
    with closing(loop.batches()) as batches:
        for _ in range(WARM_STEPS):
            loop.step(next(batches))
        synchronise(loop.device)
        begun = clock()
        for _ in range(steps):
            since = clock()
            batch = next(batches)
            waiting += clock() - since
            loop.step(batch)
        synchronise(loop.device)
        seconds = clock() - begun
    return Block(steps * loop.batch_size, seconds, waiting, steps)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(slots=True)
class Pair:
    """Both loops of a family, each warm.

    Attributes:
        plain: the field's.
        own: zoo's.
        prepared: what both were built from.
        allocated: on a GPU, the most bytes each loop allocated, by its name in `LOOPS`.
    """

    plain: PlainLoop
    own: ZooLoop
    prepared: Prepared
    allocated: dict[str, int]


def open_pair(
    spec: RunSpec, options: Options, *, switches: Switches, folder: Path, num_workers: int
) -> Pair:
    """Build both loops from the same weights and take a first step with each."""
    allocated: dict[str, int] = {}
    switches.apply()
    device = choose_device(options.device)
    before = _allocated(device)
    prepared = autotune(spec, prepare(spec, options), options, begun=None)
    own = ZooLoop(spec, prepared)
    run_block(own, 1)
    allocated["zoo"] = _peak(device) - before
    before = _allocated(device)
    plain = PlainLoop(spec, prepared, switches=switches, folder=folder, num_workers=num_workers)
    run_block(plain, 1)
    allocated["reference"] = _peak(device) - before
    return Pair(plain, own, prepared, allocated if device.type == "cuda" else {})


def _allocated(device: torch.device) -> int:
    """Return what a GPU holds now, and start its peak anew."""
    if device.type != "cuda":
        return 0
    torch.cuda.empty_cache()
    reset_peak_memory(device)
    return torch.cuda.memory_allocated(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
