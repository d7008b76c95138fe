"""One run from its specification to its results: pretraining if it is missing, then training."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zoo.errors import CheckpointError
from zoo.generators.base import Generator
from zoo.losses import stand_ins
from zoo.models.initial import load_initial
from zoo.models.model import fill
from zoo.models.runs import model_of_run
from zoo.recipes.build import component_origins
from zoo.recipes.schema import RunSpec
from zoo.runs.coherence import mend
from zoo.runs.directory import RunDirectory, State, run_path
from zoo.runs.paths import find_path, find_shorter, start_as_copy
from zoo.runs.provenance import identity_hash, processor, revision, versions
from zoo.train.autotune import CHOICE, alternatives, why_not_measured
from zoo.train.best import BestWeights
from zoo.train.follow import assemble_stage, call, end, follow
from zoo.train.identity import run_identity
from zoo.train.observer import Observer
from zoo.train.prepare import Options, Prepared, autotune, prepare, prepare_pretraining
from zoo.train.summary import is_bounded, summarise
from zoo.train.trainer import Trainer

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its specification, its directory, its summary.

    Example:
        >>> import zoo
        >>> from zoo.train.observer import Observer
        >>> run = zoo.train("srresnet-nobn", profile="smoke", device="cpu", observer=Observer())
        >>> run.summary["verdict"] in {"stable", "hardly-learned"}
        True
        >>> run.generator().scale
        4
    """

    spec: RunSpec
    directory: Path
    summary: Mapping[str, Any]

    @property
    def metrics(self) -> DataFrame:
        """The logged rows: one for each logged step and each validation.

        `kind` is `train` or `validation`, `step` the number of generator updates. The other columns
        are those of `metrics.jsonl` (docs/training.md), empty if a row has no such value.
        """
        import pandas as pd

        return pd.DataFrame(RunDirectory(self.directory).rows())

    @property
    def pictures(self) -> list[Path]:
        """The sample images LR | bicubic | SR | HR of held-out images."""
        return [RunDirectory(self.directory).samples / name for name in self.summary["pictures"]]

    def generator(self) -> Generator:
        """Return the trained network (the moving average): evaluation mode, float32, on the CPU."""
        return model_of_run(self.directory).build()


@dataclass(frozen=True, slots=True)
class _Job:
    """One stage to train: its specification, its data and components, its directory."""

    spec: RunSpec
    prepared: Prepared
    identity: Mapping[str, Any]
    directory: RunDirectory

    @property
    def hash(self) -> str:
        """The hash of the identity."""
        return identity_hash(self.identity)

    @property
    def state(self) -> State:
        """The state of the stage; only an empty one needs initial weights."""
        if self.directory.extended_by(self.identity):
            return "begun" if self.directory.has_steps else "empty"
        return self.directory.state(self.hash)


def train(spec: RunSpec, options: Options) -> Run:
    """Train a recipe, after its pretraining if that is missing. Resumes an unfinished run.

    Args:
        spec: complete specification (see `zoo.recipes.checks.complete`).
        options: where to write and on which device to train.

    Raises:
        ZooError: for an error that the user can correct; before training if possible.
        Interrupted: if Ctrl-C or one of `zoo.signals.ENDING` stopped it; the state is saved.
    """
    prepared = prepare(spec, options)
    with options.world.joined(prepared.execution.device):
        if options.world.leads:
            return _lead(spec, prepared, options)
        return Run(spec, *follow(spec, prepared))


def _lead(spec: RunSpec, prepared: Prepared, options: Options) -> Run:
    """Train a recipe; where several processes train it, as the one that decides and writes."""
    if options.fresh and options.world.restarts:  # what the launcher starts again has begun
        options = replace(options, fresh=False)
    directory = RunDirectory(find_path(spec, options.run_root))
    begun = None if options.fresh else directory.provenance()
    is_new = begun is None and not options.fresh
    shorter = find_shorter(spec, options.run_root) if is_new else None
    if shorter is not None:
        inner, job = _plan(spec, prepared, options, directory, shorter.provenance())
        if shorter.extended_by(job.identity) and start_as_copy(directory, shorter):
            options.observer.notice(f"{spec.recipe} starts with a copy of {shorter.path}")
        else:
            shorter = None
    if shorter is None:
        inner, job = _plan(spec, prepared, options, directory, begun)
    if not options.fresh:
        job.directory.check(job.identity)  # again under the lock; here, before pretraining runs
    if inner is not None and (options.fresh or job.state == "empty"):
        _fit(inner, options, fresh=False, wait=True)
    summary = _fit(job, options, fresh=options.fresh, start=inner)
    end(options.world, job.directory.path, summary)
    return Run(spec, job.directory.path, summary)


def _plan(
    spec: RunSpec,
    prepared: Prepared,
    options: Options,
    directory: RunDirectory,
    begun: Mapping[str, Any] | None,
) -> tuple[_Job | None, _Job]:
    """Return the stages of a run, which resumes the run of this provenance if there is one."""
    inner: _Job | None = None
    if spec.pretraining is not None:
        inner_prepared = prepare_pretraining(spec.pretraining, prepared)
        used = None if begun is None else begun["identity"].get("pretraining")
        inner = _pretraining_job(spec.pretraining, inner_prepared, options, used=used)
    prepared = autotune(spec, prepared, options, begun=begun)
    begun_from = None if spec.init is None else spec.init.sha256
    identity = run_identity(spec, prepared, begun_from if inner is None else inner.hash)
    return inner, _Job(spec, prepared, identity, directory)


def _pretraining_job(
    spec: RunSpec, prepared: Prepared, options: Options, *, used: str | None
) -> _Job:
    """Find the run of a pretraining under any recipe's name, or choose a directory for it.

    Another measurement may have chosen another layout or precision, which gives another identity.
    Such a run is used if this stage would be measured too, or if the outer run started from it.

    Args:
        spec: the pretraining.
        prepared: what it is trained with, as planned.
        options: where and on which device.
        used: hash of the identity from which the outer run started, None if it has not started.
    """

    def job(settled: Prepared, directory: RunDirectory | None = None) -> _Job:
        identity = run_identity(spec, settled, None)
        place = directory or _free_directory(spec, identity_hash(identity), options.run_root)
        return _Job(spec, settled, identity, place)

    runtime, planned = spec.settings.runtime, prepared.execution
    jobs = [job(replace(prepared, execution=each)) for each in alternatives(runtime, planned)]
    known = {each.hash: each for each in jobs}
    wanted = {used} if used in known else {jobs[0].hash}
    if used not in known and why_not_measured(runtime, planned, prepared.num_steps) is None:
        wanted |= known.keys()
    for path in sorted(options.run_root.glob(f"*/*/seed-{spec.seed}*")):
        directory = RunDirectory(path)
        if any(directory.belongs_to(str(identity)) for identity in wanted):
            found = job(autotune(spec, prepared, options, begun=directory.provenance()), directory)
            if directory.belongs_to(found.hash):
                return found
    if used in known:
        return known[used]
    return job(autotune(spec, prepared, options, begun=None))


def _free_directory(spec: RunSpec, identity: str, root: Path) -> RunDirectory:
    """Return the usual directory, or, if another run is there, one with the identity's hash."""
    usual = run_path(spec, root)
    if (usual / "provenance.json").exists():
        usual = usual.with_name(f"{usual.name}-{identity[:8]}")
    return RunDirectory(usual)


def _fit(
    job: _Job,
    options: Options,
    *,
    fresh: bool,
    wait: bool = False,
    start: _Job | None = None,
) -> Mapping[str, Any]:
    """Train one stage in its directory, unless it is done.

    Args:
        job: the stage.
        options: where and on which device.
        fresh: whether to delete its earlier state.
        wait: whether to wait for another process that trains it; otherwise an error.
        start: the stage whose generator it starts from.
    """
    spec, directory, observer = job.spec, job.directory, options.observer
    choice, own_threads = job.prepared.choice, job.prepared.execution.own_threads()
    with directory.lock(wait=observer.notice if wait else None), own_threads:
        if fresh:
            directory.clear()
        directory.check(job.identity)
        _mend(job, observer)
        if job.state == "finished":
            observer.notice(f"{spec.recipe} is already trained: {directory.path}")
            summary = _finished(job)
            _publish_best(job, observer)
            return summary
        if job.state == "empty":
            _begin(job, start, options)
        extended = directory.extended_by(job.identity)
        if extended:
            observer.notice(f"{spec.recipe} extends the run that was started here: {extended}")
        for change in directory.begin_session(spec, job.identity, _session(job, options)):
            observer.notice(
                f"{spec.recipe} resumes with another {change}: the last bits may differ"
            )
        for loss, network in stand_ins(job.prepared.components.provenance).items():
            observer.notice(f"{spec.recipe}: {network} replaces {loss}")
        if choice is not None:
            observer.notice(f"{spec.recipe}: {choice.describe()}")
        trainer = Trainer(assemble_stage(spec, job.prepared), directory, observer, job.hash)
        step = trainer.resume()
        call(trainer, options.world, job.prepared.execution, is_pretraining=wait)
        _announce(job, observer, step)
        summary = trainer.fit()
        _publish_best(job, observer)
        observer.stage_finished(directory.path, summary)
        return summary


def _announce(job: _Job, observer: Observer, step: int) -> None:
    kind = "adversarial" if job.spec.settings.is_adversarial else "content"
    observer.opened(job.directory.path)
    observer.stage_started(job.spec.recipe, kind, step, job.prepared.num_steps)


def _begin(job: _Job, start: _Job | None, options: Options) -> None:
    """Load the weights that a stage starts from: its pretraining's, or those of a file."""
    if start is not None:
        _load_weights(job.prepared, start)
    components = job.prepared.components
    for line in load_initial(
        components.generator, components.discriminator, job.spec, run_root=options.run_root
    ):
        options.observer.notice(line)


def _publish_best(job: _Job, observer: Observer) -> None:
    """Write the weights of the best validation as a model file, if the run keeps them."""
    best = BestWeights.of(job.spec.settings.training, job.directory, job.hash)
    told = None if best is None else best.publish()
    if told is not None:
        observer.notice(f"{job.spec.recipe}: {told}")


def _mend(job: _Job, observer: Observer) -> None:
    """Compare a finished run's files with its summary, restore what can be restored, and say so.

    Raises:
        CheckpointError: if a changed file cannot be restored.
    """
    directory = job.directory
    try:
        summary = directory.summary()
    except CheckpointError as error:
        if not directory.has_steps:
            raise
        observer.notice(str(error))
        return
    if summary is not None and summary["identity_sha256"] in directory.identities():
        for told in mend(directory, job.spec, summary):
            observer.notice(told)


def _finished(job: _Job) -> Mapping[str, Any]:
    """Return the summary of a finished run; score it first if the validation images changed."""
    validator, execution = job.prepared.validator, job.prepared.execution
    summary = job.directory.summary(job.hash) or {}
    if summary["validation"] == validator.identity:
        return summary
    step = _load_weights(job.prepared, job)
    generator = execution.place(job.prepared.components.generator)
    job.directory.append_row(validator.row(generator, execution, step=step))
    scored = summarise(
        job.directory,
        validator,
        generator,
        execution,
        step=step,
        seconds=summary["seconds"],
        bounded=is_bounded(job.spec.settings),
    )
    scored |= {key: summary[key] for key in ("components", "num_images") if key in summary}
    return job.directory.write_summary(scored, job.hash)


def _load_weights(prepared: Prepared, source: _Job) -> int:
    """Load weights of a run, its pretraining's or its own; return their step."""
    weights, step = source.directory.read_weights(source.hash)
    place = str(source.directory.weights)
    fill(prepared.components.generator, weights, place=place, whose="this recipe's generator")
    return step


def _session(job: _Job, options: Options) -> dict[str, Any]:
    """Describe this process's work on a run, for its provenance."""
    execution, choice = job.prepared.execution, job.prepared.choice
    on_gpu = execution.device.type == "cuda"
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "command": sys.argv,
        "sources": options.sources,
        "device_name": torch.cuda.get_device_name(execution.device) if on_gpu else "cpu",
        "processor": processor(),
        **({"processes": options.world.size} if options.world.is_shared else {}),
        "execution": {**execution.describe(), "store": execution.store},
        CHOICE: None if choice is None else choice.document(),
        "versions": versions(),
        "git": revision(),
        "components": {
            role: str(origin) for role, origin in component_origins(job.spec.settings).items()
        },
    }
