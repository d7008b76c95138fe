"""Parameters of the generator that are not trained, or only from a step on (fine-tuning)."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from zoo.errors import RecipeError
from zoo.text import few

_LISTED = 6


class Freezing:
    """Keeps parameters of a generator as they are, as a pure function of the step.

    A module with only frozen parameters is frozen as a whole: it stays in evaluation mode, so batch
    normalisation keeps its statistics, too.

    Args:
        generator: the network.
        patterns: of the names of parameters, as in its state dict (`trunk.*`).
        until: step from which all are trained; None for never.

    Raises:
        RecipeError: if a pattern is no parameter's, or every parameter is frozen.
    """

    def __init__(self, generator: nn.Module, patterns: Sequence[str], until: int | None) -> None:
        self._until = until
        named = _named_parameters(generator) if patterns else {}
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in named):
                raise RecipeError(
                    f"training.freeze: no parameter of the generator has a name like {pattern!r}; "
                    f"it has {few([*named], _LISTED)}"
                )
        chosen = {
            name: parameter
            for name, parameter in named.items()
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        }
        if chosen and len(chosen) == len(named):
            raise RecipeError(
                "training.freeze: every parameter of the generator is frozen, so nothing is "
                "trained; leave some out"
            )
        self._parameters = [*chosen.values()]
        frozen = {id(parameter) for parameter in self._parameters}
        self._modules = [
            module
            for module in generator.modules()
            for own in [{id(parameter) for parameter in module.parameters()}]
            if own and own <= frozen
        ]
        self.set_step(0)

    def set_step(self, step: int) -> None:
        """Freeze or unfreeze for a step, counted from 0."""
        self._is_on = self._until is None or step < self._until
        for parameter in self._parameters:
            parameter.requires_grad_(not self._is_on)

    def train(self, generator: nn.Module) -> None:
        """Put a generator in training mode, without the modules that are frozen."""
        generator.train()
        for module in self._modules if self._is_on else ():
            module.eval()


def _named_parameters(generator: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters by their names in the state dict, which a network may rename."""
    trained = (parameter for parameter in generator.parameters() if parameter.requires_grad)
    by_place = {parameter.data_ptr(): parameter for parameter in trained}
    placed = (
        (name, by_place.get(each.data_ptr())) for name, each in generator.state_dict().items()
    )
    return {name: parameter for name, parameter in placed if parameter is not None}
