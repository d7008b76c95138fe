"""What the pages of benchmarks have in common: tables, and a median with its spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def spread_text(told: Mapping[str, float]) -> str:
    """Return a median with the least and the most, as `benchmarks.speed.measure.spread` has it."""
    return f"{told['median']:.2f} ({told['least']:.2f} to {told['most']:.2f})"


def as_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    cells = [heading, ["---"] * len(heading), *rows]
    return [f"| {' | '.join(row)} |" for row in cells]
