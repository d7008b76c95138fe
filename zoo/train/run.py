"""One run from its specification to its results: data, pretraining, components, training."""

from __future__ import annotations

import math
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from zoo.data.patches import PatchStore
from zoo.data.places import cache_dir
from zoo.data.sampling import SamplingPlan
from zoo.data.sources import open_source
from zoo.data.stream import PatchStream
from zoo.errors import RecipeError, WeightsError
from zoo.recipes.build import Components, build_components, component_origins
from zoo.recipes.schema import RecipeSettings, RunSpec
from zoo.registry import GENERATORS
from zoo.train.device import Execution, choose_device, plan_execution
from zoo.train.directory import RunDirectory, identity_hash, versions
from zoo.train.git import revision
from zoo.train.observer import Observer
from zoo.train.step import Players, assemble
from zoo.train.trainer import Stage, Trainer
from zoo.train.validation import Validator, held_out_images

FORMAT = 1
"""Version of the training mathematics: raised when the same settings give other numbers."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where and on what a run is executed; none of it changes what the run is.

    Attributes:
        run_root: folder of run directories.
        data_root: folder of datasets, None for the default.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.
        fresh: whether to delete the run's earlier state and start over.
        observer: hears of progress.
    """

    run_root: Path = Path("runs")
    data_root: Path | None = None
    device: str = "auto"
    fresh: bool = False
    observer: Observer = field(default_factory=Observer)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its specification, its directory, its summary."""

    spec: RunSpec
    directory: Path
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a run needs, found and built before any training."""

    execution: Execution
    stream: PatchStream
    validator: Validator
    components: Components
    num_steps: int
    data_hash: str

    def identity(self, spec: RunSpec, pretraining: str | None) -> dict[str, Any]:
        """Return everything that shapes the numbers of a run, names of recipes left out."""
        settings = spec.settings.model_dump(mode="json", exclude={"runtime"})
        for cadence in ("log_every", "validate_every", "checkpoint_every", "steps", "epochs"):
            del settings["training"][cadence]
        for place in ("source", "validation"):
            del settings["data"][place]
        executed = self.execution.describe()
        return {
            "format": FORMAT,
            "seed": spec.seed,
            "settings": settings,
            "num_steps": self.num_steps,
            "data": self.data_hash,
            "components": {name: dict(value) for name, value in self.components.provenance.items()},
            "execution": {key: executed[key] for key in ("device", "precision", "compile")},
            "pretraining": pretraining,
        }


def train(spec: RunSpec, options: Options) -> Run:
    """Train a recipe, its pretraining first where that is not done yet; resume what was begun.

    Args:
        spec: complete specification (see `zoo.recipes.checks.complete`).
        options: where and on what.

    Raises:
        ZooError: if anything is wrong that the user can mend; before training wherever possible.
        Interrupted: if Ctrl-C or SIGTERM asked to stop; the state is saved.
    """
    check_trainable(spec)
    prepared = prepare(spec, options)
    pretrained: RunDirectory | None = None
    pretraining_hash: str | None = None
    if spec.pretraining is not None:
        inner = _prepare_pretraining(spec.pretraining, prepared)
        inner_identity = inner.identity(spec.pretraining, None)
        pretraining_hash = identity_hash(inner_identity)
        place = _pretraining_directory(spec.pretraining, pretraining_hash, options.run_root)
        pretrained = RunDirectory(place)
        _fit(spec.pretraining, inner, inner_identity, pretrained, options, fresh=False)
    identity = prepared.identity(spec, pretraining_hash)
    directory = RunDirectory(run_path(spec, options.run_root))
    summary = _fit(
        spec, prepared, identity, directory, options, fresh=options.fresh, pretrained=pretrained
    )
    return Run(spec, directory.path, summary)


def prepare(spec: RunSpec, options: Options, *, store_dir: Path | None = None) -> Prepared:
    """Find the data, build the components and decide how to execute them.

    Args:
        spec: complete specification.
        options: where and on what.
        store_dir: folder of patch stores, zoo's cache by default.
    """
    settings = spec.settings
    execution = plan_execution(settings.runtime, choose_device(options.device))
    components = build_components(settings, seed=spec.seed)
    data = settings.data
    source = open_source(data.source, data_root=options.data_root)
    held_out = held_out_images(data, data_root=options.data_root)
    store = PatchStore.open_or_build(
        source.training_paths,
        settings.scale,
        store_dir or cache_dir(),
        options.observer.preparing,
    )
    stream = PatchStream(
        store,
        plan=SamplingPlan(
            seed=spec.seed,
            lr_patch_size=data.lr_patch_size,
            sampling=data.sampling,
            weighting=data.weighting,
            patches_per_image=data.patches_per_image,
            augment=data.augment,
        ),
        batch_size=data.batch_size,
        num_workers=execution.num_workers,
        pin_memory=execution.device.type == "cuda",
    )
    return Prepared(
        execution=execution,
        stream=stream,
        validator=Validator(held_out, scale=settings.scale),
        components=components,
        num_steps=count_steps(settings, store.num_images),
        data_hash=store.data_hash,
    )


def count_steps(settings: RecipeSettings, num_images: int) -> int:
    """Return the number of generator updates of a stage; an epoch has 19 samples an image."""
    training, data = settings.training, settings.data
    if training.epochs is None:
        return int(training.steps or 0)
    samples = training.epochs * num_images * data.patches_per_image
    return max(1, math.ceil(samples / data.batch_size))


def run_path(spec: RunSpec, root: Path) -> Path:
    """Return the directory of a run: `<root>/<recipe>/<profile>/seed-<n>`."""
    return root / spec.recipe / spec.profile / f"seed-{spec.seed}"


def check_trainable(spec: RunSpec) -> None:
    """Refuse a recipe whose generator has nothing to train."""
    if not GENERATORS.get(spec.settings.generator.name).trainable:
        raise RecipeError(
            f"recipe {spec.recipe!r} has nothing to train: {spec.settings.generator.name!r} is a "
            "fixed method, used as a baseline"
        )


def load_generator_weights(prepared: Prepared, pretrained: RunDirectory) -> None:
    """Start a run's generator from the weights of its pretraining.

    Raises:
        WeightsError: if they are of another architecture.
    """
    try:
        prepared.components.generator.load_state_dict(pretrained.read_weights())
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise WeightsError(
            f"{pretrained.weights} does not fit this recipe's generator: {first}"
        ) from error


def assemble_stage(spec: RunSpec, prepared: Prepared) -> Stage:
    """Place both players on the device and join them with the data."""
    players: Players = assemble(prepared.components, spec.settings.training, prepared.execution)
    return Stage(
        players=players,
        stream=prepared.stream,
        validator=prepared.validator,
        training=spec.settings.training,
        num_steps=prepared.num_steps,
        seed=spec.seed,
    )


def _prepare_pretraining(spec: RunSpec, outer: Prepared) -> Prepared:
    """Return what a pretraining stage needs; data and execution are those of the outer run."""
    return Prepared(
        execution=outer.execution,
        stream=outer.stream,
        validator=outer.validator,
        components=build_components(spec.settings, seed=spec.seed),
        num_steps=count_steps(spec.settings, outer.stream.store.num_images),
        data_hash=outer.data_hash,
    )


def _pretraining_directory(spec: RunSpec, identity: str, root: Path) -> Path:
    """Find the run of this identity under any recipe's name, or choose a directory for it.

    The recipe's usual directory is taken unless a run with other settings is in it; then the
    identity is part of the name.
    """
    for path in sorted(root.glob(f"*/*/seed-{spec.seed}*")):
        provenance = RunDirectory(path).provenance()
        if provenance is not None and provenance["identity_sha256"] == identity:
            return path
    usual = run_path(spec, root)
    taken = RunDirectory(usual).provenance() is not None
    return usual.with_name(f"{usual.name}-{identity[:8]}") if taken else usual


def _fit(
    spec: RunSpec,
    prepared: Prepared,
    identity: Mapping[str, Any],
    directory: RunDirectory,
    options: Options,
    *,
    fresh: bool,
    pretrained: RunDirectory | None = None,
) -> Mapping[str, Any]:
    """Train one stage in its directory, or find that it is done."""
    observer = options.observer
    with directory.lock():
        if fresh:
            directory.clear()
        directory.claim(spec, identity, _session(spec, prepared))
        finished = directory.summary()
        if finished is not None:
            observer.notice(f"{spec.recipe} is already trained: {directory.path}")
            return finished
        if pretrained is not None:
            load_generator_weights(prepared, pretrained)
        stage = assemble_stage(spec, prepared)
        trainer = Trainer(stage, directory, observer)
        step = trainer.resume()
        kind = "adversarial" if spec.settings.is_adversarial else "content"
        observer.stage_started(spec.recipe, kind, step, prepared.num_steps)
        summary = trainer.fit()
        observer.stage_finished(directory.path, summary)
        return summary


def _session(spec: RunSpec, prepared: Prepared) -> dict[str, Any]:
    """Describe this process's part in a run, for its provenance."""
    device = prepared.execution.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "command": sys.argv,
        "device_name": name,
        "execution": prepared.execution.describe(),
        "versions": versions(),
        "git": revision(),
        "components": component_origins(spec.settings),
    }
