"""What a training starts from, as a recipe's `pretrained` or the options of `zoo train` name it.

Not here: which file a name means and what is in it (`zoo.models.initial`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from zoo.recipes.schema import NAME, StrictModel

if TYPE_CHECKING:
    from zoo.recipes.tree import Leaves

PRETRAINED = "pretrained"
What = Annotated[str, Field(min_length=1)]


class Start(StrictModel):
    """Weights of networks, each named by a file, a run directory, a model's name or a hub id."""

    generator: What | None = None
    """Weights of the generator."""
    discriminator: What | None = None
    """Weights of the discriminator: a run directory, or a file with its tensors."""
    strict: bool = True
    """Whether every tensor must fit. If not, tensors whose name or shape differs stay as they are
    without weights; if the scale differs, so does the whole upsampler."""

    def over(self, other: Start) -> Start:
        """Return this start, completed by another one."""
        return Start(
            generator=self.generator or other.generator,
            discriminator=self.discriminator or other.discriminator,
            strict=self.strict and other.strict,
        )


def start_of(
    generator: str | Path | None = None,
    discriminator: str | Path | None = None,
    *,
    strict: bool = True,
) -> Start:
    """Return the start that options name."""
    named = (None if each is None else str(each) for each in (generator, discriminator))
    return Start(generator=next(named), discriminator=next(named), strict=strict)


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
