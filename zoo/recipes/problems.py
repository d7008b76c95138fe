"""What is wrong in a registry, each with its place, collected so that all are reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import RecipeError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a value was written: a file and a line, or a command-line option (line 0)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where, in which key, and what is wrong with it."""

    place: Place
    path: KeyPath
    message: str

    def __str__(self) -> str:
        where = f"{self.place}: {dotted(self.path)}" if self.path else f"{self.place}"
        return f"{where}: {self.message}"


def dotted(path: KeyPath) -> str:
    """Write a key path as users type it: `recipes.esrgan.losses.vgg19`."""
    return ".".join(str(part) for part in path)


def display_path(path: Path) -> str:
    """Return `path` relative to the working directory where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def raise_problems(problems: Iterable[Problem]) -> None:
    """Raise one `RecipeError` that lists every problem, in file order; none, no error."""
    lines = sorted(set(problems))
    if lines:
        raise RecipeError("\n".join(str(problem) for problem in lines))
