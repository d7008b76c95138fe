"""`zoo watch`: one live page over all runs of a folder, whichever process trains them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from zoo.commands.output import Table as PlainTable
from zoo.commands.output import draws, print_table, shown, stdout
from zoo.commands.runs import (
    NOTHING,
    left_text,
    losses_text,
    name_text,
    psnr_text,
    require_folder,
    state_text,
    step_text,
)
from zoo.letters import on_one_line
from zoo.runs import RUN_ROOT
from zoo.runs.overview import Progress, RunOverview, read_overview, run_directories, stamp
from zoo.text import counted

_PERIOD: Final = 2.0
"""Seconds between two looks at the files."""
_FRAME: Final = 6
"""Lines of a page that are not runs."""
_ORDER: Final[tuple[Progress, ...]] = ("running", "damaged", "diverged", "stopped", "finished")
_STYLES: Final = {"running": "green", "damaged": "red", "diverged": "red", "stopped": "dim"}
_COLUMNS: Final = {
    "run": 0,
    "profile": 100,
    "seed": 0,
    "stage": 120,
    "step": 0,
    "left": 0,
    "losses": 160,
    "PSNR_Y": 0,
    "state": 0,
}
"""The columns of a page, and the width of a terminal from which each is shown."""
_GAP: Final = 2
_LEAST: Final = 14
"""Characters that a run's name has at least; the other columns are never cut."""


def watch(
    run_root: Annotated[
        Path, typer.Argument(metavar="[RUN_ROOT]", help="Folder of runs.", show_default=True)
    ] = RUN_ROOT,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print one page and exit.")] = False,
) -> None:
    """Watch all runs of a folder: stage, step, time left, losses, PSNR and verdict.

    Only the runs' files are read, so it works beside any process that trains, and over ssh. Ctrl-C
    ends it and no training.
    """
    require_folder(run_root)
    console, seen = stdout(), Seen(run_root)
    if once or not draws(console):
        _print_page(seen.runs(), console)
        return
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        while True:
            runs = seen.runs()
            live.update(live_page(runs, console), refresh=True)
            time.sleep(_PERIOD)


class Seen:
    """The runs of a folder; a run is read again only after its files changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[Path, tuple[tuple[object, ...], RunOverview]] = {}

    def runs(self) -> list[RunOverview]:
        """Return the runs as they are now: running ones first, then by state and path."""
        known, self._known = self._known, {}
        for path in run_directories(self._root):
            now = stamp(path)
            kept = known.get(path)
            fresh = kept if kept is not None and kept[0] == now else (now, read_overview(path))
            self._known[path] = fresh
        found = [run for _, run in self._known.values()]
        return sorted(found, key=lambda run: (_ORDER.index(run.progress), run.path))


def _print_page(runs: Sequence[RunOverview], console: Console) -> None:
    """Print all runs: on a terminal with the columns that it has room for, elsewhere with all."""
    if draws(console):
        console.print(live_page(runs, console, most=len(runs)), soft_wrap=False)
        return
    rows = [tuple(_cells(run).values()) for run in runs]
    print_table(PlainTable(_head(runs), tuple(_COLUMNS), rows))


def live_page(runs: Sequence[RunOverview], console: Console, *, most: int | None = None) -> Table:
    """Return runs with the columns that a terminal has room for.

    Args:
        runs: in their order.
        console: the terminal.
        most: number of runs that are shown at most; by default as many as it has lines for.
    """
    fitting = runs[: max(console.height - _FRAME, 1) if most is None else most]
    more = [f"{len(runs) - len(fitting)} more do not fit"] if len(fitting) < len(runs) else []
    title = "; ".join([_head(runs), *more])
    table = Table(title=title, title_justify="left", header_style="bold", box=None)
    columns = [name for name, least in _COLUMNS.items() if console.width >= least]
    rows = [{name: on_one_line(cell) for name, cell in _cells(run).items()} for run in fitting]
    widths = {name: max(len(name), *(len(row[name]) for row in rows), 1) for name in columns}
    others = sum(widths.values()) - widths["run"] + _GAP * len(columns)
    widths["run"] = min(widths["run"], max(console.width - others, _LEAST))
    for name in columns:
        table.add_column(name, overflow="ellipsis", no_wrap=True, width=widths[name])
    for run, row in zip(fitting, rows, strict=True):
        table.add_row(*(shown(row[name]) for name in columns), style=_STYLES.get(run.progress, ""))
    return table


def _head(runs: Sequence[RunOverview]) -> str:
    """Return how many runs are in which state, and how many lines of their logs are damaged."""
    counts = Counter(run.progress for run in runs)
    told = ", ".join(f"{counts[each]} {each}" for each in _ORDER if counts[each]) or "no runs"
    num_damaged = sum(run.num_damaged for run in runs)
    return (
        f"{told}; {counted(num_damaged, 'damaged line')} of logs skipped" if num_damaged else told
    )


def _cells(run: RunOverview) -> dict[str, str]:
    return {
        "run": name_text(run),
        "profile": run.profile,
        "seed": NOTHING if run.seed is None else str(run.seed),
        "stage": run.stage or NOTHING,
        "step": step_text(run),
        "left": left_text(run),
        "losses": losses_text(run),
        "PSNR_Y": psnr_text(run),
        "state": state_text(run),
    }
