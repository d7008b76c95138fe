"""Weights that fit a network in part: those of another depth, width or scale.

Not here: weights that must fit (`zoo.models.model.fill`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import torch
from torch import nn

from zoo.errors import WeightsError
from zoo.models.model import fill


def fill_partly(
    network: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    *,
    place: str,
    whose: str,
    other_scale: bool = False,
) -> list[str]:
    """Put the tensors that fit into a network; the others keep the values that they have.

    A tensor fits if the network has one of its name and shape.

    Args:
        network: receives the weights.
        tensors: a state dict.
        place: where the tensors are from, for an error.
        whose: what they should be of, for an error.
        other_scale: whether they are of another upscaling factor. Then no part of the upsampler is
            taken: a convolution before two stages does another thing than one before a single
            stage.

    Returns:
        What was not loaded: a line for each module of the network that keeps its values, and for
        each module of the file that the network does not have.

    Raises:
        WeightsError: if nothing fits.
    """
    own = network.state_dict()
    same = {name for name, value in tensors.items() if _shape(own.get(name)) == _shape(value)}
    if other_scale:
        stages = upsampler(own, tensors)
        same = {name for name in same if not name.startswith(stages)}
    if not same:
        raise WeightsError(f"{place}: no tensor fits {whose} by its name and shape")
    merged = {name: tensors[name] if name in same else value for name, value in own.items()}
    fill(network, merged, place=place, whose=whose)
    unused = [name for name in tensors if name not in own]
    return [*_lines(own.keys() - same, own, "not loaded"), *_lines(unused, tensors, "unknown")]


def upsampler(
    own: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
) -> tuple[str, ...]:
    """Return the beginnings of the names of what only networks of one of two scales have.

    Of a numbered sequence of stages it is the whole sequence; of a tensor of another shape it is
    its module.
    """
    other = [name for name in own if _shape(own[name]) != _shape(tensors.get(name))]
    other += [name for name in tensors if name not in own]
    both = own.keys() & tensors.keys()
    return tuple(sorted({_module(name) if name in both else _sequence(name) for name in other}))


def _sequence(name: str) -> str:
    """Return the name of the sequence that a tensor is in, as far as its first number."""
    parts = name.split(".")
    number = next((place for place, part in enumerate(parts) if part.isdigit()), 0)
    return ".".join(parts[:number]) + "." if number else _module(name)


def _module(name: str) -> str:
    return name.rpartition(".")[0] + "."


def _shape(tensor: torch.Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


def _lines(names: Iterable[str], known: Mapping[str, torch.Tensor], what: str) -> Iterator[str]:
    """Yield a line for each module with its tensors, in the order of a state dict."""
    wanted = set(names)
    ordered = (name for name in known if name in wanted)
    for module, of_module in groupby(ordered, key=lambda name: name.rpartition(".")[0]):
        parts = ", ".join(
            f"{name.rpartition('.')[2]} {'x'.join(map(str, known[name].shape)) or '1'}"
            for name in of_module
        )
        yield f"{what}: {module or '(top)'} ({parts})"
