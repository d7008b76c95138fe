"""Finds, builds and tests everything a run needs, before any training."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.data.degrading import Degrading
from zoo.data.device_store import DevicePatchStream, estimate_store_bytes
from zoo.data.patches import PatchStore
from zoo.data.paths import cache_dir
from zoo.data.sampling import SamplingPlan, Share
from zoo.data.sources import Source, open_source
from zoo.data.stream import PatchStream
from zoo.errors import RecipeError
from zoo.recipes.build import Components, build_components
from zoo.recipes.schema import Data, RecipeSettings, RunSpec
from zoo.registry import GENERATORS
from zoo.runs import RUN_ROOT
from zoo.runs.device import Execution, Store, choose_device, plan_execution
from zoo.runs.world import ALONE, World, current_world
from zoo.train.autotune import Choice, choose, planned_way, recorded_choice
from zoo.train.best import validation_metrics
from zoo.train.low_resolution import find_low_images
from zoo.train.memory import choose_store
from zoo.train.observer import Observer
from zoo.train.optimizers import check_optimizers
from zoo.train.timing import StepTimer
from zoo.train.validation import Validator

logger = logging.getLogger(__name__)
NUM_DRY_RUN_IMAGES = 8


@dataclass(frozen=True, slots=True)
class Options:
    """Where and on which device a run is executed; not part of its identity.

    Attributes:
        run_root: folder of run directories.
        data_root: folder of datasets, None for the default.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.
        fresh: whether to delete the run's earlier state and start again.
        observer: receives progress events.
        sources: command-line options for the sources of recipes, components and data.
        world: the processes that train it together: those that `torchrun` started.
    """

    run_root: Path = RUN_ROOT
    data_root: Path | None = None
    device: str = "auto"
    fresh: bool = False
    observer: Observer = field(default_factory=Observer)
    sources: tuple[str, ...] = ()
    world: World = field(default_factory=current_world)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a stage is trained with.

    Attributes:
        source: its training and validation images.
        num_steps: generator updates in total.
        data_hash: hash of the training pixels.
        is_drawn: whether a degradation is drawn for each training sample.
        images_left_out: device bytes of the images that a dry run's store does not contain.
        choice: how the execution was chosen on a CPU; None before that, and on a GPU.
        world: the processes that train it together.
    """

    execution: Execution
    stream: PatchStream | DevicePatchStream
    validator: Validator
    components: Components
    source: Source
    num_steps: int
    data_hash: str
    is_drawn: bool = False
    images_left_out: int = 0
    choice: Choice | None = None
    world: World = ALONE


def prepare(spec: RunSpec, options: Options, *, dry_run: Path | None = None) -> Prepared:
    """Find the data, build the components and decide how to execute them.

    Args:
        spec: complete specification.
        options: where and on which device.
        dry_run: for a dry run, a folder for a small store of the first few images; None for all
            images, in zoo's cache.

    Raises:
        ZooError: if anything is missing or does not fit.
    """
    settings, world = spec.settings, options.world.checked(spec)
    _check_trainable(spec)
    execution = plan_execution(settings.runtime, choose_device(world.device_name(options.device)))
    components = build_components(settings, seed=spec.seed)
    _check_patches(components, settings)
    source = _open_source(settings.data, options)
    notice = options.observer.notice if dry_run is None else logger.debug
    for line in (*source.found, source.counts()):
        notice(line)
    paths = source.training_paths
    low = find_low_images(settings, source, notice)
    store = PatchStore.open_or_build(
        paths if dry_run is None else paths[:NUM_DRY_RUN_IMAGES],
        settings.scale,
        cache_dir() if dry_run is None else dry_run,
        options.observer.preparing,
        low=low.training,
    )
    validator = Validator(source.validation_paths, scale=settings.scale, low=low.validation)
    validator.metrics |= validation_metrics(settings.training, validator.smallest_side())
    if low.drawn is None:
        place = choose_store(spec, execution, paths=paths, validator=validator)
    else:
        place = _host_only(execution, low.drawn, notice)
    execution = replace(execution, store=place)
    left_out = paths[NUM_DRY_RUN_IMAGES:] if dry_run and place == "device" else ()
    return Prepared(
        execution=execution,
        stream=_open_stream(spec, store, execution, low.drawn, world),
        validator=validator,
        components=components,
        source=source,
        num_steps=count_steps(settings, len(paths)),
        data_hash=store.data_hash,
        is_drawn=low.drawn is not None,
        images_left_out=estimate_store_bytes(left_out, settings.scale),
        world=world,
    )


def prepare_pretraining(spec: RunSpec, outer: Prepared) -> Prepared:
    """Return what a pretraining needs; data and planned execution are the outer run's."""
    stream = copy.copy(outer.stream)
    stream.share = replace(stream.share, parts=spec.settings.training.accumulate)
    return Prepared(
        execution=outer.execution,
        stream=stream,
        validator=outer.validator,
        components=build_components(spec.settings, seed=spec.seed),
        source=outer.source,
        num_steps=count_steps(spec.settings, outer.stream.store.num_images),
        data_hash=outer.data_hash,
        world=outer.world,
        is_drawn=outer.is_drawn,
    )


def autotune(
    spec: RunSpec,
    prepared: Prepared,
    options: Options,
    *,
    begun: Mapping[str, Any] | None,
    dry_run: bool = False,
) -> Prepared:
    """Choose how a stage is executed on a CPU (`zoo.train.autotune`); a GPU's plan stays.

    Args:
        spec: the stage.
        prepared: what it is trained with, as planned.
        options: where and on which device.
        begun: provenance of the run to resume, whose choice is kept; None for a new run.
        dry_run: whether nothing is written, and a measurement is made only on request.
    """
    planned, runtime = prepared.execution, spec.settings.runtime
    if planned.device.type != "cpu":
        return prepared
    if begun is None and prepared.world.is_shared:
        why_not = f"not measured: {prepared.world.size} processes train it"
        choice = Choice(planned_way(planned), "default", why_not)
    elif begun is None:
        tell = options.observer.notice
        timer = StepTimer(spec, planned, prepared.stream, cache_dir(), tell, dry_run)
        choice = choose(timer, prepared.num_steps)
    else:
        choice = recorded_choice(begun, runtime, planned)
    return replace(prepared, execution=choice.apply(planned), choice=choice)


def count_steps(settings: RecipeSettings, num_images: int) -> int:
    """Return the number of generator updates of a stage.

    An epoch has `patches_per_image` samples of each image with either sampling.
    """
    training, data = settings.training, settings.data
    if training.epochs is None:
        return int(training.steps or 0)
    samples = training.epochs * num_images * data.patches_per_image
    return max(1, math.ceil(samples / data.batch_size))


def sampling_plan(spec: RunSpec) -> SamplingPlan:
    """Return how the samples of a run are drawn."""
    data = spec.settings.data
    return SamplingPlan(
        seed=spec.seed,
        lr_patch_size=data.lr_patch_size,
        sampling=data.sampling,
        weighting=data.weighting,
        patches_per_image=data.patches_per_image,
        augment=data.augment,
    )


def _host_only(execution: Execution, degrading: Degrading, notice: Callable[[str], None]) -> Store:
    """Keep the images on the host: a degradation for each sample is computed by the CPU."""
    if execution.store == "device":
        raise RecipeError(
            f"runtime.store=device cannot be used with the degradation {degrading.text}: it is "
            "drawn for each sample, by the CPU; set runtime.store=host"
        )
    if execution.store == "auto" and execution.device.type != "cpu":
        notice(
            f"training images stay on the host, because the degradation {degrading.text} is drawn "
            "for each sample, by the CPU"
        )
    return "host"


def _open_stream(
    spec: RunSpec,
    store: PatchStore,
    execution: Execution,
    degrading: Degrading | None,
    world: World,
) -> PatchStream | DevicePatchStream:
    data, plan = spec.settings.data, sampling_plan(spec)
    share = Share(world.rank, world.size, spec.settings.training.accumulate)
    if execution.store == "device":
        return DevicePatchStream(
            store, plan=plan, batch_size=data.batch_size, device=execution.device, share=share
        )
    return PatchStream(
        store,
        plan=plan,
        batch_size=data.batch_size,
        num_workers=execution.num_workers,
        pin_memory=execution.device.type == "cuda",
        degrading=degrading,
        share=share,
    )


def _open_source(data: Data, options: Options) -> Source:
    return open_source(data.source, validation=data.validation, data_root=options.data_root)


def _check_trainable(spec: RunSpec) -> None:
    """Refuse a fixed generator, and optimizers that cannot be made, of both stages."""
    for stage in (spec, *([spec.pretraining] if spec.pretraining else [])):
        check_optimizers(stage.settings)
    if not GENERATORS.get(spec.settings.generator.name).trainable:
        raise RecipeError(
            f"recipe {spec.recipe!r} needs no training: {spec.settings.generator.name!r} is a "
            "fixed method, used as a baseline"
        )


def _check_patches(components: Components, settings: RecipeSettings) -> None:
    """Refuse losses and a discriminator that do not accept the profile's batches.

    This happens before pretraining. The discriminator is tried on the meta device, which computes
    only shapes.

    Raises:
        RecipeError: with the sizes and the discriminator's own message.
    """
    data = settings.data
    side = data.lr_patch_size * settings.scale
    for name, loss in components.losses.items():
        if side < loss.min_side:
            raise RecipeError(
                f"loss {name!r} needs patches of {loss.min_side}x{loss.min_side} pixels, but "
                f"data.lr_patch_size {data.lr_patch_size} at scale {settings.scale} gives "
                f"{side}x{side}: increase data.lr_patch_size"
            )
    discriminator: nn.Module | None = components.discriminator
    if discriminator is None:
        return
    batch = torch.empty(data.batch_size, 3, side, side, device="meta")
    try:
        with torch.no_grad():
            copy.deepcopy(discriminator).to("meta")(batch)
    except NotImplementedError:  # an operator that has no shapes-only form: the first step tells
        return
    except (ValueError, RuntimeError) as error:
        name = settings.discriminator.name if settings.discriminator else ""
        raise RecipeError(
            f"discriminator {name!r} does not accept batches of {data.batch_size} patches of "
            f"{side}x{side} pixels: {error}. Change data.lr_patch_size, data.batch_size or the "
            "settings of the discriminator"
        ) from error
