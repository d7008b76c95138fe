"""`zoo bench`: scores runs, weights files and baselines on a suite, in tables with intervals."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.bench import DEFAULT_SUITE
from zoo.commands.bench_output import FORMS, Form, print_missing, print_plan, print_result
from zoo.commands.options import (
    DataRoot,
    Device,
    Plugins,
    ProfileName,
    RecordRoot,
    Registries,
    RunRoot,
    Settings,
    Track,
    TrainingData,
    choose_profile,
    data_setting,
    open_book,
)
from zoo.commands.output import SOME_FAILED, note, progress
from zoo.errors import RecipeError, UnknownNameError, WeightsError
from zoo.metrics import metric_key, named_metrics
from zoo.runs import RUN_ROOT
from zoo.runs.commands import source_options
from zoo.tracking import create_trackers

if TYPE_CHECKING:
    from zoo.bench.api import Request, Result
    from zoo.recipes.book import Book
    from zoo.recipes.schema import ComponentSpec

_FORM = "Output format (choose one)"
_TRAINING = "Training missing runs"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Whether and how missing runs are trained first.

    Attributes:
        train: whether to train them.
        plan_only: whether to print the plan only.
        plugins: plugin files that the recipes need.
        track: programs that hear of the training.
        jobs: number of trainings at once.
    """

    train: bool
    plan_only: bool
    plugins: tuple[Path, ...]
    track: tuple[str, ...]
    jobs: int


@dataclass(frozen=True, slots=True)
class Shown:
    """How the result is printed.

    Attributes:
        form: output format.
        sort: key of the score or cost by which rows are ranked, None for the usual order.
        matrix: factorial whose effects are printed.
    """

    form: Form
    sort: str | None
    matrix: str | None


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RECIPE | MODEL | RUN_DIR | FILE]...",
        help="What to score: recipes, models, run directories or weights files; also patterns of "
        "them in quotes, such as 'esrgan*'.",
        show_default=False,
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Score every recipe.")]
MatrixName = Annotated[
    str | None,
    typer.Option("--matrix", metavar="NAME", help="Score the cells of this factorial."),
]
SuiteName = Annotated[
    str, typer.Option("--suite", metavar="NAME|FILE", help="Suite of images to score on.")
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds", min=1, metavar="N", help="Number of seeds N of every recipe: 0 to N-1."
    ),
]
GeneratorName = Annotated[
    str | None,
    typer.Option(
        "--generator",
        metavar="NAME",
        help="Generator of the weights files, written as in a recipe.",
    ),
]
Metrics = Annotated[
    list[str],
    typer.Option(
        "--metrics",
        metavar="NAME,NAME",
        default_factory=list,
        show_default=False,
        help="Metrics to show, such as psnr-y,lpips; `perceptual` stands for a group of them.",
    ),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="NAME",
        help="Rank rows by a metric or a cost, such as psnr-y or parameters; mark groups that "
        "cannot be told apart.",
    ),
]
Train = Annotated[
    bool,
    typer.Option(
        "--train",
        help="Train missing runs first. Run the command again to resume.",
        rich_help_panel=_TRAINING,
    ),
]
Plan = Annotated[
    bool,
    typer.Option("--plan", help="Print the training plan and exit.", rich_help_panel=_TRAINING),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        metavar="N",
        help="Trainings at once, each with a GPU or a share of the cores.",
        rich_help_panel=_TRAINING,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print a JSON array of rows.", rich_help_panel=_FORM)
]
AsCsv = Annotated[
    bool, typer.Option("--csv", help="Print comma-separated rows.", rich_help_panel=_FORM)
]
AsMarkdown = Annotated[
    bool, typer.Option("--markdown", help="Print Markdown tables.", rich_help_panel=_FORM)
]
AsLatex = Annotated[
    bool, typer.Option("--latex", help="Print LaTeX tables.", rich_help_panel=_FORM)
]


def bench(
    targets: Targets = None,
    *,
    everything: Everything = False,
    matrix: MatrixName = None,
    suite: SuiteName = DEFAULT_SUITE,
    profile: ProfileName = None,
    seeds: Seeds = 3,
    generator: GeneratorName = None,
    data: TrainingData = None,
    metrics: Metrics,
    sort: Sort = None,
    settings: Settings,
    train: Train = False,
    plan: Plan = False,
    track: Track,
    jobs: Jobs = 1,
    data_root: DataRoot = None,
    run_root: RunRoot = RUN_ROOT,
    records: RecordRoot = None,
    device: Device = "auto",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_markdown: AsMarkdown = False,
    as_latex: AsLatex = False,
    registry: Registries,
    plugin: Plugins,
) -> None:
    """Score generators on a suite; with --train, train missing runs first."""
    form = _form(json=as_json, csv=as_csv, markdown=as_markdown, latex=as_latex)
    book, shown = open_book(registry, plugin), tuple(named_metrics(metrics))
    asked = _asked(book, targets or [], run_root, everything=everything, matrix=matrix)
    ranked = Shown(form, _sort_key(sort, shown, suite), matrix)
    from zoo.bench.api import Request

    request = Request(
        **asked,
        profile=_profile(book, profile, device, is_needed=bool(asked["recipes"])),
        seeds=tuple(range(seeds)),
        suite=suite,
        generator=_generator(generator),
        data_root=data_root,
        run_root=run_root,
        records=records,
        device=device,
        settings=(*settings, *data_setting(data)),
        metrics=shown,
        sources=source_options(registry, plugin, data_root),
    )
    _run(book, request, Sweep(train, plan, tuple(plugin), tuple(track), jobs), ranked)


def _profile(book: Book, profile: str | None, device: str, *, is_needed: bool) -> str:
    """Return the requested profile; print the default's name if it matters."""
    chosen, reason = choose_profile(book, profile, device)
    if profile is None and is_needed:
        note(f"profile: {chosen} ({reason})")
    return chosen


def _form(**chosen: bool) -> Form:
    """Return the requested output format, by default a terminal table."""
    names = [name for name, is_chosen in chosen.items() if is_chosen]
    if len(names) > 1:
        raise RecipeError(f"choose one of {', '.join(f'--{name}' for name in names)}")
    return FORMS[names[0]] if names else FORMS["terminal"]


def _sort_key(name: str | None, asked: Sequence[str], suite: str) -> str | None:
    """Return the key of a metric or a cost; one without scores is refused before any scoring.

    Args:
        name: as it was typed.
        asked: the metrics that are shown; none for those of the suite and of plugins.
        suite: name or file of the suite.
    """
    if name is None:
        return None
    from zoo.bench.definitions import read_suite
    from zoo.bench.judges import create_metrics
    from zoo.compare.comparisons import COSTS
    from zoo.registry import METRICS

    key, metrics = metric_key(name), {metric_key(one): one for one in METRICS.names()}
    if key not in (*metrics, *COSTS):
        raise UnknownNameError("metric or cost", name, [*METRICS.names(), *COSTS])
    if key in COSTS:
        return key
    own = [one for one in METRICS.names() if METRICS.origin(one).kind != "built-in"]
    shown = asked or (*read_suite(suite).metrics, *own)
    if metrics[key] not in shown:
        raise RecipeError(
            f"--sort {name}: the table does not show this metric (it shows {', '.join(shown)}); "
            "add it with --metrics"
        )
    missing = create_metrics([metrics[key]])[metrics[key]].unavailable()
    if missing is not None:
        raise WeightsError(f"--sort {name}: {missing}")
    return key


def _generator(text: str | None) -> ComponentSpec | None:
    from zoo.recipes.targets import parse_generator

    return None if text is None else parse_generator(text)


def _asked(
    book: Book, words: Sequence[str], run_root: Path, *, everything: bool, matrix: str | None
) -> dict[str, Any]:
    """Return recipes and files to score; names are checked before torch is imported."""
    from zoo.models.store import model_files
    from zoo.recipes.matrices import matrix_cells
    from zoo.recipes.targets import sort_targets
    from zoo.runs.overview import finished_runs

    finished = functools.partial(finished_runs, run_root)
    recipes, files = sort_targets(book, words, model_files(), finished)
    if matrix is not None:
        recipes += [cell.recipe for cell in matrix_cells(book, matrix)]
    if everything:
        recipes += [name for name, entry in book.recipes.items() if entry.matrix is None]
    if not (recipes or files):
        raise RecipeError(
            "nothing to score: name recipes, run directories or weights files, or use --all or "
            "--matrix (see: zoo list recipes)"
        )
    return {"recipes": tuple(dict.fromkeys(recipes)), "files": tuple(files)}


def _run(book: Book, request: Request, sweep: Sweep, shown: Shown) -> None:
    from zoo.recipes.checks import check_book

    check_book(book)
    if sweep.train or sweep.plan_only:
        trained = _train_missing(book, request, sweep)
        if sweep.plan_only:
            return
        request = trained
    result = _score(book, request)
    print_result(book, result, request, shown.form, matrix=shown.matrix, sort=shown.sort)
    print_missing(result.missing)
    if any(record.error for record in result.records) or (sweep.train and result.missing):
        raise typer.Exit(SOME_FAILED)


def _score(book: Book, request: Request) -> Result:
    from zoo.bench.api import run_benchmark

    with progress("scoring") as advance:
        return run_benchmark(book, request, lambda done, total, _name: advance(done, total))


def _train_missing(book: Book, request: Request, sweep: Sweep) -> Request:
    """Print the plan and, unless that is all, train the runs that are not there."""
    from zoo.commands.training_progress import training_progress
    from zoo.sweep.api import plan_missing, with_trained
    from zoo.sweep.estimate import Estimator
    from zoo.tracking.base import tracked
    from zoo.train.interrupts import Interrupted
    from zoo.train.prepare import Options

    trackers = create_trackers(sweep.track)
    planned = plan_missing(book, request)
    options = Options(request.run_root, request.data_root, request.device)
    print_plan(planned, Estimator(options))
    if sweep.plan_only or not any(run.is_needed for run in planned):
        return request
    try:
        with training_progress() as shown, tracked(shown, trackers) as observer:
            return with_trained(book, request, planned, observer, sweep.plugins, sweep.jobs)
    except Interrupted as stopped:
        note(f"{stopped}, saved; run the same command again to resume")
        raise typer.Exit(stopped.exit_code) from stopped
