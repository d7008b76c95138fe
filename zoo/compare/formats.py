"""Tables of records in file formats: CSV, Markdown, LaTeX.

Each contains the rows of `zoo.compare.tables`, the protocol, and what is missing and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from zoo.compare.ranking import arranged
from zoo.compare.tables import each_row, grids, summary_of
from zoo.records.record import Record
from zoo.text import escape_csv, escape_latex, latex_table, markdown_table


def csv(records: Iterable[Record], *, order: Sequence[str] = (), sort: str | None = None) -> str:
    """Return `summary` as CSV with the columns `protocol` and `notes`; no cell is a formula."""
    comparisons = arranged(records, order=order, sort=sort)
    frame = summary_of(comparisons)
    owners = [one for one, _ in each_row(comparisons)]
    frame["protocol"] = [one.protocol for one in owners]
    frame["notes"] = [" | ".join(one.notes) for one in owners]
    for name in frame.select_dtypes(include=["string", "object"]).columns:
        frame[name] = frame[name].map(escape_csv, na_action="ignore")
    frame.columns = pd.Index([escape_csv(name) for name in frame.columns])
    return str(frame.to_csv(index=False, lineterminator="\n"))


def markdown(
    records: Iterable[Record], *, order: Sequence[str] = (), sort: str | None = None
) -> str:
    """Return tables of GitHub's Markdown, the protocol and notes below the last of each suite."""
    comparisons = arranged(records, order=order, sort=sort)
    return "\n".join(markdown_table(grid) for one in comparisons for grid in grids(one))


def latex(records: Iterable[Record], *, order: Sequence[str] = (), sort: str | None = None) -> str:
    """Return tables of LaTeX (package booktabs), protocol and notes in the captions.

    That a score is missing, and which command gets its weights, is for who makes the tables and
    not for who reads them: it stands in comments before them.
    """
    found: list[str] = []
    for one in arranged(records, order=order, sort=sort):
        reasons = {column.unavailable for column in one.columns.values() if column.unavailable}
        missing = [note for note in one.notes if note.endswith(tuple(reasons))]
        notes = tuple(note for note in one.notes if note not in missing)
        found += [f"% {escape_latex(note)}" for note in missing]
        found += [latex_table(grid) for grid in grids(replace(one, notes=notes), noted="all")]
    return "\n".join(["% needs \\usepackage{booktabs}", *found]) if found else ""
