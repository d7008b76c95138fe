"""Notes below a table: what a reader must know about the scored models.

Not here: what may not be compared (`zoo.records.selection`), what is missing
(`zoo.compare.comparisons`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zoo.records.budget import trained_in
from zoo.records.record import Record

REMARKS: Final = "remarks"
"""Where a record's provenance has what was noticed while it was scored, each a phrase."""
RANDOM: Final = "random"
"""The value for random weights in the provenance of a component, see `zoo.weights.store`."""


def remarks(records: Sequence[Record]) -> list[str]:
    """Return the notes on some records: copies, LR files of another origin, what was noticed."""
    found = []
    for record in records:
        hashes = [
            (f"{dataset.name}/{image.name}", image.hr_sha256)
            for dataset in record.datasets
            for image in dataset.images
        ]
        found += copies(hashes)
        found += [dataset.degradation for dataset in record.datasets if dataset.degradation]
        found += [f"{record.target.name} {said}" for said in record.provenance.get(REMARKS, [])]
    found += [*stand_ins(records), *_own_judges(records), *_random_judges(records)]
    found += _precisions(records)
    return list(dict.fromkeys(found))


def copies(hashes: Sequence[tuple[str, str]]) -> list[str]:
    """Return which images of a suite have the same pixels: each counts as often as it is there.

    Args:
        hashes: name and hash of the pixels of each image.
    """
    names: dict[str, list[str]] = {}
    for name, pixels in hashes:
        names.setdefault(pixels, []).append(name)
    return [
        f"{' and '.join(alike)} are copies of one image, which counts {len(alike)} times"
        for alike in names.values()
        if len(alike) > 1
    ]


def stand_ins(records: Sequence[Record]) -> list[str]:
    """Say which recipes were trained with another feature network than their loss is named for."""
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        for loss, network in record.stand_ins.items():
            found.setdefault((loss, network), []).append(record.target.name)
    return [
        f"{network} replaces {loss} in {', '.join(dict.fromkeys(names))}"
        for (loss, network), names in found.items()
    ]


def _precisions(records: Sequence[Record]) -> list[str]:
    """Say what was trained in another precision than float32, and beside what it is not judged."""
    found = trained_in(records)
    if found.keys() <= {"float32"}:
        return []
    told = "; ".join(f"in {one}: {', '.join(names)}" for one, names in found.items())
    return [f"trained {told}" + ("; no claim compares them" if len(found) > 1 else "")]


def _own_judges(records: Sequence[Record]) -> list[str]:
    """Return which scores come from a network that the generator was trained against."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for key, components in record.provenance.get("trained_against", {}).items():
            said = f"{record.target.name} (loss {', '.join(components)})"
            found.setdefault(record.columns[key].label, {})[said] = None
    return [
        f"{label} is not informative for {', '.join(names)}, because their loss uses the same "
        "network"
        for label, names in found.items()
    ]


def _random_judges(records: Sequence[Record]) -> list[str]:
    """Return which recipes were trained with networks of random weights instead of learned ones."""
    found: dict[str, list[str]] = {}
    for record in records:
        found.setdefault(record.target.name, []).extend(random_components(record))
    return [
        f"{name} was trained with random weights in {', '.join(dict.fromkeys(components))}, so it "
        "is not the recipe with learned weights"
        for name, components in found.items()
        if components
    ]


def random_components(record: Record) -> list[str]:
    """Return the components a record's generator was trained with whose weights were random."""
    components = {} if record.training is None else record.training.components
    return [name for name, known in components.items() if known.get("weights") == RANDOM]
