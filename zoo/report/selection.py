"""Which records a page shows: one suite under one profile.

Not here: which records may be compared with each other (`zoo.records.selection`), means and
intervals (`zoo.compare.comparisons`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.compare.comparisons import SuiteComparison, compare
from zoo.errors import DataError
from zoo.recipes.book import Book
from zoo.records.naming import named_by
from zoo.records.record import Record, find_records
from zoo.records.selection import Comparable, comparable, comparable_runs

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Selection:
    """The records of one page.

    Attributes:
        comparison: their means and intervals, and what a reader must know of them.
        kept: its records that may be compared with each other.
        groups: the scored ones by the label of their row, in the rows' order, seeds in order.
        failed: the records that tell of a failure.
        damaged: which files are no records, and why.
    """

    comparison: SuiteComparison
    kept: Comparable
    groups: dict[str, list[Record]]
    failed: list[Record]
    damaged: tuple[str, ...] = ()

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return self.comparison.suite

    @property
    def profile(self) -> str | None:
        """Name of the profile of its runs, None if it has none."""
        return self.comparison.profile

    @property
    def records(self) -> list[Record]:
        """All records, the scored ones first."""
        return [record for group in self.groups.values() for record in group] + self.failed

    @property
    def baselines(self) -> list[str]:
        """Labels of the rows that need no training."""
        return [n for n, group in self.groups.items() if group[0].target.kind == "baseline"]


def select(
    root: Path,
    *,
    suite: str | None = None,
    profile: str | None = None,
    order: Sequence[str] = (),
    book: Book | None = None,
) -> Selection:
    """Read the records of one suite and profile; what is not a record is excluded and logged.

    Args:
        root: folder of records.
        suite: the suite; may be omitted if there are records of only one.
        profile: the profile; may be omitted if there are runs of only one.
        order: names of recipes in the order of their rows; others follow by name.
        book: names the runs by what it says of their recipes now; None leaves them as scored.

    Raises:
        DataError: if there are no such records, or of several suites or profiles and none was
            chosen.
    """
    records, damaged = find_records(root, suite=suite)
    for problem in damaged:
        logger.warning("excluded: %s", problem)
    records = records if book is None else named_by(book, records)
    if not records:
        of_suite = f" of suite {suite!r}" if suite else ""
        raise DataError(
            f"no records{of_suite} in {root}; create them with: zoo bench --all, or name their "
            "folder: --records DIR"
        )
    kept = comparable(records)
    found = compare(kept, order=order)
    if suite is None:
        suite = _only([one.suite for one in found], "suite", root)
        found = [one for one in found if one.suite == suite]
    profiles = [one.profile for one in found if one.profile]
    if profile is None:
        profile = _only(profiles, "profile", root) if profiles else None
    elif profile not in profiles:
        raise DataError(
            f"no run of profile {profile!r} among the records of {suite} in {root} (existing "
            f"profiles: {', '.join(profiles) or 'none'})"
        )
    comparison = next(one for one in found if one.profile == profile)
    chosen = _selection(comparison, comparable_runs(kept, suite, profile))
    return replace(chosen, damaged=tuple(damaged))


def _only(found: Sequence[str], kind: str, root: Path) -> str:
    names = sorted(set(found))
    if len(names) > 1:
        raise DataError(
            f"{root} has records of {len(names)} {kind}s ({', '.join(names)}), which cannot be "
            f"compared; choose one: --{kind} {names[0]}"
        )
    return names[0]


def _selection(comparison: SuiteComparison, kept: Comparable) -> Selection:
    by_target: dict[tuple[str, str], list[Record]] = {}
    for record in sorted(kept, key=lambda record: (record.target.seed or 0, record.key)):
        if record.error is None:
            target = record.target
            by_target.setdefault((target.name, target.kind), []).append(record)
    labels = {(row.target, row.kind): row.label for row in comparison.rows}
    groups = {label: by_target[key] for key, label in labels.items() if key in by_target}
    said = Comparable(kept.records)  # what was left out is told by the comparison, once
    return Selection(
        comparison, said, groups, [record for record in kept if record.error is not None]
    )
