"""Every error a user of zoo can cause, in one tree.

A `ZooError` says what is wrong, where, and what to do; the command line prints it as one paragraph
and leaves with `exit_code`. Anything else that reaches a user is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar


class ZooError(Exception):
    """Base of all errors that are the user's to mend."""

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
    """A name is already taken; the message shows where both come from."""


class PluginError(ZooError):
    """A plugin cannot be found, loaded or used."""


class ShapeError(ZooError, ValueError):
    """An image or tensor has a shape the component does not take."""


class DataError(ZooError):
    """Images are missing, damaged or too few."""


class UnfitFileError(DataError, OSError):
    """A path is no file, or one far larger than what is expected there.

    It is an `OSError` too: who says in words what a file system refuses says this in the same way.
    """

    def __str__(self) -> str:
        return f"cannot read {self.filename}: {self.strerror}"


class WeightsError(ZooError):
    """Weights are missing or do not fit their network."""


class IntegrityError(ZooError):
    """Bytes are not the bytes they should be: a hash differs or a file is torn."""

    exit_code: ClassVar[int] = 4


class CheckpointError(IntegrityError):
    """A checkpoint or run directory is damaged or belongs to another run."""


class MachineError(ZooError):
    """The machine lacks what was asked for: a device, disk space, a network."""

    exit_code: ClassVar[int] = 5


class DivergedError(ZooError):
    """Training met a value that is not finite."""

    exit_code: ClassVar[int] = 1


class Leaving(SystemExit):
    """A signal ends the program: what `staying` lets pass."""


@contextmanager
def staying() -> Iterator[None]:
    """Turn a program's end that foreign code asks for, `sys.exit()`, into an error that is said.

    Raises:
        PluginError: says where that was. Without it a program ended so would look like one that
            did its work: the exit code is the foreign code's, 0 by default.
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
    """Return the known name closest to `name`, or None when nothing is close."""
    candidates = list(known)
    folded = {candidate.casefold().replace("_", "-"): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.casefold().replace("_", "-"), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the closest known name, or an empty string."""
    close = suggestion(name, known)
    return f"; did you mean {close!r}?" if close else ""
