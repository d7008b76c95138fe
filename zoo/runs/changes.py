"""The differences between two runs in words, and whether one extends the other.

A run is extended by more steps, and by going back from what is not finite instead of ending there.
The rule compares what is known of both: the identities that training makes once it has looked at
data and weights (`zoo.train.identity`), or, before that, what their specifications say
(`beginning_of`). Should the two disagree, training says so and nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from zoo.recipes.schema import MONITORING, RunSpec
from zoo.text import few

MAX_SHOWN = 6
NUM_STEPS, NUM_EPOCHS = "num_steps", "num_epochs"
_ON_DIVERGENCE = "settings.training.on_divergence"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return the first few differences between two identities, in words."""
    before, after = dict(_flat(old)), dict(_flat(new))
    changed = [
        f"{key} {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in sorted({*before, *after})
        if before.get(key, "absent") != after.get(key, "absent")
    ]
    return few(changed, MAX_SHOWN, "; ")


def shaping_of(spec: RunSpec) -> dict[str, Any]:
    """Return what affects a run's results, without execution, logging and saving intervals.

    Arguments of a loss that were not given are omitted: the loss may have got them after a run was
    trained. So are the validation images, unless they determine the training images. Of the weights
    that it starts from the sha256 counts.
    """
    names = {"recipe", "profile", "pretraining", "init", "init_discriminator", "variant"}
    document = spec.model_dump(mode="json", exclude=names)
    del document["settings"]["runtime"]
    for name in MONITORING:
        document["settings"]["training"].pop(name, None)
    if not spec.settings.data.is_split_by_validation:
        del document["settings"]["data"]["validation"]
    for loss in document["settings"]["losses"].values():
        for name in [name for name, value in loss.items() if value is None]:
            del loss[name]
    inner = None if spec.pretraining is None else shaping_of(spec.pretraining)
    begun = {key: weights.sha256 for key, weights in spec.begun_from.items()}
    return document | {"pretraining": inner} | begun | loaded_otherwise(spec)


def loaded_otherwise(spec: RunSpec) -> dict[str, Any]:
    """Return how weights are loaded that need not fit; nothing for a run that has none."""
    partial = [key for key, weights in spec.begun_from.items() if not weights.strict]
    return {"partial": partial} if partial else {}


def beginning_of(spec: RunSpec) -> dict[str, Any]:
    """Return what shapes a run, its length apart from its settings as an identity has it."""
    document = shaping_of(spec)
    training = document["settings"]["training"]
    lengths = {NUM_STEPS: training.pop("steps"), NUM_EPOCHS: training.pop("epochs")}
    if training["on_divergence"] == "raise":
        del training["on_divergence"]
    return document | {name: length for name, length in lengths.items() if length is not None}


def is_extension(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a run of the new beginning starts with exactly the steps of the old one.

    Args:
        old: the identity of the run that is there, or `beginning_of` its specification.
        new: the same of the run that is wanted.
    """
    return _may_extend(old, new) and _why_not(old, new) is None


def why_not_extended(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return why a run of another length is refused; empty if there are more differences."""
    reason = _why_not(old, new) if _may_extend(old, new) else None
    return f" A run can be extended, but {reason}." if reason else ""


def session_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return changes between sessions that affect the last bits of a run, in words."""
    pairs = {
        "torch": (before["versions"]["torch"], now["versions"]["torch"]),
        "number of threads": (before["execution"]["threads"], now["execution"]["threads"]),
        "device": (before["device_name"], now["device_name"]),
        "processor": (before.get("processor"), now.get("processor")),  # older runs do not say it
    }
    return [
        f"{what} ({old} -> {new})" for what, (old, new) in pairs.items() if old not in (None, new)
    ]


def _may_extend(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether two beginnings differ only in the length and in rollback, now on.

    A run with `raise` has no steps after a value that is not finite. Until then its steps are those
    of a run with `rollback`; only the latter's setting is part of an identity.
    """
    before, now = dict(_flat(old)), dict(_flat(new))
    name = _length_of(new)
    if before == now or name not in before:
        return False
    if _ON_DIVERGENCE not in before:
        now.pop(_ON_DIVERGENCE, None)
    return {**before, name: now[name]} == now


def _why_not(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    name = _length_of(new)
    if new[name] < old[name]:
        unit = "steps" if name == NUM_STEPS else "epochs"
        return f"{new[name]} {unit} are fewer than the {old[name]} that it started with"
    if new[name] == old[name]:
        return None
    kind = old["settings"]["training"]["schedule"]["kind"]
    if kind != "constant":
        return (
            f"its learning rates follow a {kind} schedule, which depends on the total length: the "
            "finished steps would have been different"
        )
    return None


def _length_of(beginning: Mapping[str, Any]) -> str:
    return NUM_STEPS if NUM_STEPS in beginning else NUM_EPOCHS


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, json.dumps(value)
