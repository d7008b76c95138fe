"""How the values of a column are written: in which digits, and which is marked as the best.

Not here: grids and escapes (`zoo.text`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from zoo.records.record import Column
from zoo.text import MISSING, Mark

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_value(column: Column, value: float | None) -> str:
    """Write a value in the digits that its column deserves.

    dB have two decimals; scores with a range, and small ones without a unit, four. All else has
    three significant digits, with k, M, G or T for thousands where the unit is no time.
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if column.unit == "dB":
        return f"{value:.2f}"
    if column.value_range is not None or (not column.unit and 0 < abs(value) < 1):
        return f"{value:.4f}"
    return _three_digits(value, prefixed=not column.unit.startswith(("ms", "s")))


def format_interval(
    column: Column,
    mean: float | None,
    low: float | None,
    high: float | None,
    *,
    narrow: bool = False,
) -> str:
    """Write `29.51 [29.42, 29.60]`, or `29.51 ±0.09` where space is short.

    An interval that a bound of the score cuts has two different halves and is written out.
    """
    text = format_value(column, mean)
    if mean is None or low is None or high is None:
        return text
    if narrow and math.isclose(high - mean, mean - low, rel_tol=1e-6, abs_tol=1e-12):
        return f"{text} ±{format_value(column, (high - low) / 2)}"
    return f"{text} [{format_value(column, low)}, {format_value(column, high)}]"


def marks(column: Column, values: Sequence[float | None]) -> list[Mark]:
    """Mark the best and the second best values, as their written digits distinguish them.

    Values that are written alike share a mark. Two best ones leave no second. Nothing is marked
    where neither direction is better, or where there is nothing to compare.
    """
    known = [value for value in values if value is not None and not math.isnan(value)]
    if column.higher_is_better is None or len(known) < 2:
        return [""] * len(values)
    ranked = sorted(known, reverse=column.higher_is_better)
    best, second = (format_value(column, value) for value in ranked[:2])
    if format_value(column, ranked[-1]) == best:
        return [""] * len(values)
    texts = [format_value(column, value) for value in values]
    return ["best" if text == best else "second" if text == second else "" for text in texts]


def _three_digits(value: float, *, prefixed: bool) -> str:
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    if not prefixed or abs(rounded) < 1e3:
        decimals = (
            0 if rounded == int(rounded) else max(2 - math.floor(math.log10(abs(rounded))), 0)
        )
        return f"{rounded:.{decimals}f}"
    size, prefix = next(pair for pair in _PREFIXES if abs(rounded) >= pair[0])
    share = rounded / size
    return f"{share:.{max(2 - math.floor(math.log10(abs(share))), 0)}f} {prefix}"
