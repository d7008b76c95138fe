"""What a reader of scores must know of what was scored, as records tell it: notes of a table.

Not here: what may not be compared (`zoo.bench.selection`), what is missing
(`zoo.bench.comparisons`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from zoo.bench.records import Record

REMARKS: Final = "remarks"
"""Where a record's provenance has what was noticed while it was scored, each a phrase."""


def remarks(records: Iterable[Record]) -> list[str]:
    """Return the notes on some records: copies among their images, and what was noticed."""
    found = []
    for record in records:
        hashes = [
            (f"{dataset.name}/{image.name}", image.hr_sha256)
            for dataset in record.datasets
            for image in dataset.images
        ]
        found += copies(hashes)
        found += [f"{record.target.name} {said}" for said in record.provenance.get(REMARKS, [])]
    return list(dict.fromkeys(found))


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
