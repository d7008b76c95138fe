"""The optimizers that a recipe may name, and why others are refused.

Not here: how they are made (`zoo.train.optimizers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator


def _refuse_optimizer(name: object) -> object:
    """Refuse an optimizer that a training step cannot use or a checkpoint cannot restore."""
    for start, reason in REFUSED_OPTIMIZERS.items():
        if isinstance(name, str) and name.startswith(start):
            raise ValueError(f"{name!r} is not offered: {reason}")
    return name


Optimizer = Annotated[
    Literal[
        "adam", "adabelief", "adamw", "adan", "adopt", "lamb", "laprop",
        "lion", "mars", "muon", "nadamw", "radam", "rmsprop", "sgd",
    ],
    BeforeValidator(_refuse_optimizer),
]  # fmt: skip
Options = dict[str, bool | int | float | str | list[float]]
ADAM: Final = "adam"
ADAM_BETAS: Final = (0.9, 0.999)
NUM_BETAS: Final = {"adan": 3, "rmsprop": 0, "sgd": 0}
"""How many betas an optimizer takes, where these are not two."""
REFUSED_OPTIMIZERS: Final = {
    "adahessian": "it needs a second derivative of the loss, which a training step does not keep",
    "bnb": "it needs bitsandbytes and a GPU",
    "fused": "it needs apex and a GPU",
    "schedulefree": "timm does not have it, and its weights in training are not those it is "
    "judged by",
}
"""Beginnings of names, each with the reason."""


def takes_two_betas(name: str) -> bool:
    """Whether an optimizer takes betas as Adam does."""
    return name not in NUM_BETAS


def betas_problem(
    place: str, betas: tuple[float, ...], name: str, options: Mapping[str, Any]
) -> str | None:
    """Return why an optimizer cannot be used with the betas of a player; None if it can.

    Args:
        place: the setting that has the betas.
        betas: two betas.
        name: of the optimizer.
        options: of the optimizer; only one that takes three betas has them here.
    """
    if takes_two_betas(name) and "betas" in options:
        return f"{place} sets the betas of {name!r}: set them there, not in its options"
    if takes_two_betas(name) or "betas" in options or betas == ADAM_BETAS:
        return None
    number = NUM_BETAS[name]
    instead = f"also set betas in the options of {name!r}" if number else "choose another optimizer"
    return (
        f"{place} {list(betas)} has no effect on {name!r}, which takes {number or 'no'} betas: "
        f"{instead}, or set {place}={list(ADAM_BETAS)}, the default of Adam"
    )
