"""A benchmark from the request to its records: used by `zoo bench` and `zoo.bench()`.

Nothing is printed and nothing is trained here (`zoo.sweep.api`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from zoo.bench import DEFAULT_SUITE
from zoo.bench.candidates import (
    Candidate,
    Failure,
    Upscaler,
    baseline_candidate,
    callable_candidate,
    foreign_candidate,
    model_candidate,
    run_candidate,
    unreadable,
    weights_candidate,
)
from zoo.bench.evaluate import Scorer
from zoo.bench.judges import create_metrics
from zoo.bench.naming import told_apart
from zoo.bench.selftest_lpips import METRIC
from zoo.bench.session import (
    Asked,
    Missing,
    check_row,
    find_recipes,
    passed_before,
    score_all,
    self_test,
)
from zoo.bench.suites import Suite, open_suite
from zoo.compare.tables import summary
from zoo.errors import IntegrityError, PluginError, UnfitFileError, ZooError
from zoo.metrics import named_metrics
from zoo.metrics.base import Metric
from zoo.models.file import is_model_file
from zoo.models.store import MODEL_FILE, model_files
from zoo.recipes.book import Book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve, written_settings
from zoo.recipes.schema import ComponentSpec, Runtime
from zoo.recipes.targets import parse_generator, sort_targets
from zoo.recipes.tree import Leaves, component_name
from zoo.records.order import Order
from zoo.records.record import Record
from zoo.records.selection import narrowed
from zoo.registry import GENERATORS, METRICS
from zoo.runs import RUN_ROOT
from zoo.runs.device import choose_device, default_profile, plan_execution

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)
RECORDS = "records"
UNCHANGED = "input"
"""Row of a suite of x1: the degraded images as they are."""
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to score, and how.

    Attributes:
        recipes: names of recipes; the baselines among the book's recipes are always scored.
        files: run directories and weights files.
        callables: Python callables by the headings of their rows.
        profile: the training budget under which recipes are compared.
        seeds: number of seeds of each recipe.
        suite: name of a suite, or the path of a YAML file.
        generator: generator of the weights files.
        data_root: folder of datasets, None for the default.
        run_root: folder of run directories.
        records: folder of records; None for the one in the run root.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.
        failures: reasons why the training of runs failed, by recipe and seed.
        settings: settings of every run besides recipe and profile, as `path=value`.
        metrics: names of metrics, in addition to the suite's.
        sources: command-line options for suite, recipes, components and data.
    """

    recipes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    callables: Mapping[str, Upscaler] = field(default_factory=dict)
    profile: str = ""
    seeds: tuple[int, ...] = (0, 1, 2)
    suite: str = DEFAULT_SUITE
    generator: ComponentSpec | None = None
    data_root: Path | None = None
    run_root: Path = RUN_ROOT
    records: Path | None = None
    device: str = "auto"
    failures: Mapping[tuple[str, int], Failure] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def asked_as(self) -> tuple[str, ...]:
        """Command-line options that select the same suite, recipes, components and data."""
        return ("--suite", self.suite, *self.sources)

    @property
    def record_root(self) -> Path:
        """The folder of records."""
        return self.run_root / RECORDS if self.records is None else self.records


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a benchmark.

    Attributes:
        suite: the suite.
        records: one for each row, baselines first.
        missing: requested runs that do not exist.
    """

    suite: Suite
    records: list[Record]
    missing: list[Missing]


def run_benchmark(book: Book, request: Request, tell: Tell | None = None) -> Result:
    """Score a request.

    The baselines come first. If a published value is known for a dataset, the protocol is tested
    against it before anything else is scored. The metrics are those of the suite, of plugins, and
    of the request.

    Args:
        book: the registry with the recipes.
        request: what to score, and how.
        tell: receives the number done, the total, and the name of the next target.

    Raises:
        ZooError: if a name, the suite or the data does not exist, or the self-test fails. An error
            of one candidate becomes the error of its record.
    """
    suite = open_suite(request.suite, data_root=request.data_root)
    execution = plan_execution(Runtime(), choose_device(request.device))
    names = dict.fromkeys([*suite.metrics, *request.metrics])
    metrics = create_metrics(list(names))
    metrics |= _given_metrics(metrics)
    scorer = Scorer(suite, metrics, execution, request.record_root)
    baselines = _baselines(book, request.profile, suite.scale)
    asked = _find(book, request, suite.scale)
    scorer.self_test = passed_before(baselines, scorer) or self_test(suite, scorer.metric(METRIC))
    order = Order(request.record_root, suite.name)
    records = score_all(baselines, scorer, order=order)
    for record in records:
        name = record.target.generator.get("name")
        if name is not None and GENERATORS.get(name).calibrates:
            check_row(suite, record)
    records += score_all(asked.candidates, scorer, tell, order=order)
    return Result(suite, order.bring_forward(records), asked.missing)


def score_baselines(book: Book, request: Request) -> None:
    """Score only the baselines of a request: an error of the suite appears before any training.

    Raises:
        ZooError: as `run_benchmark` does.
    """
    run_benchmark(book, replace(request, recipes=(), files=(), callables={}))


def chosen(
    profile: str | None,
    device: str,
    seeds: int,
    settings: Mapping[str, Any] | Sequence[str],
    metrics: str | Sequence[str],
) -> dict[str, Any]:
    """Return how a request is carried out, from the arguments of `zoo.bench`."""
    return {
        "profile": profile or default_profile(choose_device(device)),
        "device": device,
        "seeds": tuple(range(seeds)),
        "settings": tuple(written_settings(settings)),
        "metrics": tuple(named_metrics([metrics] if isinstance(metrics, str) else metrics)),
    }


def table_of(result: Result, metrics: Sequence[str]) -> DataFrame:
    """Return `zoo.compare.tables.summary` of a benchmark; `attrs["missing"]` has what is not there.

    Args:
        result: the benchmark's.
        metrics: whose scores to return; none returns all.
    """
    frame = summary(narrowed(result.records, metrics))
    frame.attrs["missing"] = [_told(run) for run in result.missing]
    return frame


def as_paths(
    data_root: str | Path | None, run_root: str | Path, records: str | Path | None
) -> dict[str, Any]:
    """Return the places of a request as paths."""
    places = {"data_root": data_root, "run_root": run_root, "records": records}
    return {name: None if place is None else Path(place) for name, place in places.items()}


def targeted(
    book: Book,
    targets: Sequence[str | Path | Upscaler],
    generator: str | None,
    sources: tuple[str, ...],
) -> Request:
    """Return a request of what is to be scored: recipes and files by name, and callables."""
    recipes, files = sort_targets(
        book, [str(one) for one in targets if not callable(one)], model_files()
    )
    return Request(
        recipes=tuple(recipes),
        files=tuple(files),
        callables=_headed([one for one in targets if callable(one)]),
        generator=None if generator is None else parse_generator(generator),
        sources=sources,
    )


def _told(run: Missing) -> dict[str, str | int]:
    """Log that a run is missing, and return its description."""
    logger.warning("no row for %s seed %d: %s; %s", run.recipe, run.seed, run.reason, run.command)
    return asdict(run)


def _given_metrics(known: Iterable[str]) -> dict[str, Metric]:
    """Return the plugins' metrics that can be computed; log and skip broken ones.

    Args:
        known: names of the requested metrics.
    """
    given: dict[str, Metric] = {}
    for name in METRICS.names():
        if METRICS.origin(name).kind != "built-in" and name not in known:
            try:
                given |= create_metrics([name])
            except PluginError as error:
                logger.warning("no column %s: %s", name, error)
    return given


def baseline_names(book: Book) -> list[str]:
    """Return the recipes that need no training, in the registry's order."""
    return [name for name, entry in book.recipes.items() if _trains_nothing(entry.leaves)]


def _trains_nothing(leaves: Leaves) -> bool:
    name = component_name(leaves, ("generator",))
    known = isinstance(name, str) and name in GENERATORS.names()
    return known and not GENERATORS.get(name).trainable


def _baselines(book: Book, profile: str, scale: int) -> list[Candidate]:
    """Return the recipes that need no training at this scale; at x1 the images as they are."""
    if scale == 1:
        return [callable_candidate(UNCHANGED, _unchanged, scale=1)]
    names = [name for name in baseline_names(book) if scale in _scales(book.recipe(name).leaves)]
    at_scale = [f"scale={scale}"]
    return [
        baseline_candidate(complete(resolve(book, name, profile, settings=at_scale)).spec)
        for name in names
    ]


def _scales(leaves: Leaves) -> frozenset[int]:
    scales: frozenset[int] = GENERATORS.get(component_name(leaves, ("generator",))).scales
    return scales


def _unchanged(lr_image: Tensor) -> Tensor:
    return lr_image


def _find(book: Book, request: Request, scale: int) -> Asked:
    asked = find_recipes(
        book,
        [name for name in request.recipes if name not in baseline_names(book)],
        profile=request.profile,
        seeds=request.seeds,
        run_root=request.run_root,
        settings=request.settings,
        failures=request.failures,
        sources=request.sources,
    )
    found = [_from_file(book, path, request.generator, scale) for path in request.files]
    asked.candidates += told_apart(found, request.files, asked.candidates)
    asked.candidates += [
        callable_candidate(name, function, scale=scale)
        for name, function in request.callables.items()
    ]
    return asked


def _from_file(book: Book, path: Path, generator: ComponentSpec | None, scale: int) -> Candidate:
    if (path / MODEL_FILE).is_file():
        path = path / MODEL_FILE
    try:
        if path.is_dir():
            return run_candidate(path, book)
    except (IntegrityError, PluginError, UnfitFileError) as error:
        return unreadable(path, "run", str(error), scale=scale)
    try:
        if generator is None and is_model_file(path):
            return model_candidate(path)
    except (IntegrityError, UnfitFileError) as error:
        return unreadable(path, "weights", str(error), scale=scale)
    if generator is not None:
        return weights_candidate(path, generator, scale=scale)
    try:
        return foreign_candidate(path)
    except ZooError as error:
        return unreadable(path, "weights", str(error), scale=scale)


def _headed(functions: Sequence[Upscaler]) -> dict[str, Upscaler]:
    """Give each callable its own row; append a number to a heading that is already used."""
    headed: dict[str, Upscaler] = {}
    for function in functions:
        heading, number = _heading(function), 1
        while heading in headed:
            number += 1
            heading = f"{_heading(function)}-{number}"
        headed[heading] = function
    return headed


def _heading(function: Upscaler) -> str:
    """Return the name of a function, of the function in a `partial`, or of an object's type."""
    if isinstance(function, partial):
        return _heading(function.func)
    if isinstance(function, nn.Module):
        return type(function).__name__
    return str(getattr(function, "__name__", type(function).__name__))
