"""Optimizers by name: torch's Adam, and those of timm, which is imported only for them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

from zoo.errors import RecipeError, did_you_mean
from zoo.recipes.optimizers import ADAM, betas_problem, takes_two_betas
from zoo.recipes.schema import RecipeSettings
from zoo.registry import ADVERSARIES

SET_ELSEWHERE: Final = ("params", "lr")
NOT_OFFERED: Final = ("capturable", "differentiable", "foreach", "fused", "maximize", "verbose")
"""Arguments that change how a step is computed, or whether the loss is minimised."""


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
        betas: of an optimizer that takes two; one that takes three has them in `options`.
        options: further arguments. Of timm's optimizers, `weight_decay` spares biases and
            normalisation, and is 0 if it is not given.
    """
    arguments = {**options, "betas": betas} if takes_two_betas(name) else dict(options)
    optimizer: torch.optim.Optimizer
    if name == ADAM:
        optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate, fused=True, **arguments)
    else:
        from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]  # takes seconds

        optimizer = create_optimizer_v2(module, opt=name, lr=learning_rate, **arguments)
    for group in optimizer.param_groups:
        group["initial_lr"] = learning_rate
    return optimizer


def check_optimizers(settings: RecipeSettings) -> None:
    """Take a step of a small network with each optimizer of a run, before any training.

    Args:
        settings: complete settings (see `zoo.recipes.checks.complete`).

    Raises:
        RecipeError: if an optimizer is not in the installed timm, or refuses the options or betas.
    """
    training = settings.training
    _check(
        "training.optimizer_options",
        training.optimizer,
        learning_rate=training.learning_rate,
        betas=training.betas,
        options=training.optimizer_options,
    )
    spec = settings.adversary
    if spec is None or not settings.is_adversarial:
        return
    adversary = ADVERSARIES.get(spec.name)(**spec.arguments)
    name, options = training.discriminator_optimizer, training.discriminator_optimizer_options
    betas = adversary.discriminator_betas
    problem = betas_problem(f"discriminator_betas of {spec.name!r}", betas, name, options)
    if problem is not None:  # of a plugin whose constructor does not declare them
        raise RecipeError(problem)
    _check(
        "training.discriminator_optimizer_options",
        name,
        learning_rate=adversary.discriminator_learning_rate,
        betas=betas,
        options=options,
    )


def _check(
    place: str,
    name: str,
    *,
    learning_rate: float,
    betas: tuple[float, float],
    options: Mapping[str, Any],
) -> None:
    """Check the options against the optimizer's signature, then take a step with them.

    Raises:
        RecipeError: naming the place of the options.
    """
    try:
        known = _option_names(name) if options else []
        unknown = next((option for option in options if option not in known), None)
        if unknown is None:
            _take_step(name, learning_rate, betas, options)
            return
    except Exception as error:
        text = " ".join(str(error).split())
        message = f"{place}: the optimizer {name!r} fails with its options: {text}"
        raise RecipeError(message) from error
    hint = did_you_mean(unknown, known)
    names = ", ".join(known)
    raise RecipeError(f"{place}: {name!r} has no option {unknown!r}{hint} (it has {names})")


def _take_step(
    name: str, learning_rate: float, betas: tuple[float, float], options: Mapping[str, Any]
) -> None:
    with torch.random.fork_rng(devices=[]):
        small = nn.Conv2d(2, 2, 3)
    optimizer = make_optimizer(
        small, name, learning_rate=learning_rate, betas=betas, options=options
    )
    for parameter in small.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def _option_names(name: str) -> list[str]:
    """Return the arguments of an optimizer that a recipe may set."""
    if name == ADAM:
        optimizer: Any = torch.optim.Adam
    else:
        from timm.optim import get_optimizer_class  # type: ignore[attr-defined]  # takes seconds

        optimizer = get_optimizer_class(name, bind_defaults=False)
    elsewhere = {*SET_ELSEWHERE, *NOT_OFFERED, *(["betas"] if takes_two_betas(name) else [])}
    return sorted(set(inspect.signature(optimizer).parameters) - elsewhere)
