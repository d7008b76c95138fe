"""Converts a checkpoint of another tool to a model file: `zoo import`.

The names of the tensors determine the layout, and their shapes the sizes. Every tensor must fit by
name and shape, and the network must upscale a test image. The layouts are in
`zoo.exchange.layouts`, reading the file in `zoo.exchange.checkpoint`, the test in
`zoo.exchange.trial`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo.errors import RecipeError, WeightsError
from zoo.exchange.checkpoint import COUNTER, Checkpoint, read_checkpoint
from zoo.exchange.layouts import LAYOUTS, Layout
from zoo.exchange.sizes import Sizes
from zoo.exchange.trial import Trial, try_generator
from zoo.files import file_sha256
from zoo.generators.base import Generator
from zoo.models.details import Details, described
from zoo.models.file import is_model_file, read_model
from zoo.models.model import Model
from zoo.recipes.arguments import complaints
from zoo.registry import GENERATORS, constructor_parameters
from zoo.runs.directory import RunDirectory

AUTO = "auto"
OWN_NAMES = "the generator's own names"
_LISTED = 8
_DIFFERENCES = 4


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


def import_model(
    path: Path,
    *,
    generator: str = AUTO,
    name: str | None = None,
    licence: str | None = None,
    scale: int | None = None,
    key: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Imported:
    """Make a model of another tool's checkpoint.

    Args:
        path: a PyTorch or safetensors file.
        generator: the generator it is for, `auto` to tell by its names.
        name: what the model is called; by default as the file.
        licence: of the weights, as their authors state it.
        scale: upscaling factor, needed only where the shapes leave it open.
        key: the entry of the file that holds the weights.
        arguments: constructor arguments that no shape tells, such as `interpolation_skip`.

    Raises:
        UnknownNameError: if there is no such generator.
        RecipeError: if an argument is not one of the generator's.
        WeightsError: if the file cannot be read, its layout is not known, its tensors do not fit,
            or the network does not upscale an image.
    """
    if is_model_file(path):
        read_model(path)  # one that is damaged or cut short says so
        raise WeightsError(f"{path} is already a model of zoo: use it directly")
    run = RunDirectory(path.parent)
    if run.weights == path and run.provenance() is not None:
        raise WeightsError(f"{path} belongs to a run of zoo: name {path.parent} instead")
    wanted = None if generator == AUTO else GENERATORS.get(generator)
    checkpoint = read_checkpoint(path, key=key)
    match = _matched(path, checkpoint, wanted, generator, scale)
    settings = {**match.arguments, **(arguments or {})}
    _require_arguments(match.generator, settings)
    match = replace(match, arguments=settings)
    tensors = _fitted(path, match)
    model = Model(_details(path, match, checkpoint.key, name, licence), tensors, path)
    trial = try_generator(model.build(), str(path))
    return Imported(model, trial, (*checkpoint.notes, *match.notes))


def _matched(
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
    if wrong:
        more = f"; and {len(wrong) - _DIFFERENCES} more" if len(wrong) > _DIFFERENCES else ""
        raise WeightsError(
            f"{path} does not fit generator {match.generator!r} ({match.title}): "
            f"{'; '.join(sorted(wrong)[:_DIFFERENCES])}{more}"
        )
    return {name: given[name] for name in expected}


def _named(match: _Match, expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors, with as much of the prefix that was removed as the network's names have.

    A generator may well call a part of its own `model`.
    """
    parts = [part for part in match.prefix.split(".") if part]
    for kept in range(len(parts) + 1):
        prefix = "".join(f"{part}." for part in parts[len(parts) - kept :])
        given = {f"{prefix}{name}": value for name, value in match.tensors.items()}
        if expected.keys() & given.keys():
            return given
    return dict(match.tensors)


def _details(
    path: Path, match: _Match, key: str | None, name: str | None, licence: str | None
) -> Details:
    origin, role = GENERATORS.origin(match.generator), f"generator {match.generator}"
    source = {"file": path.name, "sha256": file_sha256(path), "layout": match.title}
    return described(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)[:128] if name is None else name,
        summary=f"{match.generator} x{match.scale}, imported from {path.name}",
        generator={"name": match.generator, **match.arguments},
        scale=match.scale,
        origin="imported",
        source=source if key is None else source | {"key": key},
        licence=licence,
        plugins={} if origin.kind == "built-in" else {role: str(origin)},
    )


def _unknown_layout(path: Path, checkpoint: Checkpoint, titles: list[str]) -> str:
    names = list(checkpoint.tensors)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"zoo does not know the layout of {path}. It has {', '.join(names[:_LISTED])}{more}; known "
        f"layouts: {'; '.join(titles)}. If the file uses the names of a registered generator, read "
        "it with --generator NAME"
    )
