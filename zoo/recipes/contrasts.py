"""Proves that compared recipes differ exactly in what the comparison is about.

All values are compared, including those of pretraining and the defaults of components, under each
profile. Only then is a difference between two rows of a table the effect of one change.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import did_you_mean
from zoo.recipes.book import Book
from zoo.recipes.claims import PRETRAINING, Claim
from zoo.recipes.explain import shown
from zoo.recipes.matrices import Matrix
from zoo.recipes.problems import KeyPath, Problem, dotted
from zoo.recipes.schema import RunSpec
from zoo.recipes.tree import component_root, component_roots

Runs = Callable[[str, str], RunSpec | None]
"""From recipe and profile to the completed run; None if it has problems of its own."""
ABSENT = object()
"""The value of a setting on the side that does not have it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value in which two runs differ; in pretraining its path starts with `pretraining`."""

    path: KeyPath
    changed: Any
    reference: Any

    @property
    def setting(self) -> KeyPath:
        """The setting, whichever stage it is of; nothing where it is all of pretraining."""
        return self.path[1:] if self.path[0] == PRETRAINING else self.path

    def __str__(self) -> str:
        return f"{dotted(self.path)} ({_text(self.changed)}, {_text(self.reference)})"


def differences(changed: RunSpec, reference: RunSpec) -> list[Difference]:
    """Return every value in which two runs differ, except names of recipes and seeds."""
    return list(_compare(_values(changed), _values(reference), ()))


def contrast_problems(claim: Claim, profiles: Iterable[str], runs: Runs) -> list[Problem]:
    """Return where the recipes of a claim differ outside its field, or not at all in it.

    Args:
        claim: one whose names are known.
        profiles: the profiles under which its recipes are resolved.
        runs: finds a completed run.
    """
    contrast = claim.contrast
    if contrast.reference is None:
        return []
    proof = _Proof(dotted(contrast.field), [contrast.field], [])
    for profile in profiles:
        proof.compare((contrast.changed, contrast.reference), profile, runs)
    path = ("contrast", "field")
    return [claim.problem(path, message) for message in proof.messages()]


def factor_problems(
    matrix: Matrix, book: Book, profiles: Sequence[str], runs: Runs
) -> Iterator[Problem]:
    """Yield where cells that differ in one factor differ outside of what the factor writes."""
    roots = component_roots(book.recipes[matrix.base].leaves)
    for factor in matrix.factors:
        own = [_scope(path, roots) for path in matrix.written(factor)]
        others = [
            path for name in matrix.factors if name != factor for path in matrix.written(name)
        ]
        proof = _Proof(f"factor {factor}", own, others)
        for pair in _neighbours(matrix, factor):
            for profile in profiles:
                proof.compare(pair, profile, runs)
        for message in proof.messages():
            yield matrix.problem(("factors", factor), message)


class _Proof:
    """Compares pairs of recipes under profiles, and collects what should not be.

    Args:
        what: what both sides should differ in, as messages say it.
        allowed: paths at or below which they may differ. A profile under which neither side has
            such a setting, since it puts another component there, does not ask; one must.
        denied: paths below the allowed ones at which they may not.
    """

    def __init__(self, what: str, allowed: Sequence[KeyPath], denied: Sequence[KeyPath]) -> None:
        self.what = what
        self.allowed = allowed
        self.denied = denied
        self.profiles: dict[str, None] = {}
        self.unasked: dict[str, tuple[str, str]] = {}
        self.is_asked = False
        self.found: dict[str, tuple[tuple[str, str], dict[str, None]]] = {}

    def compare(self, pair: tuple[str, str], profile: str, runs: Runs) -> None:
        """Compare two recipes under a profile; one with problems of its own is left to them."""
        changed, reference = (runs(recipe, profile) for recipe in pair)
        if changed is None or reference is None:
            return
        self.profiles[profile] = None
        found = differences(changed, reference)
        strange = [each for each in found if not self._belongs(each)]
        if not found and not any(self._exists(run) for run in (changed, reference)):
            self.unasked[profile] = pair
            return
        self.is_asked = True
        if strange:
            listed = ", ".join(str(each) for each in strange)
            self._note(f"differ in more than {self.what}: {listed};", pair, profile)
        if len(strange) == len(found):
            hint = did_you_mean(self.what, [dotted(each.path) for each in strange])
            self._note(f"do not differ in {self.what}{hint}", pair, profile)

    def messages(self) -> Iterator[str]:
        """Yield each complaint once: the first pair it is about, and under which profiles."""
        for profile, pair in self.unasked.items() if not self.is_asked else ():
            self._note(f"do not differ in {self.what}", pair, profile)
        for complaint, (pair, profiles) in self.found.items():
            everywhere = profiles.keys() == self.profiles.keys()
            where = "every profile" if everywhere else f"profile {', '.join(profiles)}"
            yield f"{pair[0]} and {pair[1]} {complaint} under {where}"

    def _belongs(self, each: Difference) -> bool:
        paths = (each.path, each.setting)
        is_allowed = any(_covers(self.allowed, path) for path in paths)
        return is_allowed and not any(_covers(self.denied, path) for path in paths)

    def _exists(self, run: RunSpec) -> bool:
        """Tell whether a run has one of the settings: a profile may put another component there."""
        return any(_at(_values(run), path) is not ABSENT for path in self.allowed)

    def _note(self, complaint: str, pair: tuple[str, str], profile: str) -> None:
        self.found.setdefault(complaint, (pair, {}))[1][profile] = None


def _at(values: Any, path: KeyPath) -> Any:
    """Return the value at a path of nested settings, `ABSENT` where there is none."""
    for part in path:
        values = values.get(part, ABSENT) if isinstance(values, dict) else ABSENT
    return values


def _covers(paths: Iterable[KeyPath], setting: KeyPath) -> bool:
    return any(setting[: len(path)] == path for path in paths)


def _scope(path: KeyPath, roots: Sequence[KeyPath]) -> KeyPath:
    """Return the paths that a written setting governs, with the defaults of its component."""
    root = component_root(path)
    if root is not None and (path == (*root, "name") or root not in roots):
        return root
    return path


def _neighbours(matrix: Matrix, factor: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of recipes whose cells differ in one factor, its later level first."""
    recipes = {tuple(cell.levels.values()): cell.recipe for cell in matrix.cells}
    for first, second in itertools.combinations(matrix.factors[factor], 2):
        for cell in matrix.cells:
            if cell.levels[factor] == first:
                other = cell.levels | {factor: second}
                yield recipes[tuple(other.values())], cell.recipe


def _values(run: RunSpec) -> dict[str, Any]:
    """Return values as a file of a run has them: a default that is a tuple is a list there."""
    values = run.settings.model_dump(mode="json")
    if run.pretraining is not None:
        values[PRETRAINING] = run.pretraining.settings.model_dump(mode="json")
    return values


def _compare(changed: Any, reference: Any, path: KeyPath) -> Iterator[Difference]:
    """Yield the differences of two values; a mapping is compared key by key."""
    if isinstance(changed, dict) and isinstance(reference, dict):
        for key in dict.fromkeys((*changed, *reference)):
            one, other = changed.get(key, ABSENT), reference.get(key, ABSENT)
            yield from _compare(one, other, (*path, key))
    elif type(changed) is not type(reference) or changed != reference:
        yield Difference(path, changed, reference)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", "present"))
    return "absent" if value is ABSENT else shown(value)
