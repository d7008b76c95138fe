"""All errors that a user of zoo can cause, in one tree.

A `ZooError` says what is wrong, where, and what to do. The command line prints it as one paragraph
and exits with `exit_code`. Any other exception that reaches a user is a bug and shows its
traceback.
"""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar


class ZooError(Exception):
    """Base of all errors that the user can correct.

    Example:
        >>> import zoo
        >>> try:
        ...     zoo.create("rrbd")
        ... except zoo.ZooError as error:
        ...     print(error)
        unknown generator 'rrbd'; did you mean 'rrdb'? (see: zoo list generators)
    """

    exit_code: ClassVar[int] = 2


class RecipeError(ZooError, ValueError):
    """A recipe, profile or setting is wrong."""


class UnknownNameError(ZooError, LookupError):
    """A name is in no registry."""

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, see: str | None = None
    ) -> None:
        self.kind = kind
        self.name = name
        self.known = sorted(known)
        hint = did_you_mean(name, self.known)
        super().__init__(
            f"unknown {kind} {name!r}{hint} (see: {see or f'zoo list {plural(kind)}'})"
        )


class DuplicateNameError(ZooError):
    """A name is already used; the message shows where both definitions are."""


class PluginError(ZooError):
    """A plugin cannot be found, loaded or used."""


class ShapeError(ZooError, ValueError):
    """An image or tensor has a shape that the component does not accept."""


class DataError(ZooError):
    """Images are missing, damaged or too few."""


class UnfitFileError(DataError, OSError):
    """A path is not a regular file, or is much larger than expected.

    It is an `OSError` too, so code that explains errors of the file system explains it as well.
    """

    def __str__(self) -> str:
        return f"cannot read {self.filename}: {self.strerror}"


class WeightsError(ZooError):
    """Weights are missing or do not fit their network."""


class IntegrityError(ZooError):
    """The bytes of a file are wrong: its hash differs, or it is incomplete."""

    exit_code: ClassVar[int] = 4


class CheckpointError(IntegrityError):
    """A checkpoint or run directory is damaged or belongs to another run."""


class MachineError(ZooError):
    """The machine lacks something: a device, disk space, a network."""

    exit_code: ClassVar[int] = 5


class DivergedError(ZooError):
    """A value in training became NaN or infinite."""

    exit_code: ClassVar[int] = 1


class Leaving(SystemExit):
    """A signal ends the program; `staying` lets it pass."""


@contextmanager
def staying() -> Iterator[None]:
    """Turn a `sys.exit()` in foreign code into an error with a message.

    Raises:
        PluginError: with the place of the call. Otherwise the program would end with the exit code
            of the foreign code, 0 by default, as if it had done its work.
    """
    try:
        yield
    except Leaving:
        raise
    except SystemExit as error:
        (last,) = traceback.extract_tb(error.__traceback__)[-1:]
        raise PluginError(
            f"{last.filename}:{last.lineno} ends the program (SystemExit: {error.code}); a "
            "component must raise an error instead"
        ) from error


def plural(kind: str) -> str:
    """Return the plural of a component kind: `adversary` -> `adversaries`, `loss` -> `losses`."""
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    if kind.endswith("ix"):
        return f"{kind[:-2]}ices"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None if none is close.

    Initials are close too: `lr` to `learning_rate`.
    """
    candidates = list(known)
    folded = {candidate.casefold().replace("_", "-"): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.casefold().replace("_", "-"), folded, n=1, cutoff=0.6)
    words = {candidate: re.split("[-_]", candidate.casefold()) for candidate in candidates}
    initials = {"".join(word[:1] for word in each): one for one, each in words.items() if each[1:]}
    return folded[close[0]] if close else initials.get(name.casefold())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the closest known name, or an empty string."""
    close = suggestion(name, known)
    return f"; did you mean {close!r}?" if close else ""
