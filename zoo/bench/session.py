"""One benchmark: the request, the candidates, and their records.

Nothing is trained here. A missing run is listed with the command that trains it. A failed run
becomes an error record, and the others are scored.
"""

from __future__ import annotations

import itertools
import logging
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from zoo.bench.candidates import (
    Candidate,
    Failure,
    failed_candidate,
    run_candidate,
)
from zoo.bench.evaluate import Scorer
from zoo.bench.selftest import PUBLISHED, check_bicubic, score_bicubic, why_unchecked
from zoo.bench.selftest_lpips import check_lpips
from zoo.bench.suites import Suite, SuiteDataset
from zoo.errors import DataError, RecipeError, ZooError, staying
from zoo.metrics.base import Metric
from zoo.models.initial import StartError, specified_seeds
from zoo.recipes.book import Book
from zoo.recipes.schema import RunSpec
from zoo.records.order import Order
from zoo.records.record import Record, Target, forget_failure, read_record, write_record
from zoo.runs.commands import root_options, set_options, train_command
from zoo.runs.directory import run_path
from zoo.runs.provenance import revision, versions
from zoo.runs.run_state import RunState, find_run

logger = logging.getLogger(__name__)
CHECKED = ("psnr_y", "ssim_y")


@dataclass(frozen=True, slots=True)
class Missing:
    """A run that was requested and is not there.

    Attributes:
        recipe: its recipe.
        seed: its seed.
        reason: why it cannot be scored.
        command: what makes it.
    """

    recipe: str
    seed: int
    reason: str
    command: str


@dataclass(slots=True)
class Asked:
    """What a benchmark is asked to score: candidates, and runs that are not there."""

    candidates: list[Candidate] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def find_recipes(
    book: Book,
    recipes: Iterable[str],
    *,
    profile: str,
    seeds: Sequence[int],
    run_root: Path,
    settings: Sequence[str] = (),
    failures: Mapping[tuple[str, int], Failure] | None = None,
    sources: Sequence[str] = (),
) -> Asked:
    """Find the runs of recipes under a profile, for every seed.

    Args:
        book: where the recipes are defined.
        recipes: their names.
        profile: the budget they are compared under.
        seeds: the seeds to score.
        run_root: folder of run directories.
        settings: what is set besides recipe and profile, as `path=value`.
        failures: why training failed, by recipe and seed; these become error records. So does a
            run that is there and cannot be read.
        sources: command-line options for the sources of recipes, components and data.

    Raises:
        RecipeError: if there is no seed, or a recipe does not fit the profile.
    """
    if not seeds:
        raise RecipeError("the number of seeds must be at least 1")
    asked, failed = Asked(), failures or {}
    for recipe in recipes:
        try:
            specs = specified_seeds(
                book, recipe, profile, seeds, settings=settings, run_root=run_root
            )
        except StartError as error:
            options = (*set_options(settings), *sources, *root_options(run_root))
            asked.missing += _without_start(recipe, profile, seeds, str(error), options)
            continue
        for spec in specs:
            found = find_run(spec, run_root)
            failure = _failure(found) or failed.get((recipe, spec.seed))
            if found.path is not None:
                asked.candidates.append(_read(found.path, spec, book, sources))
            elif failure is not None:
                asked.candidates.append(failed_candidate(spec, failure, sources))
            else:
                asked.missing.append(_missing(spec, found, run_root, sources))
    return asked


def score_all(
    candidates: Sequence[Candidate],
    scorer: Scorer,
    tell: Callable[[int, int, str], None] | None = None,
    *,
    order: Order | None = None,
) -> list[Record]:
    """Return the record of each candidate; those there are already are read, not made again.

    Args:
        candidates: what to score.
        scorer: suite, metrics and device.
        tell: receives the number done, the total, and the next name.
        order: gives new records their places; None for one of this call.
    """
    records = []
    order = order or Order(scorer.records, scorer.suite.name)
    for number, candidate in enumerate(candidates):
        if tell is not None:
            tell(number, len(candidates), candidate.target.name)
        records.append(_record(candidate, scorer, order))
    if tell is not None:
        tell(len(candidates), len(candidates), "")
    return records


def self_test(suite: Suite, lpips: Metric | None = None) -> dict[str, str]:
    """Compare bicubic interpolation, scored here and now, with what is published.

    Args:
        suite: what is scored on.
        lpips: LPIPS on AlexNet, to be tested too; None if it is not scored.

    Returns:
        For each dataset what came out, or why it has no published value to be compared with.

    Raises:
        IntegrityError: if a published value is missed; the message says which link is off.
    """
    found = {}
    for dataset in suite.datasets:
        if dataset.skipped is not None:
            continue
        unchecked = _why_unchecked(dataset, suite.scale)
        if unchecked is None:
            scores = score_bicubic(dataset, suite.scale)
            check_bicubic(dataset.name, suite.scale, scores.psnr, scores.ssim, dataset)
            published = PUBLISHED[dataset.name, suite.scale]
            found[dataset.name] = (
                f"passed: bicubic {scores.psnr:.3f} dB / {scores.ssim:.4f}, published "
                f"{published.psnr:.2f} / {published.ssim:.4f}"
            )
            if lpips is not None:
                said = check_lpips(dataset.name, suite.scale, dataset, lpips)
                found[dataset.name] += f"; {said}" if said else ""
        else:
            found[dataset.name] = f"not tested: {unchecked}"
    return found


def passed_before(baselines: Sequence[Candidate], scorer: Scorer) -> dict[str, str]:
    """Return what the self-test found when a baseline was scored with this very software.

    Empty where no baseline was, or where the software has changed since: versions, git revision, or
    a clone with uncommitted changes, of which it is unknown what they change.
    """
    here, code = versions(), revision()
    if code is not None and code["dirty"]:
        return {}
    for candidate in baselines:
        known = scorer.known(candidate)
        made = {} if known is None else read_record(known).provenance
        if (made.get("versions"), made.get("git")) == (here, code):
            found: dict[str, str] = made.get("self_test", {})
            return found
    return {}


def check_row(suite: Suite, record: Record) -> None:
    """Compare the row of bicubic interpolation with what is published: it was scored as all are.

    Raises:
        DataError: if it could not be scored at all.
        IntegrityError: if a published value is missed.
    """
    if record.error is not None:
        raise DataError(f"could not score the baseline {record.target.name}: {record.error}")
    for dataset in suite.datasets:
        if dataset.skipped is None and _why_unchecked(dataset, suite.scale) is None:
            scores = [record.scored[dataset.name, name] for name in dataset.names]
            if all(key in row for row in scores for key in CHECKED):
                psnr_y, ssim_y = (fmean(row[key] for row in scores) for key in CHECKED)
                check_bicubic(dataset.name, suite.scale, psnr_y, ssim_y, dataset)


def _why_unchecked(dataset: SuiteDataset, scale: int) -> str | None:
    """Return why the score of bicubic interpolation is not compared with a published one."""
    if dataset.made_by is not None:
        return (
            f"its LR images are made with {dataset.made_by}; published scores are of bicubic ones"
        )
    return why_unchecked(dataset.name, scale)


def _failure(found: RunState) -> Failure | None:
    """Return why a run that is there is lost, None for one that can still be made."""
    if found.state in ("diverged", "damaged"):
        return Failure(found.reason, diverged=found.state == "diverged")
    return None


def _read(path: Path, spec: RunSpec, book: Book, sources: Sequence[str]) -> Candidate:
    """Return a run as a candidate; one that cannot be read costs its own row."""
    try:
        return run_candidate(path, book)
    except (ZooError, OSError) as error:
        logger.warning("%s: %s", path, error)
        return failed_candidate(spec, Failure(str(error)), sources)
    except Exception as error:  # what a damaged file of a run may raise is not foreseen
        logger.exception("could not read %s", path)
        reason = f"could not read {path}: {type(error).__name__}: {error}"
        return failed_candidate(spec, Failure(reason), sources)


def _missing(spec: RunSpec, found: RunState, run_root: Path, sources: Sequence[str]) -> Missing:
    """Return what makes a run; where another one is in its place, what makes it beside that."""
    root = run_root if found.can_be_trained else _free_root(spec, run_root)
    command = train_command(spec, (*sources, *root_options(root)))
    return Missing(spec.recipe, spec.seed, found.reason, command)


def _without_start(
    recipe: str, profile: str, seeds: Iterable[int], reason: str, options: Sequence[str]
) -> list[Missing]:
    """Return the runs of a recipe whose initial weights are not there."""
    train = ("zoo", "train", recipe, "--profile", profile, "--seed")
    return [
        Missing(recipe, seed, reason, shlex.join([*train, str(seed), *options])) for seed in seeds
    ]


def _free_root(spec: RunSpec, run_root: Path) -> Path:
    """Return the first numbered folder beside a folder of runs that does not have this run."""
    numbered = (run_root.with_name(f"{run_root.name}-{number}") for number in itertools.count(2))
    return next(root for root in numbered if not run_path(spec, root).exists())


def _record(candidate: Candidate, scorer: Scorer, order: Order) -> Record:
    known = scorer.known(candidate)
    record = _score(candidate, scorer, order) if known is None else read_record(known)
    if record.error is None and candidate.place:
        lost = Target(name=candidate.place, kind=record.target.kind)
        forget_failure(scorer.records, record.model_copy(update={"target": lost}))
    return record


def _score(candidate: Candidate, scorer: Scorer, order: Order) -> Record:
    try:
        with staying():
            record = scorer.score(candidate)
    except ZooError as error:
        logger.warning("%s: %s", candidate.target.name, error)
        record = scorer.failure(candidate, str(error))
    except Exception as error:  # a bug of one generator costs one row; its traceback is kept
        logger.exception("could not score %s", candidate.target.name)
        record = scorer.failure(candidate, f"{type(error).__name__}: {error}")
    record = order.placed(record)
    write_record(scorer.records, record)
    return record
