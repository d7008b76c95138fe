"""What a training starts from, as a recipe's `pretrained` or the options of `zoo train` name it.

Not here: which file a name means and what is in it (`zoo.models.initial`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from zoo.errors import RecipeError
from zoo.recipes.explain import first_problem
from zoo.recipes.schema import NAME, StrictModel
from zoo.recipes.tree import PRETRAINED

if TYPE_CHECKING:
    from zoo.recipes.tree import Leaves

What = Annotated[str, Field(min_length=1)]


class Start(StrictModel):
    """Weights of networks, each named by a file, a run directory, a model's name or a hub id.

    Of recipes that extend each other, one may name a run and the next another generator.
    """

    generator: What | None = None
    """Weights of the generator."""
    discriminator: What | None = None
    """Weights of the discriminator: a run directory, or a file with its tensors."""
    run: What | None = None
    """A finished run, for what the others do not name: its generator and, if both runs have one,
    its discriminator."""
    strict: bool = True
    """Whether every tensor must fit. If not, tensors whose name or shape differs stay as they are
    without weights; if the scale differs, so does the whole upsampler."""


class WrittenStart(Start):
    """A start as one place writes it: a run, or networks."""

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if self.run is not None and (self.generator or self.discriminator):
            raise ValueError(
                f"the run {self.run} names the weights of both networks: omit those of the "
                "generator and the discriminator"
            )
        return self


def start_of(what: str | Path | Mapping[str, Any] | None) -> Start:
    """Return the start that a caller names: the generator's weights, or a mapping of a `Start`.

    Raises:
        RecipeError: if the mapping has other keys or values.
    """
    named = what if isinstance(what, Mapping) else {"generator": what}
    plain = {key: str(one) if isinstance(one, Path) else one for key, one in named.items()}
    try:
        return WrittenStart.model_validate(plain)
    except ValidationError as error:
        raise RecipeError(f"init: {first_problem(error)}") from error


def is_recipe_name(text: str) -> bool:
    """Return whether `pretrained: text` means a recipe: files and hub ids have other forms."""
    return re.search(NAME, text) is not None


def written_start(leaves: Leaves) -> Start:
    """Return the weights that a recipe's `pretrained` names; none if it names a recipe."""
    whole = leaves.get((PRETRAINED,))
    if whole is not None and isinstance(whole.value, str):
        return Start() if is_recipe_name(whole.value) else Start(generator=whole.value)
    written = {
        path[1]: leaf.value
        for path, leaf in leaves.items()
        if path[0] == PRETRAINED and len(path) == 2 and leaf.value is not None
    }
    return Start.model_validate(written)


def pretraining_recipe(leaves: Leaves) -> str | None:
    """Return the recipe that `pretrained` names, None if it names weights or is not there."""
    leaf = leaves.get((PRETRAINED,))
    is_one = leaf is not None and isinstance(leaf.value, str) and is_recipe_name(leaf.value)
    return leaf.value if leaf is not None and is_one else None


def has_pretrained(leaves: Leaves) -> bool:
    """Return whether a recipe has a `pretrained`, whatever it names."""
    return any(path[0] == PRETRAINED and leaf.value is not None for path, leaf in leaves.items())
