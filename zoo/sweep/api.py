"""The body of `zoo.bench()`: score runs, and train missing ones first if requested.

Not here: scoring (`zoo.bench`), printing (`zoo.commands`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.bench import DEFAULT_SUITE
from zoo.bench.api import (
    Request,
    as_paths,
    baseline_names,
    chosen,
    run_benchmark,
    score_baselines,
    table_of,
    targeted,
)
from zoo.bench.candidates import Failure, Upscaler
from zoo.recipes.book import Book
from zoo.recipes.checks import checked_book
from zoo.runs import RUN_ROOT
from zoo.runs.commands import source_options
from zoo.sweep.engine import Settings, run_jobs
from zoo.sweep.parallel import run_together
from zoo.sweep.plan import PlannedRun, plan_runs, specs_of
from zoo.train.observer import Observer

if TYPE_CHECKING:
    from pandas import DataFrame


def bench(
    *targets: str | Path | Upscaler,
    suite: str = DEFAULT_SUITE,
    profile: str | None = None,
    seeds: int = 3,
    generator: str | None = None,
    data_root: str | Path | None = None,
    run_root: str | Path = RUN_ROOT,
    records: str | Path | None = None,
    device: str = "auto",
    settings: Mapping[str, Any] | Sequence[str] = (),
    metrics: str | Sequence[str] = (),
    registry: Sequence[str | Path] = (),
    plugins: Sequence[str | Path] = (),
    train: bool = False,
    jobs: int = 1,
    observer: Observer | None = None,
) -> DataFrame:
    """Score runs, weights files and callables; return the table of `zoo.compare.tables.summary`.

    Its `attrs["missing"]` lists the missing runs. Errors are those of `run_benchmark`.

    Args:
        targets: recipes, run directories, models, weights files, or callables as `Upscaler`.
        suite: name of a suite, see `zoo.list("suites")`, or the path of a YAML file.
        profile: by default the device's.
        seeds: number of seeds of each recipe.
        generator: generator of the weights files, written as in a recipe, such as `rrdb`.
        data_root: folder of datasets; by default `$ZOO_DATA`, otherwise zoo's own.
        run_root: folder of runs.
        records: folder of records; by default the one in `run_root`.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.
        settings: such as `{"generator.num_blocks": 8}`, or a list of `"path=value"`.
        metrics: the scores to return, such as `("psnr-y", "perceptual")`; by default the suite's.
        registry: files of recipes, in addition to the built-in ones.
        plugins: Python files with components; zoo executes them.
        train: whether to train missing runs first, in a separate process.
        jobs: number of trainings at once, each with a GPU or a share of the cores.
        observer: receives the events of that training.

    Example:
        >>> import zoo
        >>> table = zoo.bench("bicubic", metrics="psnr-y", device="cpu")
    """
    book, sources = checked_book(registry, plugins), source_options(registry, plugins, data_root)
    how = chosen(profile, device, seeds, settings, metrics) | as_paths(data_root, run_root, records)
    request = replace(targeted(book, targets, generator, sources), suite=suite, **how)
    if train:
        request = with_trained(book, request, plan_missing(book, request), observer, plugins, jobs)
    return table_of(run_benchmark(book, request), request.metrics)


def plan_missing(book: Book, request: Request) -> list[PlannedRun]:
    """Return the state of each run of a benchmark, in training order."""
    fixed = baseline_names(book)
    recipes = [name for name in request.recipes if name not in fixed]
    specs = specs_of(
        book,
        recipes,
        request.profile,
        request.seeds,
        request.settings,
        run_root=request.run_root,
    )
    return plan_runs(specs, request.run_root)


def with_trained(
    book: Book,
    request: Request,
    planned: Sequence[PlannedRun],
    observer: Observer | None = None,
    plugins: Sequence[str | Path] = (),
    jobs: int = 1,
) -> Request:
    """Train what is missing; return the request with the reasons why some runs could not be.

    The baselines are scored first: a suite without images or a failed self-test stops this before
    the training.

    Args:
        book: the registry with the recipes.
        request: what is scored afterwards.
        planned: its runs, see `plan_missing`.
        observer: hears of progress, and what came of each run.
        plugins: files that the recipes need.
        jobs: number of trainings at once.

    Raises:
        ZooError: if the baselines cannot be scored, see `run_benchmark`.
        MachineError: if there are fewer GPUs than jobs.
        Interrupted: if Ctrl-C or a signal asked to stop; the state of the run at hand is saved, and
            the same call resumes it.
    """
    specs = [run.spec for run in planned if run.is_needed]
    if specs:
        score_baselines(book, request)
    files = tuple(Path(file) for file in plugins)
    settings = Settings(request.run_root, request.data_root, request.device, files, request.sources)
    observer, failures = observer or Observer(), {}
    outcomes = (
        run_jobs(specs, settings, observer)
        if jobs == 1
        else run_together(specs, settings, observer, jobs)
    )
    for number, outcome in enumerate(outcomes, start=1):
        spec = outcome.spec
        what = f"{number} of {len(specs)}: {spec.recipe} seed {spec.seed}"
        observer.notice(f"{what} {outcome.status} {outcome.message}".rstrip())
        if outcome.status != "finished":
            diverged = outcome.status == "diverged"
            failures[spec.recipe, spec.seed] = Failure(outcome.message, diverged)
    return replace(request, failures=failures)
