"""The counts of the endurance benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.endurance.processes import Result
from zoo.runs.provenance import machine


def document(found: Mapping[str, Result]) -> str:
    """Write the counts as Markdown."""
    lines = ["# Endurance", "", "Made by `python -m benchmarks.endurance` on " + machine() + "."]
    for name, result in found.items():
        lines += ["", f"## {name.capitalize()}", "", "| what | found |", "|---|---|"]
        lines += [f"| {key} | {_text(value)} |" for key, value in result.items()]
    return "\n".join([*lines, ""])


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " and ".join(map(str, value))
    return "yes" if value is True else "no" if value is False else str(value)
