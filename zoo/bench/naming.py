"""Distinct row names for files and runs of the same name, which include where each is.

Not here: what a run is called by its settings (`zoo.records.naming`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo.bench.candidates import Candidate


def told_apart(
    candidates: Sequence[Candidate], places: Sequence[Path], others: Iterable[Candidate] = ()
) -> list[Candidate]:
    """Give rows of their own to files and runs that would share one: they are named by place.

    Args:
        candidates: files and runs that were named.
        places: the file or directory of each.
        others: what else is scored, and keeps its name.
    """
    found, kept = list(candidates), list(others)
    for level in (3, 0):  # the folder of runs says enough, unless both lie in one
        contents: dict[tuple[Any, ...], set[str | None]] = {}
        for candidate in (*kept, *found):
            contents.setdefault(_row(candidate), set()).add(candidate.target.weights_sha256)
        shared = {row[:3] for row, several in contents.items() if len(several) > 1}
        found = [
            _placed(candidate, _at(place, level)) if _row(now)[:3] in shared else now
            for candidate, now, place in zip(candidates, found, places, strict=True)
        ]
    return found


def _row(candidate: Candidate) -> tuple[Any, ...]:
    target = candidate.target
    return target.name, target.kind, target.profile, target.seed


def _at(place: Path, level: int) -> Path:
    above = (place, *place.parents)
    return above[level] if place.is_dir() and level < len(above) else place


def _placed(candidate: Candidate, place: Path) -> Candidate:
    target = candidate.target
    name = f"{target.name} in {place}" if target.kind == "run" else str(place)
    return dataclasses.replace(candidate, target=target.model_copy(update={"name": name}))
