"""How commands print: tables and JSON to stdout; notes, logs and errors to stderr.

On a terminal, rich draws tables. Elsewhere they are aligned plain text, one line for each row,
never cut or wrapped, for `grep` and `awk`. rich respects `NO_COLOR`. All text goes through
`shown`, which makes terminal control characters visible. The commands decide what is printed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table as RichTable
from rich.text import Text

from zoo.letters import on_one_line, visible
from zoo.text import WORTH_SAYING

GAP = "  "
PROGRESS_SHARES = 10
SOME_FAILED: Final = 3
"""Exit code of a command that did a part of its work."""
SETTLED: Final = 5.0
"""Seconds after which the speed so far is an estimate; the first ones include connecting."""
_PERIOD: Final = 600.0
"""Seconds over which a bar estimates its speed: one unit of work may take a minute."""
_BAR = (
    TextColumn("{task.description}", markup=False),
    *(BarColumn(), TaskProgressColumn(), TimeRemainingColumn()),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; cells are printed literally, never read as markup.

    Attributes:
        title: above the table.
        columns: their headings.
        rows: one cell a column.
        folds: columns that a narrow terminal may fold, in a table without borders; None for a
            table with borders whose columns all may be folded.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    folds: tuple[str, ...] | None = None


def stdout() -> Console:
    """Return the console of results."""
    return Console(soft_wrap=True, highlight=False)


def stderr() -> Console:
    """Return the console for everything else."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def shown(text: str, style: str = "") -> Text:
    """Return text that can be printed safely: no markup, no escape codes."""
    return Text(visible(text), style=style)


def draws(console: Console) -> bool:
    """Whether a console can move its cursor: a terminal other than `dumb`."""
    return console.is_terminal and not console.is_dumb_terminal


def print_table(table: Table) -> None:
    """Print a table to stdout, unless it has no rows."""
    if not table.rows:
        return
    console, cleaned = stdout(), _cleaned(table)
    if draws(console):
        console.print(_drawn(cleaned), soft_wrap=False)
    else:
        console.print(shown("\n".join(_aligned(cleaned))))


def print_tables(tables: Sequence[Table]) -> None:
    """Print several tables, separated by empty lines."""
    for number, table in enumerate([table for table in tables if table.rows]):
        if number:
            stdout().print()
        print_table(table)


def print_text(text: str) -> None:
    """Print one result to stdout, literally."""
    stdout().print(shown(text))


def value_text(value: Any) -> str:
    """Write a value as in a registry file."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(value_text(item) for item in value)}]"
    return str(value)


def print_json(schema: str, document: dict[str, Any]) -> None:
    """Print one JSON document to stdout, its schema's name first; in ASCII, for any encoding."""
    print_text(json.dumps({"schema": schema, **document}, indent=2, default=str))


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows to stdout as a JSON array; NaN and infinity raise an error."""
    print_text(json.dumps(list(rows), indent=2, allow_nan=False, default=str))


def note(text: str) -> None:
    """Print a remark to stderr, such as a default that was chosen or the next command."""
    stderr().print(shown(text, "dim"))


def print_error(error: Exception) -> None:
    """Print a user's error as one paragraph to stderr."""
    stderr().print(Text.assemble(("Error: ", "bold red"), shown(str(error))))


@contextmanager
def progress(description: str, *, of_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show progress and the time left.

    On a terminal this is a bar. Elsewhere it is one line for each tenth; if the remaining time is
    long, one more line prints it as soon as it is known.

    Args:
        description: the work in progress.
        of_bytes: whether the units are bytes; then the total is printed.

    Yields:
        A function to call with the units done and the total, 0 if the total is unknown.
    """
    console, description = stderr(), visible(description)
    if draws(console):
        columns = (*_BAR, *((DownloadColumn(), TransferSpeedColumn()) if of_bytes else ()))
        with Progress(*columns, console=console, speed_estimate_period=_PERIOD) as bar:
            task = bar.add_task(description, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total or None)
    else:
        yield _plain_progress(console, description, of_bytes=of_bytes)


class LogHandler(logging.Handler):
    """Writes log records to the current stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        style = "yellow" if record.levelno >= logging.WARNING else ""
        stderr().print(shown(self.format(record), style))


def configure_logging(level: int) -> None:
    """Send the library's log records of this level and above to stderr."""
    logger = logging.getLogger("zoo")
    logger.handlers[:] = [LogHandler()]
    logger.setLevel(level)


def _plain_progress(
    console: Console, description: str, *, of_bytes: bool
) -> Callable[[int, int], None]:
    since, reached, predicted = time.monotonic(), 0, False

    def report(done: int, total: int) -> None:
        nonlocal reached, predicted
        passed = time.monotonic() - since
        seconds = passed * (total - done) / max(done, 1)
        is_long = seconds >= WORTH_SAYING and passed >= SETTLED
        left = f"about {timedelta(seconds=round(seconds))} left"
        if of_bytes and not total:  # a line each time that it has doubled
            share, told = done.bit_length(), f"{_size(done)} of an unknown total"
        else:
            share = PROGRESS_SHARES * done // max(total, 1)
            told = f"{100 * share // PROGRESS_SHARES}%"
            told += f" of {_size(total)}" if of_bytes else ""
            told += f", {left}" if is_long else ""
        if share > reached:
            console.print(shown(f"{description}: {told}"))
        elif done and is_long and not predicted:
            console.print(shown(f"{description}: {left}"))
        reached = max(share, reached)
        predicted = predicted or (done > 0 and passed >= SETTLED)

    return report


def _cleaned(table: Table) -> Table:
    """Return a table with one line in every cell and no invisible characters."""

    def line(cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(on_one_line(cell) for cell in cells)

    rows = [line(row) for row in table.rows]
    return replace(table, title=visible(table.title), columns=line(table.columns), rows=rows)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"


def _drawn(table: Table) -> RichTable:
    drawn = RichTable(title=Text(table.title), title_justify="left", header_style="bold")
    if table.folds is not None:
        drawn.box = None
    for column in table.columns:
        may_fold = table.folds is None or column in table.folds
        drawn.add_column(Text(column), overflow="fold", no_wrap=not may_fold)
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def _aligned(table: Table) -> Iterator[str]:
    yield table.title
    lines = [table.columns, *table.rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(table.columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield GAP.join(cells).rstrip()
