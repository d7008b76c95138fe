"""The training budget: what must be equal before two runs can be compared.

Runs of one profile have one budget, unless it was changed with `--set`, used other training
images or another device. A table or a claim never mixes such runs without a note.

A CPU may choose the precision of each stage by measurement (`zoo.train.autotune`). A table shows
recipes of both precisions with a note, a row has one, and claims and factorials refuse two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zoo.records.record import Record

PRECISION = "precision"
_DATA = ("lr_patch_size", "batch_size", "sampling", "weighting", "patches_per_image", "augment")


def budget_of(identity: Mapping[str, Any]) -> dict[str, str]:
    """Return the budget of a run from its identity (`zoo.train.identity`): plain text by key."""
    data, execution = identity["settings"]["data"], identity["execution"]
    stage = "adversarial" if identity["settings"].get("discriminator") else "content"
    return {
        "images": identity["data"][:12],
        **{name: str(data[name]) for name in _DATA if name in data},
        f"{stage} steps": str(identity["num_steps"]),
        "device": execution["device"],
        PRECISION: execution["precision"],
    }


def trained_in(records: Iterable[Record]) -> dict[str, list[str]]:
    """Return the names of what was trained by precision, of runs that say it."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        precision = record.training and record.training.budget.get(PRECISION)
        if precision:
            found.setdefault(precision, {})[record.target.name] = None
    return {precision: list(names) for precision, names in sorted(found.items())}


def mixed_precision(records: Iterable[Record]) -> str:
    """Return why runs cannot be judged together where their precisions differ; empty if not."""
    found = trained_in(records)
    if len(found) < 2:
        return ""
    told = ", ".join(f"{' and '.join(names)} in {one}" for one, names in found.items())
    return (
        f"trained in different precision ({told}): train them in one precision, with `runtime: "
        "{precision: float32}` in the profile"
    )


def differences(records: Iterable[Record], reference: Mapping[str, str]) -> dict[str, list[str]]:
    """Return, by target, where its budget is not the reference's; alike targets are excluded.

    A key that one side lacks (the steps of the other kind of stage) is no difference.
    """
    found: dict[str, list[str]] = {}
    for record in records:
        own = {} if record.training is None else record.training.budget
        odd = [
            f"{key} {own[key]} instead of {reference[key]}"
            for key in own.keys() & reference.keys()
            if own[key] != reference[key]
        ]
        if odd:
            found.setdefault(record.target.name, []).extend(sorted(odd))
    return {name: list(dict.fromkeys(texts)) for name, texts in found.items()}
