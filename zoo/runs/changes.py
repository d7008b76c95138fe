"""What differs between two beginnings of a run, in words, and whether one extends the other.

Not here: what a run's identity is made of (`zoo.train.identity`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

MAX_SHOWN = 6
NUM_STEPS = "num_steps"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return in words what differs between two identities, the first few of it."""
    before, after = dict(_flat(old)), dict(_flat(new))
    changed = [
        f"{key} {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in sorted({*before, *after})
        if before.get(key, "absent") != after.get(key, "absent")
    ]
    more = f" and {len(changed) - MAX_SHOWN} more" if len(changed) > MAX_SHOWN else ""
    return "; ".join(changed[:MAX_SHOWN]) + more


def is_extension(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tell whether a run of the new identity begins with the very steps of the old one."""
    return _differ_in_length_alone(old, new) and _why_not(old, new) is None


def why_not_extended(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return a sentence that says why another length alone is refused; empty where more differs."""
    reason = _why_not(old, new) if _differ_in_length_alone(old, new) else None
    return f" A run can be made longer, but {reason}." if reason else ""


def session_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words what changed between sessions that the last bits of a run depend on."""
    pairs = {
        "torch": (before["versions"]["torch"], now["versions"]["torch"]),
        "number of threads": (before["execution"]["threads"], now["execution"]["threads"]),
        "device": (before["device_name"], now["device_name"]),
    }
    return [f"{what} ({old} -> {new})" for what, (old, new) in pairs.items() if old != new]


def _differ_in_length_alone(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tell whether two identities have a length each, another one, and are alike but for it."""
    if not (NUM_STEPS in old and NUM_STEPS in new) or old[NUM_STEPS] == new[NUM_STEPS]:
        return False
    rest = [dict(_flat({**identity, NUM_STEPS: 0})) for identity in (old, new)]
    return rest[0] == rest[1]


def _why_not(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    if new[NUM_STEPS] < old[NUM_STEPS]:
        return f"not shorter than the {old[NUM_STEPS]} steps it was begun with"
    kind = old["settings"]["training"]["schedule"]["kind"]
    if kind != "constant":
        return (
            f"its learning rates follow a {kind} schedule, a function of the whole length: "
            "the steps that are done would have been others"
        )
    return None


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, json.dumps(value)
