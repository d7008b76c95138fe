"""A dry run: builds everything and takes one real step, writes nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.data.sources import Source
from zoo.errors import CheckpointError, MachineError, RecipeError
from zoo.recipes.schema import RunSpec
from zoo.runs.checkpoint import seed_everything
from zoo.runs.coherence import read_run
from zoo.runs.device import Execution, peak_memory, reset_peak_memory
from zoo.runs.paths import find_path
from zoo.train.autotune import Choice
from zoo.train.follow import assemble_stage
from zoo.train.memory import MemoryForecast, forecast_memory
from zoo.train.prepare import Options, Prepared, autotune, prepare
from zoo.train.step import to_device, training_step
from zoo.train.trainer import Stage, step_batches

WARM_STEP_LIMIT = 20.0
"""If the first step takes more seconds, it is the estimate, and there is no second step.

A compiled step is always taken twice, because the first one includes the compilation."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """The measurements of a dry run of one stage.

    Attributes:
        recipe: name of the stage's recipe.
        num_steps: generator updates of the stage.
        step_seconds: time of one warm step, extra discriminator updates included.
        peak_memory: bytes in that step: allocated on a GPU, resident (with Python and torch) on a
            CPU.
        forecast: prediction of the stage's peak memory, made before the step; None if not requested
            or not possible on this system.
        generator_parameters: parameters of the generator.
        discriminator_parameters: parameters of the discriminator, 0 if there is none.
        execution: device, precision, layout and threads.
        choice: how the execution was chosen; None on a GPU and if not requested.
        source: the training and validation images.
    """

    recipe: str
    num_steps: int
    step_seconds: float
    peak_memory: int
    forecast: MemoryForecast | None
    generator_parameters: int
    discriminator_parameters: int
    execution: Execution
    choice: Choice | None
    source: Source

    @property
    def total_seconds(self) -> float:
        """Estimated time of the stage, without validation."""
        return self.num_steps * self.step_seconds


def dry_run(
    spec: RunSpec, options: Options, *, predict_memory: bool = False, choose: bool = False
) -> list[DryRun]:
    """Take one real step of each stage of a run, pretraining first, and write nothing.

    The patch store contains the first few images, in a temporary folder. The adversarial stage
    starts from an untrained generator, because the cost of a step does not depend on the weights.

    Args:
        spec: complete specification.
        options: where and on which device.
        predict_memory: whether to predict peak memory too, which takes some seconds.
        choose: whether to execute it as the run would, as far as that is known or measured because
            of `runtime.tune=true`; otherwise as planned. Measurements are not kept.

    Raises:
        RecipeError: in one of several processes.
        MachineError: if a GPU has too little memory for a step; the message has the prediction.
    """
    if options.world.is_shared:
        raise RecipeError(
            "a dry run measures one process; leave out torchrun, and give it the part of the batch "
            "that one process would have (--set data.batch_size=...)"
        )
    stages = [spec] if spec.pretraining is None else [spec.pretraining, spec]
    with tempfile.TemporaryDirectory(prefix="zoo-dry-run-") as folder:
        return [
            dry_run_stage(
                stage, options, Path(folder), predict_memory=predict_memory, choose=choose
            )
            for stage in stages
        ]


def dry_run_stage(
    spec: RunSpec,
    options: Options,
    store_dir: Path,
    *,
    predict_memory: bool = False,
    choose: bool = False,
) -> DryRun:
    """Take one real step of a stage, without its pretraining; see `dry_run`.

    Args:
        spec: complete specification.
        options: where and on which device.
        store_dir: folder of the small patch store.
        predict_memory: see `dry_run`.
        choose: see `dry_run`.
    """
    prepared = prepare(spec, options, dry_run=store_dir)
    if choose:
        prepared = autotune(spec, prepared, options, begun=_begun(spec, options), dry_run=True)
    with prepared.execution.own_threads():
        return _try(spec, prepared, predict_memory=predict_memory)


def _begun(spec: RunSpec, options: Options) -> Mapping[str, Any] | None:
    """Return the provenance of the run that a stage would resume, None if it would start."""
    if options.fresh:
        return None
    try:
        recorded = read_run(find_path(spec, options.run_root))
    except CheckpointError:  # training says what is wrong with it
        return None
    if recorded is None or _mathematics(recorded.spec) != _mathematics(spec):
        return None
    return recorded.provenance


def _mathematics(spec: RunSpec) -> dict[str, Any]:
    return spec.settings.model_dump(mode="json", exclude={"runtime"})


def _try(spec: RunSpec, prepared: Prepared, *, predict_memory: bool) -> DryRun:
    device = prepared.execution.device
    stage = assemble_stage(spec, prepared)
    seed_everything(spec.seed)
    forecast: MemoryForecast | None = None
    if predict_memory:
        forecast = forecast_memory(
            stage.state,
            spec.settings.data,
            scale=spec.settings.scale,
            image_sizes=prepared.validator.image_sizes(),
            images_left_out=prepared.images_left_out,
        )
    reset_peak_memory(device)
    try:
        with closing(_timed_steps(stage)) as steps:
            seconds = list(steps)[-1]
    except torch.OutOfMemoryError as error:  # the message keeps the prediction
        peak = "" if forecast is None else f", the prediction is {forecast.peak / 2**20:,.0f} MiB"
        raise MachineError(
            f"{spec.recipe}: a step of {spec.settings.data.batch_size} patches does not fit into "
            f"the memory of {device}{peak}; use a smaller data.batch_size or data.lr_patch_size"
        ) from error
    state = stage.state
    return DryRun(
        recipe=spec.recipe,
        num_steps=stage.num_steps,
        step_seconds=seconds,
        peak_memory=peak_memory(device),
        forecast=forecast,
        generator_parameters=_count(state.generator),
        discriminator_parameters=_count(state.discriminator),
        execution=prepared.execution,
        choice=prepared.choice,
        source=prepared.source,
    )


def _timed_steps(stage: Stage) -> Generator[float, None, None]:
    """Yield the time of a first step and, if that was short, of a second, warm one.

    The first one is observed as a logged step, which takes the most memory.
    """
    state, execution = stage.state, stage.state.execution
    with closing(step_batches(stage, 0)) as batches:
        for observe in (True, False):
            since = time.perf_counter()
            own, extra = next(batches)
            fresh = [to_device(batch, execution) for batch in extra]
            values = training_step(state, to_device(own, execution), fresh, observe=observe)
            float(values["loss_total"])  # waits for the device
            seconds = time.perf_counter() - since
            yield seconds
            if seconds > WARM_STEP_LIMIT and not execution.compile:
                return


def _count(module: torch.nn.Module | None) -> int:
    return 0 if module is None else sum(p.numel() for p in module.parameters())
