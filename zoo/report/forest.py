"""Estimates with intervals placed on small axes: the geometry of a forest plot."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zoo.report.model import Forest
from zoo.report.numbers import signed

STRETCH = math.asinh
"""Places effects of any size on one axis: as they are near 0, by their ratios far from it."""
_MARGIN = 0.08
_CLOSEST_LABELS = 15.0


def forest(
    estimate: float,
    low: float,
    high: float,
    *,
    smallest_effect: float | None = None,
    unit: str = "",
    decimals: int = 2,
    claimed: str = "",
    labelled: bool = True,
    reach: Sequence[float] = (),
) -> Forest:
    """Place an estimate and its interval on an axis that also holds zero.

    Args:
        estimate: the effect.
        low: lower end of its interval.
        high: upper end of its interval.
        smallest_effect: effects nearer to zero than this do not matter; None if none is stated.
        unit: unit of all of them.
        decimals: how exactly they are written.
        claimed: `higher` or `lower`, the side that a claim says the effect is on.
        labelled: whether values are written below the axis.
        reach: further values that the axis shall hold, so that several share one.
    """
    matter = () if smallest_effect is None else (-abs(smallest_effect), abs(smallest_effect))
    values = [0.0, estimate, low, high, *matter, *reach]
    width = (max(values) - min(values)) or 1.0
    start, end = min(values) - _MARGIN * width, max(values) + _MARGIN * width

    def place(value: float) -> float:
        return float(round(100 * (value - start) / (end - start), 2))

    ticks = {0.0: "0"} | {v: signed(v, decimals) for v in (*matter[::-1], estimate)}
    suffix = f" {unit}" if unit else ""
    words = f"estimate {signed(estimate, decimals)}{suffix}, interval {signed(low, decimals)} to "
    words += f"{signed(high, decimals)}{suffix}"
    if smallest_effect is not None:
        words += f"; effects below {abs(smallest_effect):.{decimals}f}{suffix} do not matter"
    return Forest(
        zero=place(0),
        band=(place(matter[0]), place(matter[1])) if matter else None,
        low=place(low),
        high=place(high),
        point=place(estimate),
        labels=_apart([(place(v), text) for v, text in ticks.items()]) if labelled else (),
        claimed=claimed,
        description=words,
    )


def _apart(labels: Sequence[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """Drop labels that would lie on an earlier one."""
    kept: list[tuple[float, str]] = []
    for place, text in labels:
        if all(abs(place - other) >= _CLOSEST_LABELS for other, _ in kept):
            kept.append((place, text))
    return tuple(kept)
