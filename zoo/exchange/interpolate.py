"""Network interpolation: a network between two, by the mean of their weights.

Wang et al., ESRGAN, Sec. 3.4: between a network trained for PSNR (A) and one tuned from it by a GAN
(B), theta = (1 - alpha) theta_A + alpha theta_B balances fidelity and texture without training. It
works because B began as A; between networks trained apart it gives noise.
"""

from __future__ import annotations

import math

import torch

from zoo.errors import RecipeError, WeightsError
from zoo.models.details import INIT_SHA256, Details
from zoo.models.model import Model
from zoo.text import few

_DIFFERENCES = 4


def interpolate(first: Model, second: Model, alpha: float) -> Model:
    """Return the model with weights (1 - alpha) A + alpha B.

    Parameters and the running statistics of batch norm are mixed alike, as the authors' code does;
    counters are those of the nearer model.

    Args:
        first: A, the PSNR-oriented network: the result at alpha 0.
        second: B, the GAN-tuned one: the result at alpha 1.
        alpha: from 0 to 1. Beyond, ESRGAN says nothing, and a running variance may become negative.

    Raises:
        RecipeError: if alpha is not from 0 to 1.
        WeightsError: if the two are not the same network; the message names the difference.
    """
    if not (math.isfinite(alpha) and 0 <= alpha <= 1):
        raise RecipeError(f"alpha is {alpha:g}; it must be between 0 (only A) and 1 (only B)")
    _require_same_network(first, second)
    tensors = {
        name: _mixed(value, second.tensors[name], alpha) for name, value in first.tensors.items()
    }
    return Model(_details(first, second, alpha), tensors)


def trained_apart(first: Model, second: Model) -> bool:
    """Return whether two models are known to have no weights in common that they began from.

    False also where it is not known: of imported models and those that began from a file, say.
    """
    one, other = first.details.training, second.details.training
    from_files = any(INIT_SHA256 in each.details.source for each in (first, second))
    if one is None or other is None or from_files:
        return False
    began = [
        {training.identity_sha256}
        | ({training.pretraining.identity_sha256} if training.pretraining else set())
        for training in (one, other)
    ]
    return began[0].isdisjoint(began[1])


def _mixed(first: torch.Tensor, second: torch.Tensor, alpha: float) -> torch.Tensor:
    """Mix in float64, so that the ends are the models themselves, bit by bit."""
    if not first.is_floating_point():
        return (first if alpha <= 0.5 else second).clone()
    mixed = (1 - alpha) * first.double() + alpha * second.double()
    return mixed.to(first.dtype)


def _require_same_network(first: Model, second: Model) -> None:
    one, other = first.details, second.details
    differences = [
        f"{key} is {one.generator.get(key)!r} and {other.generator.get(key)!r}"
        for key in sorted(one.generator.keys() | other.generator.keys())
        if one.generator.get(key) != other.generator.get(key)
    ]
    if one.scale != other.scale:
        differences.insert(0, f"scale is {one.scale} and {other.scale}")
    shapes = {name: tuple(value.shape) for name, value in first.tensors.items()}
    others = {name: tuple(value.shape) for name, value in second.tensors.items()}
    if not differences:
        differences = [
            f"{name} is {shapes.get(name, 'absent')} and {others.get(name, 'absent')}"
            for name in sorted(shapes.keys() | others.keys())
            if shapes.get(name) != others.get(name)
        ]
    if differences:
        raise WeightsError(
            f"{one.name} and {other.name} are not the same network: "
            f"{few(differences, _DIFFERENCES, '; ')}"
        )
    if not first.tensors:
        raise WeightsError(f"{one.name} and {other.name} have no weights to interpolate")


def _details(first: Model, second: Model, alpha: float) -> Details:
    one, other = first.details, second.details
    return Details(
        name=f"{_stem(one.name)}-{_stem(other.name)}-{_written(alpha)}",
        summary=f"{1 - alpha:g} x {one.name} + {alpha:g} x {other.name}",
        generator=one.generator,
        scale=one.scale,
        origin="interpolated",
        source={
            "a": one.name,
            "a_sha256": first.sha256 or "",
            "b": other.name,
            "b_sha256": second.sha256 or "",
            "alpha": repr(alpha),
        },
        licence=one.licence if one.licence == other.licence else None,
        plugins={**one.plugins, **other.plugins},
    )


def _stem(name: str) -> str:
    """Return a name without its owner, short enough that two fit into one."""
    return name.rpartition("/")[2][:50]


def _written(alpha: float) -> str:
    """Return alpha with all its digits: two alphas are two names."""
    return str(int(alpha)) if alpha.is_integer() else repr(alpha)
