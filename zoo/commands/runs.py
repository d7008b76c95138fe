"""Runs on the terminal: the tables of `zoo list runs` and `zoo watch`, and `zoo show RUN_DIR`.

Only files are read (`zoo.runs.overview`); torch is not imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from zoo.commands.output import Table, note, print_json, print_table, print_text, value_text
from zoo.errors import CheckpointError, DataError
from zoo.recipes.problems import KeyPath, dotted
from zoo.runs.overview import RunOverview, read_overview, see_runs

RUNS: Final = "runs"
NOTHING: Final = "-"
_BARS: Final = "▁▂▃▄▅▆▇█"
_MOST_BARS: Final = 16


def list_runs(where: str | None, run_root: Path, *, as_json: bool) -> None:
    """Print the runs of a folder, or those whose recipe matches a pattern.

    Args:
        where: folder or pattern; None for all runs.
        run_root: folder of runs if none is named.
        as_json: whether to print one JSON document.

    Raises:
        DataError: if there is no such folder.
    """
    root, pattern = (run_root, where or "*") if _is_pattern(where) else (Path(str(where)), "*")
    require_folder(root)
    found = [run for run in see_runs(root) if fnmatchcase(run.recipe, pattern)]
    if as_json:
        print_json("zoo.list/1", {RUNS: [run.document() for run in found]})
        return
    print_table(_table(root, found))
    for run in found:
        if run.problem:
            note(f"{run.path}: {run.problem}")
    if not found:
        note(f"no runs in {root}; zoo train RECIPE makes one")


def require_folder(root: Path) -> None:
    """Check that there is a folder of runs.

    Raises:
        DataError: if there is not.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder of runs; name the one that --run-root had")


def show_run(path: Path, *, as_json: bool) -> None:
    """Print what a run is, how far it is, and every value that it is trained with.

    Raises:
        CheckpointError: if its specification cannot be read.
    """
    run = read_overview(path)
    if run.spec is None:
        raise CheckpointError(f"{path}: {run.problem}; run its training command again")
    settings = run.spec.settings.model_dump(mode="json")
    if as_json:
        print_json("zoo.show/1", {"kind": "run", **run.document(), "values": settings})
        return
    print_text(f"{path}: {name_text(run)}, profile {run.profile}, seed {run.seed}")
    facts = [
        ("stage", str(run.stage)),
        ("step", step_text(run)),
        ("state", state_text(run)),
        ("losses", losses_text(run) or NOTHING),
        ("PSNR_Y of the held-out images", psnr_text(run) or NOTHING),
        ("pictures", str(path / "samples")),
    ]
    rows = [(dotted(name), value_text(value)) for name, value in _values(settings)]
    print_table(Table("run", ("what", "value"), facts))
    print_text("")
    print_table(Table("settings", ("setting", "value"), rows))


def name_text(run: RunOverview) -> str:
    """Return what a run is called: its recipe, and what was set beside it."""
    return " ".join((run.recipe, *run.settings))


def step_text(run: RunOverview) -> str:
    """Return how far a run is, such as `120/800`."""
    return f"{run.step}/{'?' if run.num_steps is None else run.num_steps}"


def state_text(run: RunOverview) -> str:
    """Return the verdict on a run that has ended, otherwise what its state is."""
    return run.verdict or run.progress


def left_text(run: RunOverview) -> str:
    """Return the expected time until the end of a run that is trained; empty for any other."""
    if run.progress != "running" or run.seconds_left is None:
        return ""
    return str(timedelta(seconds=round(run.seconds_left)))


def losses_text(run: RunOverview) -> str:
    """Return the last losses, such as `l1 0.0336  total 0.0336`."""
    return "  ".join(f"{name} {value:.3g}" for name, value in run.losses.items())


def psnr_text(run: RunOverview) -> str:
    """Return the course of the validations as a line of bars, and the last one in dB."""
    return f"{sparkline(run.psnr)} {run.psnr[-1]:.2f} dB" if run.psnr else ""


def sparkline(values: Sequence[float]) -> str:
    """Draw values as bars, lowest to highest; of many, the same number from each part."""
    stride = max(len(values) / _MOST_BARS, 1.0)
    kept = [values[int(index * stride)] for index in range(min(len(values), _MOST_BARS))]
    kept[-1:] = values[-1:]
    low, span = min(kept, default=0.0), max(kept, default=0.0) - min(kept, default=0.0)
    heights = [(value - low) / span if span > 0 else 0.0 for value in kept]
    return "".join(_BARS[round(height * (len(_BARS) - 1))] for height in heights)


def _is_pattern(where: str | None) -> bool:
    return where is None or (any(one in where for one in "*?[") and not Path(where).exists())


def _table(root: Path, runs: Sequence[RunOverview]) -> Table:
    columns = ("recipe", "profile", "seed", "set", "stage", "step", "verdict", "size")
    return Table(f"runs in {root}", columns, [_cells(run) for run in runs], ("recipe", "set"))


def _cells(run: RunOverview) -> tuple[str, ...]:
    document: dict[str, Any] = run.document()
    return (
        run.recipe,
        run.profile,
        NOTHING if run.seed is None else str(run.seed),
        " ".join(run.settings) or NOTHING,
        run.stage or NOTHING,
        step_text(run),
        state_text(run),
        f"{document['bytes'] / 1e6:.1f} MB",
    )


def _values(settings: Mapping[str, Any], head: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _values(value, (*head, name))
        else:
            yield (*head, name), value
