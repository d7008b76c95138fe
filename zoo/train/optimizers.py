"""Optimizers by name: torch's Adam, and those of timm, which is imported only for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from zoo.errors import RecipeError
from zoo.recipes.optimizers import ADAM
from zoo.recipes.schema import RecipeSettings


def make_optimizer(
    module: nn.Module,
    name: str,
    *,
    learning_rate: float,
    betas: tuple[float, float],
    options: Mapping[str, Any],
) -> torch.optim.Optimizer:
    """Return an optimizer of all parameters of a network.

    Args:
        module: the network.
        name: of the optimizer.
        learning_rate: its initial learning rate.
        betas: of Adam; other optimizers have theirs in `options`.
        options: further arguments. Of timm's optimizers, `weight_decay` spares biases and
            normalisation, and is 0 if it is not given.

    Raises:
        RecipeError: if the optimizer is not in the installed timm, or refuses the options.
    """
    try:
        optimizer = _make(module, name, learning_rate, betas, options)
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise RecipeError(f"the optimizer {name!r} refuses its options: {text}") from error
    for group in optimizer.param_groups:
        group["initial_lr"] = learning_rate
    return optimizer


def check_optimizers(settings: RecipeSettings) -> None:
    """Build the optimizers of a run for a small network, before any training.

    Raises:
        RecipeError: as `make_optimizer`.
    """
    training = settings.training
    for name, options in (
        (training.optimizer, training.optimizer_options),
        (training.discriminator_optimizer, training.discriminator_optimizer_options),
    ):
        if name != ADAM or options:
            small = nn.Conv2d(1, 1, 1)
            make_optimizer(small, name, learning_rate=1.0, betas=training.betas, options=options)


def _make(
    module: nn.Module,
    name: str,
    learning_rate: float,
    betas: tuple[float, float],
    options: Mapping[str, Any],
) -> torch.optim.Optimizer:
    if name == ADAM:
        arguments = {"betas": betas, "fused": True, **options}
        return torch.optim.Adam(module.parameters(), lr=learning_rate, **arguments)
    from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]  # takes seconds

    made: torch.optim.Optimizer = create_optimizer_v2(module, opt=name, lr=learning_rate, **options)
    return made
