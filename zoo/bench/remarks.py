"""What a reader of scores must know of what was scored, as records tell it: notes of a table.

Not here: what may not be compared (`zoo.bench.selection`), what is missing
(`zoo.bench.comparisons`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zoo.bench.records import Record

REMARKS: Final = "remarks"
"""Where a record's provenance has what was noticed while it was scored, each a phrase."""


def remarks(records: Sequence[Record]) -> list[str]:
    """Return the notes on some records: copies among images, what was noticed, judges of their own.

    The last are scores by a network that the generator was trained against.
    """
    found: list[str] = []
    for record in records:
        hashes = [
            (f"{dataset.name}/{image.name}", image.hr_sha256)
            for dataset in record.datasets
            for image in dataset.images
        ]
        found += copies(hashes)
        found += [f"{record.target.name} {said}" for said in record.provenance.get(REMARKS, [])]
    return [*dict.fromkeys(found), *_own_judges(records)]


def _own_judges(records: Sequence[Record]) -> list[str]:
    """Say which scores come from a network that the generator was trained against."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for key, components in record.provenance.get("trained_against", {}).items():
            said = f"{record.target.name} (loss {', '.join(components)})"
            found.setdefault(record.columns[key].label, {})[said] = None
    return [
        f"{label} says little of {', '.join(names)}: the loss compares by the same network"
        for label, names in found.items()
    ]


def copies(hashes: Sequence[tuple[str, str]]) -> list[str]:
    """Say which images of a suite have the same pixels: each counts as often as it is there.

    Args:
        hashes: name and hash of the pixels of each image.
    """
    names: dict[str, list[str]] = {}
    for name, pixels in hashes:
        names.setdefault(pixels, []).append(name)
    return [
        f"{' and '.join(alike)} are copies of one image: it counts {len(alike)} times"
        for alike in names.values()
        if len(alike) > 1
    ]
