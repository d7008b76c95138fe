"""Weights that a training starts from: a model file, a run, a checkpoint of another tool.

Not here: which file a name means (`zoo.models.find`), what a recipe may say beside it
(`zoo.recipes.resolve`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import torch

from zoo.discriminators.base import Discriminator
from zoo.errors import CheckpointError, DataError, IntegrityError, RecipeError, ZooError
from zoo.generators.base import Generator
from zoo.models.checkpoint import read_checkpoint
from zoo.models.details import Details
from zoo.models.find import find_model
from zoo.models.model import fill
from zoo.models.partial import fill_partly, upsampler
from zoo.recipes.arguments import SCALE, parameters
from zoo.recipes.book import Book
from zoo.recipes.schema import ComponentSpec, Initial, RunSpec, Weights
from zoo.recipes.start import Start
from zoo.recipes.variants import specify
from zoo.registry import GENERATORS
from zoo.runs.checkpoint import load_latest
from zoo.runs.coherence import read_run
from zoo.runs.directory import RunDirectory
from zoo.weights.tensors import tensors_sha256

Kind = TypeVar("Kind", bound=Weights)
_DISCRIMINATOR = "discriminator"
_INIT, _INIT_DISCRIMINATOR = "init", "init_discriminator"
_NOTHING = Start()


class StartError(ZooError):
    """The weights that a recipe starts from cannot be found or read.

    Attributes:
        cause: the error that says why.
    """

    def __init__(self, cause: ZooError) -> None:
        self.cause = cause
        super().__init__(str(cause))


def specified(
    book: Book,
    recipe: str,
    profile: str,
    *,
    run_root: Path,
    seed: int = 0,
    settings: Sequence[str] = (),
    start: Start = _NOTHING,
) -> RunSpec:
    """Return the complete specification of a run, with the weights that it starts from.

    Args:
        book: where recipe and profile are defined.
        recipe: name of the recipe.
        profile: name of the profile.
        run_root: folder of run directories.
        seed: seed of the run and of its pretraining.
        settings: what is set besides recipe and profile, as `path=value`.
        start: weights to start from; each network that it does not name starts as the recipe says.

    Raises:
        ZooError: if weights cannot be found or read.
        RecipeError: if the values do not fit together.
    """
    try:
        (spec,) = specified_seeds(
            book, recipe, profile, (seed,), run_root=run_root, settings=settings, start=start
        )
    except StartError as error:
        raise error.cause from None
    return spec


def specified_seeds(
    book: Book,
    recipe: str,
    profile: str,
    seeds: Sequence[int],
    *,
    run_root: Path,
    settings: Sequence[str] = (),
    start: Start = _NOTHING,
) -> list[RunSpec]:
    """Return the specifications of a recipe's runs, one a seed; weights are read once.

    Arguments are those of `specified`.

    Raises:
        StartError: if weights cannot be found or read.
        RecipeError: if the values do not fit together.
    """
    starts = (start, book.recipe(recipe).start)
    strict = all(each.strict for each in starts)
    with _starting():
        init = initial_generator(starts, recipe, run_root=run_root)
    spec = specify(book, recipe, profile, seed=seeds[0], settings=settings, init=init)
    with _starting():
        critic = _first(_discriminator_of(each, spec, run_root) for each in starts)
    if critic is not None and spec.settings.discriminator is None:
        raise RecipeError(f"recipe {recipe!r} has no discriminator that could start from {critic}")
    if critic is not None:
        with _starting():
            found = initial_discriminator(critic, recipe, run_root=run_root, strict=strict)
        spec = spec.model_copy(update={_INIT_DISCRIMINATOR: found})
    return [_with_seed(spec, seed) for seed in seeds]


@contextmanager
def _starting() -> Iterator[None]:
    try:
        yield
    except ZooError as error:
        raise StartError(error) from error


def _with_seed(spec: RunSpec, seed: int) -> RunSpec:
    inner = spec.pretraining
    changes = {} if inner is None else {"pretraining": _with_seed(inner, seed)}
    return spec.model_copy(update={"seed": seed, **changes})


def initial_generator(starts: Sequence[Start], recipe: str, *, run_root: Path) -> Initial | None:
    """Return what the generator starts from: the first of these starts that names one.

    Arguments and errors are those of `initial_weights`.
    """
    what = _first(_generator_of(each, recipe, run_root) for each in starts)
    strict = all(each.strict for each in starts)
    return initial_weights(what, recipe, run_root=run_root, strict=strict)


def initial_weights(
    what: str | Path | None, recipe: str, *, run_root: Path, strict: bool = True
) -> Initial | None:
    """Return what the generator of a training starts from, None if nothing is named.

    If the file is gone, a run of this recipe that started from it knows what it was.

    Args:
        what: see `zoo.models.find.find_model`.
        recipe: the recipe that is trained.
        run_root: folder of run directories.
        strict: whether every tensor must fit.

    Raises:
        ZooError: if it cannot be found or read, or has no weights.
    """
    if what is None:
        return None
    try:
        model = find_model(what, run_root=run_root)
    except ZooError:
        known = _recorded(Initial, _INIT, str(what), recipe, run_root)
        if known is None:
            raise
        return known
    if model.sha256 is None:
        raise RecipeError(f"--init {what}: {model.details.name} has no weights to start from")
    return Initial(
        file=str(what),
        name=model.details.name,
        sha256=model.sha256,
        strict=strict,
        generator=_completed(model.details),
        scale=model.details.scale,
    )


def initial_discriminator(
    what: str | Path, recipe: str, *, run_root: Path, strict: bool = True
) -> Weights:
    """Return what the discriminator of a training starts from; see `initial_weights`.

    Args:
        what: a finished run with a discriminator, or a file with the tensors of one.
        recipe: the recipe that is trained.
        run_root: folder of run directories.
        strict: whether every tensor must fit.
    """
    try:
        tensors = _discriminator_tensors(Path(what))
    except ZooError:
        known = _recorded(Weights, _INIT_DISCRIMINATOR, str(what), recipe, run_root)
        if known is None:
            raise
        return known
    name = Path(what).stem if Path(what).is_file() else "-".join(Path(what).absolute().parts[-3:])
    return Weights(file=str(what), name=name, sha256=tensors_sha256(tensors), strict=strict)


def load_initial(
    generator: Generator, discriminator: Discriminator | None, spec: RunSpec, *, run_root: Path
) -> list[str]:
    """Put the weights that a run starts from into networks that are built for them.

    Returns:
        What was not loaded, as lines, if the weights need not fit.

    Raises:
        ZooError: if they cannot be read any more.
        IntegrityError: if they are others now.
        WeightsError: if they do not fit.
    """
    lines: list[str] = []
    if spec.init is not None:
        init, model = spec.init, find_model(spec.init.file, run_root=run_root)
        _require_same(init, str(model.sha256))
        is_scaled = not init.strict and init.scale != generator.scale
        kept = upsampler(generator, spec.settings.generator, init) if is_scaled else []
        lines += _load(generator, init, model.tensors, "generator", kept)
    if spec.init_discriminator is not None and discriminator is not None:
        weights = spec.init_discriminator
        tensors = _discriminator_tensors(Path(weights.file))
        _require_same(weights, tensors_sha256(tensors))
        lines += _load(discriminator, weights, tensors, _DISCRIMINATOR)
    return lines


def _load(
    network: torch.nn.Module,
    weights: Weights,
    tensors: Mapping[str, torch.Tensor],
    role: str,
    kept: Collection[str] = (),
) -> list[str]:
    whose = f"this recipe's {role}"
    if weights.strict:
        fill(network, tensors, place=weights.file, whose=whose)
        return []
    left = fill_partly(network, tensors, place=weights.file, whose=whose, kept=kept)
    return [f"{role}: {line}" for line in left]


def _require_same(weights: Weights, sha256: str) -> None:
    if sha256 != weights.sha256:
        raise IntegrityError(
            f"{weights.file} has changed: its sha256 was {weights.sha256[:12]} and is {sha256[:12]}"
        )


def _discriminator_tensors(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the tensors of the discriminator in a finished run's last checkpoint, or in a file."""
    if not path.is_dir():
        return read_checkpoint(path).tensors
    run = read_run(path)
    if run is None or run.summary is None:
        raise DataError(f"{path} is not the directory of a finished run")
    state = load_latest(run.directory.checkpoints)
    if state is None or _DISCRIMINATOR not in state:
        lost = "no checkpoint" if state is None else "no discriminator: its recipe has none"
        raise DataError(f"{path} has {lost}")
    tensors: Mapping[str, torch.Tensor] = state[_DISCRIMINATOR]
    return tensors


def _first(named: Iterable[str | None]) -> str | None:
    return next((one for one in named if one is not None), None)


def _generator_of(start: Start, recipe: str, run_root: Path) -> str | None:
    if start.generator is None and start.run is not None:
        known = _recorded(Initial, _INIT, start.run, recipe, run_root)
        if known is None:
            _require_run(start.run)
    return start.generator or start.run


def _discriminator_of(start: Start, spec: RunSpec, run_root: Path) -> str | None:
    """Return what a start names for the discriminator; its run only if both runs have one."""
    if start.discriminator is not None or start.run is None:
        return start.discriminator
    if spec.settings.discriminator is None:
        return None
    where = start.run, spec.recipe, run_root
    if _recorded(Weights, _INIT_DISCRIMINATOR, *where) is not None:
        return start.run
    if _recorded(Initial, _INIT, *where) is not None:
        return None  # the run that is gone had no discriminator
    _require_run(start.run)
    recorded = RunDirectory(Path(start.run)).spec()
    return None if recorded is None or recorded.settings.discriminator is None else start.run


def _require_run(run: str) -> None:
    if RunDirectory(Path(run)).provenance() is None:
        raise DataError(f"{run} is not a run directory; a model is named with --init")


def _completed(details: Details) -> ComponentSpec:
    """Return the generator with the defaults of its constructor, as plain data."""
    spec = ComponentSpec.model_validate(details.generator)
    known = parameters(GENERATORS.get(spec.name))
    defaults = {
        name: one.default for name, one in known.items() if name != SCALE and not one.required
    }
    complete = spec.with_arguments({**defaults, **spec.arguments})
    return ComponentSpec.model_validate(complete.model_dump(mode="json"))


def _recorded(kind: type[Kind], key: str, what: str, recipe: str, run_root: Path) -> Kind | None:
    """Return what runs of a recipe started from, if it had this name and is gone."""
    found: dict[str, Kind] = {}
    runs = () if Path(what).exists() else sorted((run_root / recipe).glob("*/seed-*"))
    for path in runs:
        with suppress(CheckpointError):
            spec = RunDirectory(path).spec()
            begun = None if spec is None else spec.begun_from.get(key)
            if isinstance(begun, kind) and _is_same(begun.file, what):
                found[begun.sha256] = begun
    if len(found) > 1:
        listed = ", ".join(weights.label for weights in found.values())
        raise RecipeError(
            f"--{key.replace('_', '-')} {what}: there is no such file, and runs of {recipe} "
            f"started from several of this name ({listed})"
        )
    return next(iter(found.values()), None)


def _is_same(file: str, what: str) -> bool:
    return Path(file).absolute() == Path(what).absolute()
