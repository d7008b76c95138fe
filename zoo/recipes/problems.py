"""Problems in a registry, each with its place, collected so that all are reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: its place, its key, and what is wrong."""

    place: Place
    path: KeyPath
    message: str

    @property
    def order(self) -> tuple[str, int, str, str]:
        """What problems are sorted by: the file, and then the line as a number."""
        return self.place.file, self.place.line, dotted(self.path), self.message

    def __str__(self) -> str:
        where = f"{self.place}: {dotted(self.path)}" if self.path else f"{self.place}"
        return f"{where}: {self.message}"


MAX_LISTED = 100
"""Maximum number of listed problems."""


class ProblemsError(RecipeError):
    """All problems of a registry or a run, one on each line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in problems[:MAX_LISTED]]
        if len(problems) > MAX_LISTED:
            lines.append(f"and {len(problems) - MAX_LISTED} more")
        super().__init__("\n".join(lines))


def dotted(path: KeyPath) -> str:
    """Write a key path as users type it: `recipes.esrgan.losses.vgg19`."""
    parts = (str(part) for part in path)
    return ".".join(part if part.isprintable() else ascii(part) for part in parts)


def all_of(names: Iterable[str]) -> str:
    """Return `; known are: a, b`, the end of an error about an unknown key; empty without names."""
    known = ", ".join(sorted(names))
    return f"; known are: {known}" if known else ""


def display_path(path: Path) -> str:
    """Return `path` relative to the working directory if that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return each problem once, in file order."""
    return sorted(set(problems), key=lambda problem: problem.order)


def raise_problems(problems: Iterable[Problem]) -> None:
    """Raise one `ProblemsError` that lists every problem, in file order, if there are any."""
    ordered = in_order(problems)
    if ordered:
        raise ProblemsError(ordered)
