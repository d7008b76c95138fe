"""How numbers are written: decimals by unit, intervals, sizes, names that are safe to show.

Not here: which numbers a page shows (`zoo.report.scores`), escaping (the templates do it).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from zoo.letters import on_one_line
from zoo.records.record import Column

MINUS = "\N{MINUS SIGN}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
_DECIMALS = {"dB": 2, "ms": 1, "s": 1, "": 4}
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY_STEPS = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
_MOST_LETTERS = 120
_DEEP_PATH = re.compile(r"(?<![\w.:/~-])/(?:[\w.+@~-]+/)+(?=(?:[\w.+@~-]+/){3}[\w.+@~-])")


def decimals_of(unit: str, values: Sequence[float]) -> int:
    """Return how many decimals values of a unit are written with.

    Args:
        unit: the unit; where it is not known, three significant digits of the largest value decide.
        values: the values that are written in one column.
    """
    if unit in _DECIMALS:
        return _DECIMALS[unit]
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return 0
    return max(0, min(6, 2 - math.floor(math.log10(largest))))


def signed(value: float, decimals: int) -> str:
    """Write a difference: its sign always shown, zero without one."""
    text = plain(abs(value), decimals)
    if float(f"{value:.{decimals}f}") == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def plain(value: float, decimals: int) -> str:
    """Write a value with a true minus sign and never a negative zero."""
    if not math.isfinite(value):
        return "not finite"
    text = f"{value:,.{decimals}f}".replace(",", NARROW_SPACE)
    if float(f"{value:.{decimals}f}") == 0:
        return text.removeprefix("-")
    return text.replace("-", MINUS)


class Writer:
    """Writes all values of one column alike, with one unit prefix.

    Attributes:
        unit: the unit its heading shows, prefix included.
    """

    def __init__(self, column: Column, values: Sequence[float]) -> None:
        self._divisor, self.unit = _prefix(column.unit, values)
        scaled = [value / self._divisor for value in values]
        self.decimals = decimals_of("*" if self._divisor != 1 else column.unit, scaled)
        if all(float(value).is_integer() for value in values) and self._divisor == 1:
            self.decimals = 0 if column.unit not in _DECIMALS or not column.unit else self.decimals

    def write(self, value: float) -> str:
        """Write one value without its unit."""
        return plain(value / self._divisor, self.decimals)

    def interval(self, low: float, high: float) -> str:
        """Write an interval's ends without their unit."""
        return f"{self.write(low)} to {self.write(high)}"


def shown_name(text: str) -> str:
    """Return a name as it may be shown: on one line, nothing unseen in it, not endless."""
    kept = on_one_line(text)
    if len(kept) <= _MOST_LETTERS:
        return kept
    return f"{kept[: _MOST_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def short_paths(text: str) -> str:
    """Cut long absolute paths in a message to their end: the rest is of one machine only."""
    return _DEEP_PATH.sub("\N{HORIZONTAL ELLIPSIS}/", text)


def seconds_text(seconds: float) -> str:
    """Write a duration: seconds up to two minutes, then minutes, then hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def listing(items: Sequence[str]) -> str:
    """Join words as a sentence has them: `a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _prefix(unit: str, values: Sequence[float]) -> tuple[float, str]:
    """Choose one divisor for a column so that its largest value is short."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if unit in ("B", "byte", "bytes") or unit.startswith(("B/", "bytes/", "bytes per")):
        rest = unit.removeprefix("bytes").removeprefix("byte").removeprefix("B")
        for divisor, name in _BINARY_STEPS:
            if largest >= divisor:
                return divisor, f"{name}{rest}"
        return 1.0, unit
    if unit in ("", "count", "MAC", "MACs", "FLOP", "FLOPs") and largest >= 10_000:
        for divisor, name in _STEPS:
            if largest >= divisor:
                return divisor, f"{name}{'' if unit in ('', 'count') else unit}"
    return 1.0, "" if unit == "count" else unit
