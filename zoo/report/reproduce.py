"""How to reproduce the page: the commands for the whole page and for each row.

Options that a record's own command was given and that its numbers depend on (registries, plugins,
the folder of datasets) are part of every command; folders of runs and devices are the reader's.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.recipes.book import Book
from zoo.records.record import Record
from zoo.report.model import Reproduction, ReproductionRow
from zoo.report.numbers import listing, shown_name
from zoo.report.selection import Selection
from zoo.runs.commands import SOURCES, options_in, words_of

_BENCH = ["zoo", "bench"]
_NO_COMMAND = "no command: a Python callable, scored by zoo.bench"


def reproduce(
    selection: Selection, book: Book, *, suite: str | None = None, sources: Sequence[str] = ()
) -> Reproduction:
    """Return the commands of a page.

    Args:
        selection: the records of the page, failures among them.
        book: tells which recipes are cells of a factorial.
        suite: how the suite is requested, by name or file; its name in the records where None.
        sources: command-line options for the sources of recipes and components.
    """
    suite = suite or selection.suite
    shared = options_in([*sources, *given_sources(selection.records)], SOURCES)
    budget = ["--profile", selection.profile] if selection.profile else []
    labels = {(row.target, row.kind): row.label for row in selection.comparison.rows}
    failed: dict[str, list[Record]] = {}
    for record in selection.failed:
        label = labels.get((record.target.name, record.target.kind), record.target.name)
        failed.setdefault(label, []).append(record)
    rows = []
    for label in dict.fromkeys([*selection.groups, *failed]):
        scored, crashed = selection.groups.get(label, []), failed.get(label, [])
        rows.append(_row(label, [*scored, *crashed], crashed, suite, shared))
    report = ["zoo", "report", "--suite", suite, *budget, *shared]
    return Reproduction(
        bench="\n".join(shlex.join(line) for line in _bench(selection, book, suite, shared)),
        report=shlex.join(report),
        rows=tuple(rows),
    )


def _bench(selection: Selection, book: Book, suite: str, shared: Sequence[str]) -> list[list[str]]:
    """Return the commands that train what is missing and score every recipe of the page."""
    runs = [record for record in selection.records if record.target.kind == "run"]
    end = ["--suite", suite]
    if not runs:
        return [[*_BENCH, *_baselines(selection), *end, *shared]] if _baselines(selection) else []
    alike: dict[tuple[str, ...], list[Record]] = {}
    for record in runs:
        alike.setdefault(_set_for(record), []).append(record)
    end += ["--profile", str(selection.profile)]
    return [
        [*line, *end, *_seeds(group), "--train", *options, *shared]
        for options, group in alike.items()
        for line in _asked_for(selection, group, book)
    ]


def _asked_for(selection: Selection, runs: Sequence[Record], book: Book) -> list[list[str]]:
    """Return the beginnings of the commands that ask for the recipes of runs."""
    recipes = dict.fromkeys(str(record.target.recipe) for record in runs)
    matrices = dict.fromkeys(filter(None, (_matrix(book, recipe) for recipe in recipes)))
    named = [recipe for recipe in recipes if _matrix(book, recipe) is None]
    offered = {name for name, entry in book.recipes.items() if entry.matrix is None}
    targets = ["--all"] if offered <= {*named, *_baselines(selection)} else named
    lines = [[*_BENCH, *targets]] if targets else []
    return [*lines, *([*_BENCH, "--matrix", matrix] for matrix in matrices)]


def _row(
    label: str,
    records: Sequence[Record],
    crashed: Sequence[Record],
    suite: str,
    shared: Sequence[str],
) -> ReproductionRow:
    records = sorted(records, key=lambda record: record.target.seed or 0)
    commands = dict.fromkeys(
        _complete(record.target.command, suite, shared)
        for record in records
        if record.target.command
    )
    notes = [] if commands else [_NO_COMMAND]
    seeds = [str(record.target.seed) for record in crashed if record.target.seed is not None]
    if crashed:
        notes.append(f"failed: {'seed ' + listing(sorted(seeds, key=int)) if seeds else 'scoring'}")
    return ReproductionRow(shown_name(label), "\n".join(commands), "; ".join(notes))


def _complete(command: str, suite: str, shared: Sequence[str]) -> str:
    """Add to a row's command what it does not say: the suite, and what all have in common."""
    words = words_of(command)
    if words[:2] == _BENCH and "--suite" not in words:
        words += ["--suite", suite]
    for option, value in zip(shared[::2], shared[1::2], strict=True):
        if value not in words:
            words += [option, value]
    return shlex.join(words)


def given_sources(records: Iterable[Record]) -> list[str]:
    """Return where recipes, components and data of records came from, as options; each once."""
    words = [word for record in records for word in (*_scored_by(record), *_made_by(record))]
    return options_in(words, SOURCES)


def recorded_suite(records: Iterable[Record], name: str) -> str | None:
    """Return the file of a suite as `zoo bench` was given it; None for a built-in suite."""
    words = [word for record in records for word in _scored_by(record)]
    found = options_in(words, ("--suite",))[1::2]
    return next((one for one in reversed(found) if one != name and Path(one).stem == name), None)


def recorded_data_root(records: Iterable[Record]) -> Path | None:
    """Return the folder of datasets as the last `zoo bench` was given it; None for the default."""
    words = [word for record in records for word in _scored_by(record)]
    found = options_in(words, ("--data-root",))
    return Path(found[-1]) if found else None


def _scored_by(record: Record) -> list[str]:
    """Return the words of the `zoo bench` that made a record, none where something else did."""
    words = record.provenance.get("command")
    return words if isinstance(words, list) and "bench" in words else []


def _made_by(record: Record) -> list[str]:
    return words_of(record.target.command)


def _set_for(record: Record) -> tuple[str, ...]:
    """Return the options that set something beside a run's recipe and profile.

    Older records tell that of the command that scored them alone.
    """
    words = _made_by(record) if record.target.spec else _scored_by(record)
    return tuple(options_in(words, ("--set", "--data")))


def _seeds(runs: Sequence[Record]) -> list[str]:
    return ["--seeds", str(1 + max(record.target.seed or 0 for record in runs))]


def _baselines(selection: Selection) -> list[str]:
    targets = [record.target for record in selection.records]
    return list(dict.fromkeys(target.name for target in targets if target.kind == "baseline"))


def _matrix(book: Book, recipe: str) -> str | None:
    return book.recipes[recipe].matrix if recipe in book.recipes else None
