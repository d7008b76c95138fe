"""What the pages of benchmarks have in common: tables, and a median with its spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def spread_text(told: Mapping[str, float], digits: int = 2) -> str:
    """Return a median with the least and the most, as `benchmarks.speed.measure.spread` has it."""
    median, least, most = (f"{told[name]:.{digits}f}" for name in ("median", "least", "most"))
    return f"{median} ({least} to {most})"


def as_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    cells = [heading, ["---"] * len(heading), *rows]
    return [f"| {' | '.join(row)} |" for row in cells]
