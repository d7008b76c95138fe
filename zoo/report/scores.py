"""The tables of scores: one for each dataset, the mean of a whole suite, each seed.

Not here: means and intervals (`zoo.compare.comparisons`), how values are written
(`zoo.report.numbers`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from zoo.compare.comparisons import MEAN, SuiteComparison
from zoo.compare.comparisons import Row as Compared
from zoo.compare.seed_means import Score
from zoo.metrics import PROBES, metric_key
from zoo.recipes.claims import COST_KEYS
from zoo.records.record import Record
from zoo.report.model import Fact, Row, ScoreCell, ScoreHeading, ScoreTable, SeedRow
from zoo.report.numbers import Writer, seconds_text, short_paths, shown_name
from zoo.report.palette import Mark
from zoo.report.selection import Selection
from zoo.text import counted

SCORES = "Image scores"
COSTS = "Cost"
_KINDS = {"baseline": "no training", "weights": "weights file", "callable": "Python function"}
_EMPTY = ScoreCell("")
_MOST_BEST = 2
TIME = "ms_per_megapixel"
_FIRST = ("psnr_y", "lpips_alex", "lpips", "dists", "niqe", "lite1_distance", "haarpsi")
"""The columns that come first: fidelity, then perceived quality."""
_NEVER_BEST = {metric_key(name) for name in PROBES}
"""What tells how a generator is built: without BatchNorm the gap is 0, and no achievement."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as it is written: its heading, and by row the cells of the mean and the seeds."""

    heading: ScoreHeading
    means: Mapping[str, ScoreCell]
    seeds: Mapping[str, tuple[ScoreCell, ...]]


def score_tables(
    selection: Selection, marks: Mapping[str, Mark], cells: Mapping[str, tuple[str, str]]
) -> tuple[ScoreTable, ...]:
    """Return a table for each dataset that was scored, and the suite's mean where none is missing.

    Args:
        selection: the records and their comparison.
        marks: how each row is drawn.
        cells: of each row that is a cell of a factorial that factorial and the cell's levels.
    """
    comparison = selection.comparison
    tables = []
    for name in (*comparison.datasets, MEAN):
        rows = [row for row in comparison.rows if row.dataset == name and row.scores]
        if not rows or (name == MEAN and len(comparison.datasets) == 1):
            continue
        is_mean = name == MEAN
        datasets = comparison.datasets if is_mean else (name,)
        images = counted(max(row.images for row in rows), "image")
        note = f"{len(datasets)} datasets with equal weight, {images}" if is_mean else images
        title = "Mean of the suite" if is_mean else shown_name(name)
        tables.append(_table(title, note, datasets, rows, selection, marks, cells))
    return tuple(tables)


def skipped_datasets(comparison: SuiteComparison) -> tuple[Fact, ...]:
    """Return the datasets that were not scored, and why."""
    reasons = {row.dataset: row.skipped for row in comparison.rows if row.dataset and row.skipped}
    return tuple(
        Fact(shown_name(name), short_paths(reason), warning=True)
        for name, reason in reasons.items()
        if reason
    )


def dataset_means(record: Record, datasets: Sequence[str]) -> dict[str, float]:
    """Return a record's mean by metric key, over the images of each dataset and then over these.

    A metric that misses on any image is excluded.
    """
    means: list[dict[str, float]] = []
    for dataset in record.datasets:
        if dataset.name in datasets and dataset.images:
            shared = set.intersection(*(set(image.scores) for image in dataset.images))
            means.append(
                {key: fmean(image.scores[key] for image in dataset.images) for key in shared}
            )
    if not means or len(means) < len(datasets):
        return {}
    keys = set.intersection(*(set(mean) for mean in means))
    return {key: fmean(mean[key] for mean in means) for key in keys}


def _table(
    title: str,
    note: str,
    datasets: tuple[str, ...],
    compared: Sequence[Compared],
    selection: Selection,
    marks: Mapping[str, Mark],
    cells: Mapping[str, tuple[str, str]],
) -> ScoreTable:
    labels = sorted((row.label for row in compared), key=lambda label: label in cells)
    groups = {label: selection.groups[label] for label in labels}
    rivals = set(groups) - set(selection.baselines) - set(cells)
    columns = [
        *_score_columns(
            compared, groups, selection.comparison, datasets, rivals, selection.baselines
        ),
        *_cost_columns(compared, groups, selection.comparison, rivals),
    ]
    rows = tuple(
        Row(
            name=shown_name(cells[label][1] if label in cells else label),
            full_name=shown_name(label),
            matrix=cells[label][0] if label in cells else "",
            mark=marks[label],
            is_baseline=label in selection.baselines,
            note=_KINDS.get(records[0].target.kind) or counted(len(records), "seed"),
            cells=tuple(column.means.get(label, _EMPTY) for column in columns),
            seeds=_seed_rows(records, [column.seeds[label] for column in columns]),
        )
        for label, records in groups.items()
    )
    headings = tuple(column.heading for column in columns)
    names = list(dict.fromkeys(heading.group for heading in headings))
    counts = tuple((name, sum(heading.group == name for heading in headings)) for name in names)
    folds = Counter(row.matrix for row in rows if row.matrix)
    shown = {heading.key for heading in headings}
    return ScoreTable(
        title,
        note,
        counts,
        headings,
        rows,
        tuple(folds.items()),
        _lacking(selection.comparison, shown),
        datasets,
    )


def _lacking(comparison: SuiteComparison, shown: Container[str]) -> tuple[str, ...]:
    """Return the scores without a value in any row, and why."""
    columns = {key: comparison.columns[key] for key in comparison.score_keys if key not in shown}
    return tuple(
        f"{column.label} ({short_paths(column.unavailable or 'not of every image')})"
        for column in columns.values()
    )


def _in_order(keys: Iterable[str]) -> list[str]:
    """Return scores with fidelity first and perceived quality beside it, the others as they are."""
    known = list(keys)
    return sorted(known, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))


def _score_columns(
    compared: Sequence[Compared],
    groups: Mapping[str, Sequence[Record]],
    comparison: SuiteComparison,
    datasets: Sequence[str],
    rivals: Container[str],
    baselines: Container[str],
) -> list[_Column]:
    """Return the columns that have a value in any row."""
    seeds = {
        label: [dataset_means(record, datasets) for record in records]
        for label, records in groups.items()
    }
    found = []
    for key in _in_order(comparison.score_keys):
        means = {row.label: row.scores[key] for row in compared if key in row.scores}
        if means:
            of_seeds = {label: [mean.get(key) for mean in every] for label, every in seeds.items()}
            known = _rivals({n: rs for n, rs in groups.items() if n in rivals}, key)
            direction = comparison.columns[key].higher_is_better
            below = _below_baseline(means, baselines, higher_is_better=direction)
            column = _column(comparison, key, SCORES, means, of_seeds, rivals=known, below=below)
            found.append(column)
    return found


def _below_baseline(
    means: Mapping[str, Score], baselines: Container[str], *, higher_is_better: bool | None
) -> set[str]:
    """Return the rows whose mean is worse than that of a baseline."""
    floor = [score.mean for label, score in means.items() if label in baselines]
    if higher_is_better is None or not floor:
        return set()
    sign = 1 if higher_is_better else -1
    least = max(sign * mean for mean in floor)
    return {label for label, score in means.items() if sign * score.mean < least}


def _cost_columns(
    compared: Sequence[Compared],
    groups: Mapping[str, Sequence[Record]],
    comparison: SuiteComparison,
    rivals: Container[str],
) -> list[_Column]:
    """Return the columns of the costs; beside a time stand the least and the most of its seeds.

    A time is never marked as best: other work on the machine may have affected it.
    """
    found = []
    for key in COST_KEYS:
        seeds = {label: [r.cost.get(key) for r in rs] for label, rs in groups.items()}
        means = {row.label: Score(row.cost[key]) for row in compared if key in row.cost}
        if key == TIME:
            means = {label: _spread(score, seeds[label]) for label, score in means.items()}
        if means:
            known = set() if key == TIME else {label for label in means if label in rivals}
            found.append(_column(comparison, key, COSTS, means, seeds, rivals=known))
    return found


def _spread(score: Score, seeds: Sequence[float | None]) -> Score:
    known = [seed for seed in seeds if seed is not None]
    return Score(score.mean, min(known), max(known)) if len(known) > 1 else score


def _rivals(groups: Mapping[str, Sequence[Record]], key: str) -> set[str]:
    """Return those of some rows that may be the best of a score.

    Not what was trained against the score's own network; not a single seed beside rows of several,
    whose luck is averaged out.
    """
    if key in _NEVER_BEST:
        return set()
    found = {
        label: records
        for label, records in groups.items()
        if not any(key in r.provenance.get("trained_against", {}) for r in records)
    }
    runs = {label: len(rs) for label, rs in found.items() if rs[0].target.kind == "run"}
    several = max(runs.values(), default=0) > 1
    return {label for label in found if not (several and runs.get(label) == 1)}


def _column(
    comparison: SuiteComparison,
    key: str,
    group: str,
    means: Mapping[str, Score],
    seeds: Mapping[str, Sequence[float | None]],
    *,
    rivals: set[str],
    below: Container[str] = (),
) -> _Column:
    column = comparison.columns[key]
    writer = Writer(column, [score.mean for score in means.values()])
    direction = {True: "higher", False: "lower", None: "zero"}[column.higher_is_better]
    heading = ScoreHeading(key, column.label, writer.unit, direction, group, is_timed=key == TIME)
    competing = {label: score.mean for label, score in means.items() if label in rivals}
    best = {label for label in _best(competing, direction, writer) if label not in below}
    return _Column(
        heading,
        {label: _cell(score, writer, is_best=label in best) for label, score in means.items()},
        {
            label: tuple(_EMPTY if v is None else _cell(Score(v), writer) for v in values)
            for label, values in seeds.items()
        },
    )


def _cell(score: Score, writer: Writer, *, is_best: bool = False) -> ScoreCell:
    interval, ends = "", None
    if score.low is not None and score.high is not None:
        interval, ends = writer.interval(score.low, score.high), (score.low, score.high)
    return ScoreCell(writer.write(score.mean), score.mean, interval, ends, is_best)


def _best(means: Mapping[str, float], better: str, writer: Writer) -> set[str]:
    """Return the rows with the best mean as it is written; none where many are alike."""
    if better == "zero" or len(means) < 2:
        return set()
    best = (max if better == "higher" else min)(means.values())
    found = {label for label, mean in means.items() if writer.write(mean) == writer.write(best)}
    return set() if len(found) > _MOST_BEST or len(found) == len(means) else found


def _seed_rows(
    records: Sequence[Record], columns: Sequence[tuple[ScoreCell, ...]]
) -> tuple[SeedRow, ...]:
    if records[0].target.kind != "run":
        return ()
    return tuple(
        SeedRow(
            label=f"seed {record.target.seed}",
            note=_training_note(record),
            cells=tuple(cells[number] for cells in columns),
        )
        for number, record in enumerate(records)
    )


def _training_note(record: Record) -> str:
    training = record.training
    if training is None:
        return ""
    return f"{training.verdict}, {training.steps} steps, {seconds_text(training.seconds)}"
