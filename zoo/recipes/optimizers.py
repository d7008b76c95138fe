"""The optimizers that a recipe may name, and why others are refused.

Not here: how they are made (`zoo.train.optimizers`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

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
REFUSED_OPTIMIZERS: Final = {
    "adahessian": "it needs a second derivative of the loss, which a training step does not keep",
    "bnb": "it needs bitsandbytes and a GPU",
    "fused": "it needs apex and a GPU",
    "schedulefree": "timm does not have it, and its weights in training are not those it is "
    "judged by",
}
"""Beginnings of names, each with the reason."""
