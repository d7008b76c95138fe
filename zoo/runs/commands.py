"""The command that makes a run again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from zoo.recipes.schema import RunSpec


def train_command(spec: RunSpec, settings: Sequence[str] = ()) -> str:
    """Return the command that trains a run, with what was set beside recipe and profile."""
    words = ["zoo", "train", spec.recipe, "--profile", spec.profile, "--seed", str(spec.seed)]
    return shlex.join([*words, *(word for one in settings for word in ("--set", one))])
