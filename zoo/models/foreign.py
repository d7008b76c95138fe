"""Converts a checkpoint of another tool to a model file: `zoo import`.

The names of the tensors determine the layout, and their shapes the sizes. Every tensor must fit by
name and shape, and the network must upscale a test image. The layouts are in
`zoo.models.layouts`, reading the file in `zoo.models.checkpoint`, the test in
`zoo.models.trial`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo.errors import RecipeError, WeightsError
from zoo.files import file_sha256
from zoo.generators.base import Generator
from zoo.generators.spandrel import SpandrelNetwork
from zoo.models.checkpoint import COUNTER, Checkpoint, read_checkpoint
from zoo.models.details import Details, described
from zoo.models.file import is_model_file, read_model
from zoo.models.layouts import LAYOUTS, Layout
from zoo.models.model import Model
from zoo.models.recognition import (
    Recognised,
    absent,
    architecture_of,
    is_installed,
    recognise,
    with_prefixes,
    without_floats,
)
from zoo.models.sizes import Sizes
from zoo.models.trial import Trial, try_generator
from zoo.recipes.arguments import complaints
from zoo.registry import GENERATORS, constructor_parameters
from zoo.runs.directory import RunDirectory
from zoo.text import few

AUTO = "auto"
OWN_NAMES = "the generator's own names"
ACCEPT = "--accept-failed-trial"
TRIAL = "trial"
"""Key of `Details.source` with what the trial found of a network that was taken all the same."""
_LISTED = 8
_DIFFERENCES = 4


class _OtherScaleError(WeightsError):
    """A network that spandrel recognised, with another scale than the one asked for."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a foreign checkpoint.

    Attributes:
        model: with `details.origin` "imported".
        trial: what the network made of a test image.
        notes: what was chosen, excluded or assumed, as sentences.
    """

    model: Model
    trial: Trial
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Match:
    """A checkpoint under our names, and the generator that they are for."""

    title: str
    generator: str
    scale: int
    arguments: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    notes: tuple[str, ...] = ()
    prefix: str = ""
    recognised: Recognised | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A checkpoint of another tool as a model; nothing was computed with it yet.

    Attributes:
        model: with `details.origin` "imported".
        notes: what was chosen, left out or assumed, as sentences.
        recognised: what spandrel says, where it recognised the file.
    """

    model: Model
    notes: tuple[str, ...]
    recognised: Recognised | None

    def build(self) -> Generator:
        """Return the network with its weights, which computes what spandrel's own call does.

        Raises:
            WeightsError: if it cannot be built, or computes something else.
        """
        generator = self.model.build()
        if self.recognised is not None and isinstance(generator, SpandrelNetwork):
            self.recognised.require_same(generator, str(self.model.path))
        return generator


def import_model(path: Path, *, accept: bool = False, **how: Any) -> Imported:
    """Make a model of another tool's checkpoint, and try it on an image.

    Args:
        path: a PyTorch or safetensors file.
        accept: whether to accept a network that fails the trial; `details.source` then keeps what
            the trial found.
        how: see `read_foreign`.

    Raises:
        ZooError: see `read_foreign`.
        WeightsError: if the network does not enlarge an image.
    """
    foreign = read_foreign(path, **how)
    notes, model = foreign.notes, replace(foreign.model, ready=[foreign.build()])
    trial = try_generator(model.ready[0])
    if not trial.passed:
        problem = f"{path} was read, but {trial.problem}"
        if not (accept and trial.is_finite):
            way = f"; {ACCEPT} accepts it" if trial.is_finite else ""
            raise WeightsError(problem + way)
        notes = (*notes, f"{problem}; accepted all the same")
        source = model.details.source | {TRIAL: trial.problem}
        model = replace(model, details=model.details.model_copy(update={"source": source}))
    return Imported(model, trial, notes)


def read_foreign(
    path: Path,
    *,
    generator: str = AUTO,
    name: str | None = None,
    licence: str | None = None,
    scale: int | None = None,
    key: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    told: Mapping[str, str] | None = None,
) -> Foreign:
    """Read another tool's checkpoint as a model.

    A layout of zoo's own is looked for first, then what spandrel recognises.

    Args:
        path: a PyTorch or safetensors file.
        generator: the generator it is for, `auto` to tell by its names.
        name: what the model is called; by default as the file.
        licence: of the weights, as their authors state it.
        scale: upscaling factor, needed only where the shapes leave it open.
        key: the entry of the file that holds the weights.
        arguments: constructor arguments that no shape tells, such as `interpolation_skip`.
        told: what else is known of the weights, such as `author`; kept in `details.source`.

    Raises:
        UnknownNameError: if there is no such generator.
        RecipeError: if an argument is not one of the generator's.
        WeightsError: if the file cannot be read, its layout is not known, or its tensors do not
            fit.
    """
    if is_model_file(path):
        read_model(path)  # one that is damaged or cut short says so
        raise WeightsError(f"{path} is already a model of zoo: use it directly")
    run = RunDirectory(path.parent)
    if run.weights == path and run.provenance() is not None:
        raise WeightsError(f"{path} belongs to a run of zoo: name {path.parent} instead")
    wanted = None if generator == AUTO else GENERATORS.get(generator)
    checkpoint = read_checkpoint(path, key=key)
    match = _matched(path, checkpoint, wanted, generator, scale, arguments or {})
    details = _details(path, match, checkpoint.key, name, licence, told or {})
    model = Model(details, match.tensors, path, details.source["sha256"])
    return Foreign(model, (*checkpoint.notes, *match.notes), match.recognised)


def _matched(
    path: Path,
    checkpoint: Checkpoint,
    wanted: type[Generator] | None,
    name: str,
    scale: int | None,
    arguments: Mapping[str, Any],
) -> _Match:
    """Return the checkpoint as one of zoo's generators, or as a network of spandrel.

    If the file looks like one of zoo's layouts but does not fit, and spandrel cannot read it, the
    error lists what does not fit.
    """
    if wanted is SpandrelNetwork:
        if arguments:
            given = ", ".join(arguments)
            raise RecipeError(f"spandrel infers all arguments from the tensors: omit {given}")
        return _by_spandrel(path, checkpoint, scale)
    try:
        match = _ours(path, checkpoint, wanted, name, scale)
        settings = {**match.arguments, **arguments}
        _require_arguments(match.generator, settings)
        match = replace(match, arguments=settings)
        return replace(match, tensors=_fitted(path, match))
    except WeightsError as error:
        if wanted is not None or arguments:
            raise
        found = _other(path, checkpoint, scale, error)
        if found is None:
            raise
        return found


def _ours(
    path: Path,
    checkpoint: Checkpoint,
    wanted: type[Generator] | None,
    name: str,
    scale: int | None,
) -> _Match:
    possible = [layout for layout in LAYOUTS if wanted in (None, layout.generator)]
    found = [layout for layout in possible if checkpoint.tensors.keys() >= set(layout.marks)]
    if found:
        return _by_layout(found[0], checkpoint, scale)
    if wanted is None or possible:
        raise WeightsError(_unknown_layout(path, checkpoint, [one.title for one in possible]))
    chosen = scale or int(constructor_parameters(wanted)["scale"].default)
    if chosen not in wanted.scales:
        known = ", ".join(str(value) for value in sorted(wanted.scales))
        raise RecipeError(f"generator {name!r} has no scale {chosen} (it has {known})")
    return _Match(OWN_NAMES, name, chosen, {}, checkpoint.tensors, prefix=checkpoint.prefix)


def _other(
    path: Path, checkpoint: Checkpoint, scale: int | None, ours: WeightsError
) -> _Match | None:
    """Return what spandrel makes of a file that is none of ours; None where that is no better.

    Raises:
        WeightsError: where spandrel would read the file, and is not installed or has no use for it.
    """
    architecture = architecture_of(checkpoint.tensors, checkpoint.prefix)
    if not is_installed():
        if architecture is None:
            return None
        raise WeightsError(f"{ours}. {absent(architecture)}")
    try:
        return _by_spandrel(path, checkpoint, scale)
    except _OtherScaleError:
        raise
    except WeightsError:
        begins_like_ours = any(checkpoint.tensors.keys() >= set(one.marks) for one in LAYOUTS)
        if begins_like_ours or architecture is None:
            return None
        raise


def _by_spandrel(path: Path, checkpoint: Checkpoint, scale: int | None) -> _Match:
    found = recognise(checkpoint.tensors, checkpoint.prefix, str(path))
    if found is None:
        raise WeightsError(f"{path}: spandrel knows no architecture with such tensors")
    if scale not in (None, found.scale):
        raise _OtherScaleError(f"the shapes are those of x{found.scale}, not x{scale}")
    name = _registered_name(SpandrelNetwork)
    return _Match(found.title, name, found.scale, found.arguments, found.tensors, recognised=found)


def _by_layout(layout: Layout, checkpoint: Checkpoint, scale: int | None) -> _Match:
    tensors = layout.rename(checkpoint.tensors)
    sizes = layout.sizes(tensors)
    chosen, notes = _scale(sizes, scale)
    if layout.remark:
        notes.append(layout.remark)
    name = _registered_name(layout.generator)
    return _Match(layout.title, name, chosen, sizes.arguments, tensors, tuple(notes))


def _scale(sizes: Sizes, asked: int | None) -> tuple[int, list[str]]:
    possible = sizes.scales or (sizes.scale,)
    if asked is not None and asked not in possible:
        told = " or ".join(f"x{one}" for one in possible)
        raise WeightsError(f"the shapes fit {told}, not x{asked}")
    if asked is None and len(possible) > 1:
        other = ", ".join(f"--scale {one}" for one in possible[1:])
        return sizes.scale, [f"assumed x{sizes.scale}; the shapes also fit {other}"]
    return asked or sizes.scale, []


def _registered_name(generator: type[Generator]) -> str:
    for name, entry in GENERATORS.entries.items():
        if entry.component is generator:
            return name
    raise WeightsError(f"{generator.__name__} is not registered; another plugin uses its name")


def _require_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    wrong = [
        f"{one.argument}: {one.message}" if one.about_value else one.message
        for one in complaints("generators", name, dict(arguments))
    ]
    if wrong:
        raise RecipeError(f"generator {name!r}: {'; '.join(wrong)}")


def _fitted(path: Path, match: _Match) -> dict[str, torch.Tensor]:
    """Return the tensors in the network's order; counters of old files may be absent.

    Raises:
        WeightsError: if a name or a shape differs.
    """
    with torch.device("meta"):
        network = GENERATORS.get(match.generator)(scale=match.scale, **match.arguments)
    expected = network.state_dict()
    given = _named(match, expected)
    for name, value in expected.items():
        if name.endswith(COUNTER) and name not in given:
            given[name] = torch.zeros(value.shape, dtype=value.dtype)
    wrong = [f"{name} is missing" for name in expected.keys() - given.keys()]
    wrong += [f"{name} is unknown" for name in given.keys() - expected.keys()]
    wrong += [
        f"{name} is {tuple(given[name].shape)}, not {tuple(value.shape)}"
        for name, value in expected.items()
        if name in given and given[name].shape != value.shape
    ]
    wrong += without_floats(expected, given)
    if wrong:
        raise WeightsError(
            f"{path} does not fit generator {match.generator!r} ({match.title}): "
            f"{few(sorted(wrong), _DIFFERENCES, '; ')}"
        )
    return {name: given[name] for name in expected}


def _named(match: _Match, expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors, with as much of the prefix that was removed as the network's names have.

    A generator may well call a part of its own `model`.
    """
    for given in with_prefixes(match.tensors, match.prefix):
        if expected.keys() & given.keys():
            return given
    return dict(match.tensors)


def _details(
    path: Path,
    match: _Match,
    key: str | None,
    name: str | None,
    licence: str | None,
    told: Mapping[str, str],
) -> Details:
    origin, role = GENERATORS.origin(match.generator), f"generator {match.generator}"
    source = {"file": path.name, "sha256": file_sha256(path), "layout": match.title, **told}
    called = match.arguments["architecture"] if match.recognised else match.generator
    return described(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)[:128] if name is None else name,
        summary=f"{called} x{match.scale}, imported from {path.name}",
        generator={"name": match.generator, **match.arguments},
        scale=match.scale,
        origin="imported",
        source=source if key is None else source | {"key": key},
        licence=licence,
        plugins={} if origin.kind == "built-in" else {role: str(origin)},
    )


def _unknown_layout(path: Path, checkpoint: Checkpoint, titles: list[str]) -> str:
    return (
        f"zoo does not know the layout of {path}. It has {few([*checkpoint.tensors], _LISTED)}; "
        f"known layouts: {'; '.join(titles)}. If it uses the names of a registered generator, "
        "read it with --generator NAME"
    )
