"""Arguments that make a component small enough to be checked in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from pydantic import ValidationError
from torch import nn

from zoo.recipes.arguments import SCALE, parameters

LARGE: Final = 100_000
"""Number of parameters above which smaller arguments are searched for."""


def small_arguments(component: type[Any], shape: tuple[int, ...] | None) -> dict[str, Any]:
    """Return arguments for which a network has at most `LARGE` parameters, if there are any.

    Whole numbers among its defaults, and lists of them, are halved; each time the one that saves
    most, as long as the constructor's types allow the value and the network accepts an image.

    Args:
        component: a class; everything but a network keeps its defaults.
        shape: of an input image; None if it is not a network.

    Returns:
        The arguments that differ from the defaults; none if the defaults are small, or if the
        network cannot be built without arithmetic.
    """
    chosen: dict[str, Any] = {}
    if shape is None or not issubclass(component, nn.Module):
        return chosen
    size = _size(component, chosen, shape)
    while size is not None and size > LARGE:
        options = [(_size(component, each, shape), each) for each in _halved(component, chosen)]
        smaller = [(count, each) for count, each in options if count is not None and count < size]
        if not smaller:
            break
        size, chosen = min(smaller, key=lambda option: option[0])
    return chosen


def _halved(component: Any, chosen: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments with one value halved, for each possible value."""
    for name, parameter in parameters(component).items():
        value = _half(chosen.get(name, parameter.default))
        if name == SCALE or value is None:
            continue
        try:
            parameter.read(value)
        except ValidationError:
            continue
        yield {**chosen, name: value}


def _half(value: Any) -> Any:
    """Return half of a whole number or of each in a list; None if that is not possible."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value // 2 if value > 1 else None
    if isinstance(value, tuple | list) and value and all(type(each) is int for each in value):
        halves = type(value)(max(1, each // 2) for each in value)
        return None if halves == value else halves
    return None


def _size(component: Any, arguments: Mapping[str, Any], shape: tuple[int, ...]) -> int | None:
    """Count the parameters of a network that accepts an image, without arithmetic.

    Any exception means that these arguments are not suitable. The contract reports errors of the
    defaults.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.no_grad():
            network: nn.Module = component(**arguments).eval()
            network(torch.zeros(shape))
    except (Exception, SystemExit):  # noqa: BLE001  a plugin's code may fail in any way
        return None
    return sum(parameter.numel() for parameter in network.parameters())
