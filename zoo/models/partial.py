"""Weights that fit a network in part: those of another depth, width or scale.

Not here: weights that must fit (`zoo.models.model.fill`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby

import torch
from torch import nn

from zoo.errors import RecipeError, WeightsError
from zoo.generators.base import Generator
from zoo.models.model import fill
from zoo.recipes.build import build_generator
from zoo.recipes.schema import ComponentSpec, Initial

_HYPERPARAMETERS = "hyperparameters"


def fill_partly(
    network: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    *,
    place: str,
    whose: str,
    kept: Collection[str] = (),
) -> list[str]:
    """Put the tensors that fit into a network; the others keep the values that they have.

    A tensor fits if the network has one of its name and shape.

    Args:
        network: receives the weights.
        tensors: a state dict.
        place: where the tensors are from, for an error.
        whose: what they should be of, for an error.
        kept: names of the network's tensors that keep their values, even if the file's fit.

    Returns:
        What was not loaded: a line for each module of the network that keeps its values, and for
        each module of the file that the network does not have.

    Raises:
        WeightsError: if nothing fits.
    """
    own = network.state_dict()
    same = {name for name, value in tensors.items() if _shape(own.get(name)) == _shape(value)}
    same.difference_update(kept)
    if not same:
        raise WeightsError(f"{place}: no tensor fits {whose} by its name and shape")
    merged = {name: tensors[name] if name in same else value for name, value in own.items()}
    fill(network, merged, place=place, whose=whose)
    unused = [name for name in tensors if name not in own]
    return [*_lines(own.keys() - same, own, "not loaded"), *_lines(unused, tensors, "unknown")]


def upsampler(network: Generator, spec: ComponentSpec, init: Initial) -> list[str]:
    """Return the names of a generator's tensors from its first enlarging layer to its output.

    It is found by comparison with the same generator at the scale of a file, so the depth and the
    width of the file's generator do not matter.

    Args:
        network: the generator.
        spec: its name and arguments.
        init: the weights of the file.
    """
    own = network.state_dict()
    found = (enlarging(own, other.state_dict()) for other in _others(network, spec, init))
    return next((names for names in found if names), [])


def enlarging(own: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the names in a state dict from the first layer that another scale changes.

    If one of the scales has more stages, the stages that both have are part of it.

    Args:
        own: the state dict, in the order of the network's layers.
        other: that of the same network at another scale.
    """
    changed = {*_from_first_change(own, other), *_from_first_change(other, own)}
    names = list(own)
    first = next((at for at, name in enumerate(names) if name in changed), len(names))
    return names[first:]


def _from_first_change(
    own: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]
) -> list[str]:
    names = list(own)
    first = next((at for at, name in enumerate(names) if _differs(name, own, other)), len(names))
    stages = {_stage(name) for name in own.keys() - other.keys()}
    while 0 < first < len(names) and (
        _stage(names[first - 1]) in stages or _module(names[first - 1]) == _module(names[first])
    ):
        first -= 1
    return names[first:]


def _others(network: Generator, spec: ComponentSpec, init: Initial) -> Iterator[Generator]:
    """Yield a generator at other scales, that of a file first.

    If an argument decides the scale, it is taken from the file; if it is not one alone, all are.
    Two scales may have tensors of the same shapes, as two and three in a single stage: then a third
    scale tells what enlarges.
    """
    mine, theirs = (each.arguments.get(_HYPERPARAMETERS) or {} for each in (spec, init.generator))
    changed = (mine | {key: value} for key, value in theirs.items() if mine.get(key) != value)
    one_by_one = (
        spec.with_arguments({**spec.arguments, _HYPERPARAMETERS: each}) for each in changed
    )
    scales = sorted(type(network).scales - {network.scale, init.scale})
    wanted = [(each, init.scale) for each in (spec, *one_by_one)]
    for candidate, scale in [*wanted, *((spec, scale) for scale in scales)]:
        with suppress(RecipeError):
            yield build_generator(candidate, scale, seed=0)
    yield build_generator(init.generator, init.scale, seed=0)


def _differs(name: str, own: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return _shape(own[name]) != _shape(other.get(name))


def _stage(name: str) -> str:
    """Return the name of a tensor without numbers, which is the same in every stage."""
    return re.sub(r"\d+", "#", name)


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _shape(tensor: torch.Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


def _lines(names: Iterable[str], known: Mapping[str, torch.Tensor], what: str) -> Iterator[str]:
    """Yield a line for each module with its tensors, in the order of a state dict."""
    wanted = set(names)
    ordered = (name for name in known if name in wanted)
    for module, of_module in groupby(ordered, key=_module):
        parts = ", ".join(
            f"{name.rpartition('.')[2]} {'x'.join(map(str, known[name].shape)) or '1'}"
            for name in of_module
        )
        yield f"{what}: {module or '(top)'} ({parts})"
