"""What the columns of the tables mean, in a sentence each.

What a metric is, its own class says. Not here: how it is computed (`docs/metrics.md`).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from zoo.cost.measure import SIDE
from zoo.metrics.base import Metric
from zoo.registry import METRICS
from zoo.report.model import Fact, ScoreTable

DIRECTIONS = {"higher": "Higher is better.", "lower": "Lower is better.", "zero": "0 is best."}
_OTHERS = {
    "statistics_gap": "For a generator with BatchNorm: the change of PSNR-Y when the statistics of "
    "the image "
    "itself replace the running statistics; 0 by construction without BatchNorm.",
    "parameters": "Number of trainable values of the generator.",
    "macs": f"Multiply-accumulate operations of one forward pass of {SIDE} x {SIDE} pixels.",
    "activation_memory": "Memory that training keeps from a forward pass for the backward pass, "
    "per low-resolution pixel.",
    "peak_memory": f"Peak memory while scoring {SIDE} x {SIDE} pixels, measured on the machine "
    "that scored.",
    "ms_per_megapixel": "Time per million pixels of output, measured on the same machine.",
}
_ROOTS: tuple[type, ...] = (Metric, object)


def glossary(tables: Sequence[ScoreTable]) -> tuple[Fact, ...]:
    """Return what each column of the tables means, in their order; unknown ones are excluded."""
    headings = {heading.key: heading for table in tables for heading in table.headings}
    meant = {key: (heading, _meaning(key)) for key, heading in headings.items()}
    return tuple(
        Fact(heading.label, f"{meaning} {DIRECTIONS[heading.better]}")
        for heading, meaning in meant.values()
        if meaning
    )


def _meaning(key: str) -> str:
    if key in _OTHERS:
        return _OTHERS[key]
    name = key.replace("_", "-")
    if name not in METRICS.names():
        return ""
    own, parent = METRICS.get(name).__mro__[:2]
    return " ".join(_summary(kind) for kind in (own, parent) if kind not in _ROOTS).strip()


def _summary(kind: type) -> str:
    """Return the first paragraph of a class' own docstring, as one line."""
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
    return " ".join(text.partition("\n\n")[0].split())
