"""What can be scored: a run, a baseline, a weights file, a Python callable.

Each is a `Candidate`: its description for the record, and how to get the network. Nothing is loaded
before its record is known to be missing.

Not here: scoring (`zoo.bench.evaluate`), training missing runs (`zoo.sweep`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from zoo.bench.dynamics import curves, measures
from zoo.errors import (
    DataError,
    IntegrityError,
    PluginError,
    RecipeError,
    UnknownNameError,
    WeightsError,
)
from zoo.files import file_sha256
from zoo.fingerprints import scoring_hash
from zoo.models.details import Details
from zoo.models.file import read_details, read_model
from zoo.models.foreign import Foreign, read_foreign
from zoo.models.model import filled_generator, has_other_code
from zoo.plugins import require_registered
from zoo.recipes.book import Book
from zoo.recipes.build import build_generator
from zoo.recipes.schema import ComponentSpec, RecipeSettings, RunSpec
from zoo.recipes.variants import run_name, shaping, with_variant
from zoo.records.budget import budget_of
from zoo.records.record import Target, TrainingSummary
from zoo.registry import GENERATORS
from zoo.runs.coherence import RecordedRun, read_run
from zoo.runs.commands import recorded_sources, resume_command, train_command
from zoo.runs.directory import RunDirectory
from zoo.runs.provenance import identity_hash, package_version
from zoo.runs.run_state import changed_code, divergence
from zoo.runs.verdicts import DIVERGED, Verdict, judge_again
from zoo.weights.tensors import read_tensors

Upscaler = Callable[[Tensor], Tensor]
"""From `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, H, W)`."""
_OTHER_CODE = "was trained with other code of its generator; zoo scores it with the current code"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to score.

    Attributes:
        target: what its record says it is.
        scale: its upscaling factor.
        load: returns the network or callable, on the CPU.
        training: how it was trained, None if it was not.
        error: why there is nothing to score; such a candidate becomes an error record.
        remark: what a reader of its scores must know, a phrase that follows its name.
        place: the file or directory it was read from, which names it where it cannot be read.
    """

    target: Target
    scale: int
    load: Callable[[], Upscaler]
    training: TrainingSummary | None = None
    error: str | None = None
    remark: str = ""
    place: str = ""

    @property
    def is_cacheable(self) -> bool:
        """Whether the target describes everything that affects its scores; a callable does not."""
        return self.target.kind != "callable"


def baseline_candidate(spec: RunSpec) -> Candidate:
    """Return a recipe that needs no training as a candidate."""
    generator = _described(spec.settings)
    target = Target(
        name=spec.recipe,
        kind="baseline",
        recipe=spec.recipe,
        generator=generator,
        code_sha256=_code(spec.settings.generator.name),
        command=_bench_command(spec.recipe),
    )
    scale = spec.settings.scale
    return Candidate(target, scale, lambda: build_generator(spec.settings.generator, scale, seed=0))


def run_candidate(path: Path, book: Book | None = None) -> Candidate:
    """Return a finished run, or one that diverged, as a candidate.

    Args:
        path: its directory.
        book: tells in what it is not its recipe's; what it says of that itself counts where None.

    Raises:
        DataError: if no run is there, or it is not finished.
        IntegrityError: if its files do not agree; if its weights are damaged (when loaded).
        PluginError: if a plugin of it has changed since the training.
    """
    run = read_run(path)
    if run is None:
        raise DataError(f"{path} is not a run directory: it has no recipe.yaml and provenance.json")
    directory, summary = run.directory, run.summary
    spec = run.spec if book is None else with_variant(run.spec, book)
    diverged = divergence(directory)
    if not run.is_finished and diverged is None:
        resume = resume_command(spec, path, run.provenance)
        raise DataError(f"{path} is not finished; resume it with: {resume}")
    _refuse_other_code(run)
    target = Target(
        **_run(spec, recorded_sources(run.provenance)),
        weights_sha256=None if summary is None else file_sha256(directory.weights),
        identity_sha256=run.identity_sha256,
        pretraining_sha256=run.provenance["identity"].get("pretraining"),
    )
    verdict = _verdict(run)
    training = TrainingSummary(
        steps=run.rows[-1]["step"] if summary is None else summary["steps"],
        seconds=0.0 if summary is None else summary["seconds"],
        verdict=verdict,
        measures=measures(run.rows, verdict=verdict),
        budget=budget_of(run.provenance["identity"]),
        curves=curves(run.rows),
        components={} if summary is None else summary["components"],
        num_images=None if summary is None else summary.get("num_images"),
    )
    return Candidate(
        target,
        spec.settings.scale,
        lambda: _run_generator(directory, spec, run.identity_sha256),
        training,
        error=diverged,
        place=str(path),
    )


def _verdict(run: RecordedRun) -> Verdict:
    """Return the verdict on a run by the rules of now, of which its summary may not have known."""
    if run.summary is None:
        return DIVERGED
    return judge_again(run.summary["verdict"], run.rows, run.summary["psnr_y_bicubic"])


def weights_candidate(path: Path, generator: ComponentSpec, *, scale: int) -> Candidate:
    """Return a weights file as a candidate.

    Args:
        path: `.safetensors`, or a PyTorch file of plain tensors.
        generator: the generator they are for, with its arguments.
        scale: upscaling factor.

    Raises:
        WeightsError: if the file is missing; when it is loaded, if it does not fit.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is not a weights file")
    target = Target(
        name=path.stem,
        kind="weights",
        generator=generator.model_dump(mode="json"),
        code_sha256=_code(generator.name),
        weights_sha256=file_sha256(path),
        command=_bench_command(str(path), "--generator", json.dumps(generator.model_dump())),
    )
    load = partial(_file_generator, path, generator, scale)
    return Candidate(target, scale, lambda: _unchanged(target, path, load))


def model_candidate(path: Path) -> Candidate:
    """Return a model file of zoo's, which says what it is for, as a candidate.

    Raises:
        WeightsError: if it is not one; when it is loaded, if it does not fit.
        IntegrityError: if it is damaged (when it is loaded).
    """
    details = read_details(path)
    target = Target(
        name=details.name,
        kind="weights",
        generator=details.generator,
        code_sha256=_code(details.generator_name),
        weights_sha256=file_sha256(path),
        command=_bench_command(str(path)),
    )
    remark = _OTHER_CODE if _has_other_code(details) else ""
    return Candidate(
        target,
        details.scale,
        lambda: _unchanged(target, path, lambda: read_model(path).build()),
        remark=remark,
        place=str(path),
    )


def foreign_candidate(path: Path) -> Candidate:
    """Return another tool's checkpoint as a candidate.

    The file that was read last is kept until it is scored; of several, the others are read again.

    Raises:
        ZooError: if it cannot be read, or its kind is unknown.
    """
    foreign = _read_foreign(path, *_stamp(path))
    details = foreign.model.details
    target = Target(
        name=details.name,
        kind="weights",
        generator=details.generator,
        code_sha256=_code(details.generator_name),
        weights_sha256=foreign.model.sha256,
        command=_bench_command(str(path)),
    )
    return Candidate(
        target,
        details.scale,
        lambda: _unchanged(target, path, lambda: _built_foreign(path)),
        remark="; ".join(foreign.notes),
        place=str(path),
    )


@lru_cache(maxsize=1)
def _read_foreign(path: Path, _changed: int, _size: int) -> Foreign:
    return read_foreign(path)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat() if path.exists() else None
    return (0, 0) if found is None else (found.st_mtime_ns, found.st_size)


def _built_foreign(path: Path) -> nn.Module:
    foreign = _read_foreign(path, *_stamp(path))
    _read_foreign.cache_clear()  # its tensors are now in the network
    return foreign.build()


def _unchanged(target: Target, path: Path, load: Callable[[], nn.Module]) -> nn.Module:
    """Return the network of a file, if the file is still the one that its record names."""
    network = load()
    if file_sha256(path) != target.weights_sha256:
        raise IntegrityError(
            f"{path} has changed since zoo opened it, and its scores would be another file's: "
            "start the benchmark again"
        )
    return network


def unreadable(
    path: Path, kind: Literal["run", "weights"], reason: str, *, scale: int
) -> Candidate:
    """Return a run or file that cannot be read as a candidate whose row is the error.

    The row has the name of the path, because the name in the file may be wrong too.
    """
    target = Target(name=str(path), kind=kind, command=_bench_command(str(path)))
    return Candidate(target, scale, _nothing, error=reason)


def callable_candidate(name: str, upscale: Upscaler, *, scale: int) -> Candidate:
    """Return a Python callable, or a module, as a candidate; it is scored anew every time.

    Args:
        name: heading of its row.
        upscale: from `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`.
        scale: upscaling factor.
    """
    return Candidate(Target(name=name, kind="callable"), scale, lambda: upscale)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run could not be trained or read.

    Attributes:
        message: the reason.
        diverged: whether it, or its pretraining, met a value that is not finite. Such a run counts
            among those that are not finite and not stable; any other failure says nothing of that.
    """

    message: str
    diverged: bool = False


def failed_candidate(spec: RunSpec, failure: Failure, sources: Sequence[str] = ()) -> Candidate:
    """Return a run whose training failed as a candidate that becomes an error record."""
    target = Target(**_run(spec, sources))
    training = None
    if failure.diverged:
        lost = {"finite": 0.0, "stable": 0.0}
        training = TrainingSummary(steps=0, seconds=0.0, verdict=DIVERGED, measures=lost)
    return Candidate(target, spec.settings.scale, _nothing, training, error=failure.message)


def _run(spec: RunSpec, sources: Sequence[str]) -> dict[str, Any]:
    """Return what a run's target says of it before it is trained."""
    return {
        "name": run_name(spec),
        "kind": "run",
        "recipe": spec.recipe,
        "profile": spec.profile,
        "seed": spec.seed,
        "generator": _described(spec.settings),
        "variant": shaping(spec),
        "spec": spec.model_dump(mode="json"),
        "command": train_command(spec, sources),
    }


def _bench_command(*words: str) -> str:
    return shlex.join(["zoo", "bench", *words])


def _described(settings: RecipeSettings) -> dict[str, Any]:
    return settings.generator.model_dump(mode="json")


def _code(generator: str) -> str | None:
    """Return the hash of a generator's code as it is now; None if it cannot be obtained."""
    try:
        own = scoring_hash(GENERATORS.get(generator))
    except (UnknownNameError, PluginError):  # loading it says so
        return None
    packages = packages_of(generator)
    return identity_hash({"code": own, "packages": packages}) if packages else own


def packages_of(generator: str) -> dict[str, str]:
    """Return the versions of packages whose code computes a generator; none for zoo's own."""
    try:
        package = getattr(GENERATORS.get(generator), "package", None)
    except (UnknownNameError, PluginError):  # loading it says so
        return {}
    return {} if package is None else {package: package_version(package)}


def _has_other_code(details: Details) -> bool:
    try:
        return has_other_code(details)
    except (UnknownNameError, PluginError):  # loading it says so
        return False


def _refuse_other_code(run: RecordedRun) -> None:
    changed = changed_code(run.spec, run)
    if changed:
        raise PluginError(
            f"{run.directory.path} was trained with other code of {', '.join(changed)}: restore "
            "the file, or train the recipe again under another --run-root"
        )


def _nothing() -> Upscaler:
    raise RecipeError("a run that failed has no generator")


def _run_generator(directory: RunDirectory, spec: RunSpec, identity: str) -> nn.Module:
    generator = spec.settings.generator
    session = (directory.provenance() or {"sessions": [{"components": {}}]})["sessions"][-1]
    origin = session["components"].get(f"generator {generator.name}")
    require_registered("generators", generator.name, origin, directory.path)
    weights, _ = directory.read_weights(identity)
    return filled_generator(
        generator,
        spec.settings.scale,
        weights,
        place=str(directory.weights),
        whose=f"generator {generator.name!r}",
        seed=spec.seed,
    )


def _file_generator(path: Path, spec: ComponentSpec, scale: int) -> nn.Module:
    tensors, whose = read_tensors(path), f"generator {spec.name!r}"
    try:
        return filled_generator(spec, scale, tensors, place=str(path), whose=whose)
    except WeightsError as error:
        raise WeightsError(
            f"{error}; name the right one, with its arguments, as in --generator "
            "'{name: rrdb, num_blocks: 6}'"
        ) from error
