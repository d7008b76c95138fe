"""Finds the model that a user names: by name, file, folder, run, or the default."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from zoo.errors import DataError, RecipeError, UnknownNameError, WeightsError
from zoo.models.details import Details
from zoo.models.file import SUFFIX, is_model_file, read_model
from zoo.models.foreign import read_foreign
from zoo.models.model import Model
from zoo.models.runs import model_of_run
from zoo.models.store import (
    MODEL_FILE,
    default_model,
    is_repository,
    model_files,
    without_hub_prefix,
)
from zoo.models.trial import try_generator
from zoo.recipes.variants import JOINT
from zoo.registry import GENERATORS
from zoo.runs import RUN_ROOT
from zoo.runs.directory import RunDirectory

logger = logging.getLogger(__name__)

DEFAULT_SCALE = 4
_FOREIGN = frozenset({".pth", ".pt", ".ckpt", ".bin"})


def find_model(what: str | Path | None = None, *, run_root: Path = RUN_ROOT) -> Model:
    """Return the model that is meant.

    Args:
        what: a run directory; a model file; a checkpoint of another tool; a folder with
            `model.safetensors`; the name of a shipped model, or `owner/name` of a pulled one; a
            recipe with exactly one finished run; a generator that needs no training. None is the
            shipped default.
        run_root: folder of run directories, for recipes.

    Raises:
        UnknownNameError: if it is none of these.
        RecipeError: if it is a recipe with several finished runs.
        DataError: if it is a run that is not finished.
        WeightsError: if it is a file of another tool that cannot be read.
        IntegrityError: if the file is damaged.
    """
    files = model_files()
    if what is None:
        return read_model(files[default_model()])
    name = without_hub_prefix(str(what))
    path = Path(name)
    if name in files and not path.exists():
        return read_model(files[name])
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        return _of_file(path)
    return _of_name(name, run_root)


def _of_file(path: Path) -> Model:
    """Return a model file, or another tool's checkpoint as a model; that is tried on an image."""
    if is_model_file(path):
        return read_model(path)
    foreign = read_foreign(path)
    for note in foreign.notes:
        logger.warning("%s: %s", path, note)
    generator = foreign.build()
    trial = try_generator(generator)
    if not trial.passed:
        logger.warning("%s: %s", path, trial.problem)
    return replace(foreign.model, ready=[generator])


def _of_folder(path: Path) -> Model:
    if (path / MODEL_FILE).is_file():
        return read_model(path / MODEL_FILE)
    if RunDirectory(path).provenance() is None:
        raise DataError(
            f"{path} is neither a run directory (it has no provenance.json) nor a model's folder "
            f"(it has no {MODEL_FILE})"
        )
    return model_of_run(path)


def _of_name(name: str, run_root: Path) -> Model:
    runs = _finished_runs(name, run_root)
    if len(runs) == 1:
        return model_of_run(runs[0])
    if runs:
        listed = ", ".join(str(path) for path in runs)
        raise RecipeError(f"{name} has {len(runs)} finished runs; use one of: {listed}")
    if name in GENERATORS.names() and not GENERATORS.get(name).trainable:
        return _fixed(name)
    if Path(name).suffix in (SUFFIX, *_FOREIGN):
        raise WeightsError(f"the file {name} does not exist")
    known = [*model_files(), *(path.name for path in run_root.glob("*") if path.is_dir())]
    pull = f"; if it is on the hub, first: zoo pull {name}" if is_repository(name) else ""
    raise UnknownNameError("model", name, known, see=f"zoo list models{pull}")


def _finished_runs(recipe: str, run_root: Path) -> list[Path]:
    """Return the finished runs of a recipe; if there are none, those with other settings."""
    if not recipe or Path(recipe).name != recipe:
        return []
    found = sorted((run_root / recipe).glob("*/seed-*"))
    finished = [path for path in found if RunDirectory(path).has_summary]
    return [path for path in finished if JOINT not in path.parent.name] or finished


def _fixed(name: str) -> Model:
    details = Details(
        name=name,
        summary="a fixed method without weights",
        generator={"name": name},
        scale=DEFAULT_SCALE,
        origin="fixed",
    )
    return Model(details, {})
