"""Weights that a training starts from: a model file, a run, a checkpoint of another tool.

Not here: which file a name means (`zoo.models.find`), what a recipe may say beside it
(`zoo.recipes.resolve`).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from zoo.errors import CheckpointError, IntegrityError, RecipeError, ZooError
from zoo.generators.base import Generator
from zoo.models.details import Details
from zoo.models.find import find_model
from zoo.models.model import fill
from zoo.recipes.arguments import SCALE, parameters
from zoo.recipes.schema import ComponentSpec, Initial
from zoo.registry import GENERATORS
from zoo.runs.directory import RunDirectory


def initial_weights(what: str | Path | None, recipe: str, *, run_root: Path) -> Initial | None:
    """Return what a training starts from, None if nothing is named.

    If the file is gone, a run of this recipe that started from it knows what it was.

    Args:
        what: see `zoo.models.find.find_model`.
        recipe: the recipe that is trained.
        run_root: folder of run directories.

    Raises:
        ZooError: if it cannot be found or read, or has no weights.
    """
    if what is None:
        return None
    try:
        model = find_model(what, run_root=run_root)
    except ZooError:
        known = None if Path(what).exists() else _recorded(str(what), recipe, run_root)
        if known is None:
            raise
        return known
    if model.sha256 is None:
        raise RecipeError(f"--init {what}: {model.details.name} has no weights to start from")
    return Initial(
        file=str(what),
        name=model.details.name,
        sha256=model.sha256,
        generator=_completed(model.details),
        scale=model.details.scale,
    )


def load_initial(generator: Generator, init: Initial, *, run_root: Path) -> None:
    """Put the weights into a generator that is built for them.

    Raises:
        ZooError: if they cannot be read any more.
        IntegrityError: if they are others now.
        WeightsError: if they do not fit.
    """
    model = find_model(init.file, run_root=run_root)
    if model.sha256 != init.sha256:
        raise IntegrityError(
            f"{init.file} has changed: its sha256 was {init.sha256[:12]} and is "
            f"{str(model.sha256)[:12]}"
        )
    fill(generator, model.tensors, place=init.file, whose="this recipe's generator")


def _completed(details: Details) -> ComponentSpec:
    """Return the generator with the defaults of its constructor, as plain data."""
    spec = ComponentSpec.model_validate(details.generator)
    known = parameters(GENERATORS.get(spec.name))
    defaults = {
        name: one.default for name, one in known.items() if name != SCALE and not one.required
    }
    complete = spec.with_arguments({**defaults, **spec.arguments})
    return ComponentSpec.model_validate(complete.model_dump(mode="json"))


def _recorded(what: str, recipe: str, run_root: Path) -> Initial | None:
    """Return what runs of a recipe started from, if it had this file name."""
    found: dict[str, Initial] = {}
    for path in sorted((run_root / recipe).glob("*/seed-*")):
        with suppress(CheckpointError):
            spec = RunDirectory(path).spec()
            if spec is not None and spec.init is not None and _is_same(spec.init.file, what):
                found[spec.init.sha256] = spec.init
    if len(found) > 1:
        listed = ", ".join(init.label for init in found.values())
        raise RecipeError(
            f"--init {what}: there is no such file, and runs of {recipe} started from several of "
            f"this name ({listed})"
        )
    return next(iter(found.values()), None)


def _is_same(file: str, what: str) -> bool:
    return Path(file).absolute() == Path(what).absolute()
