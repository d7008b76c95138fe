"""The scores of a model on its card: one table for each dataset, with baselines.

Not here: which records belong to a model (`zoo.exchange.records`), the card (`zoo.exchange.cards`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.compare.comparisons import Row, SuiteComparison, compare
from zoo.compare.digits import format_value, marks
from zoo.compare.tables import shown_keys
from zoo.exchange.records import baselines_of, is_of_these_weights, records_of
from zoo.models.model import Model
from zoo.records.record import Record
from zoo.text import Grid, Mark, TextCell, TextHeading, markdown_table


@dataclass(frozen=True, slots=True)
class Score:
    """One mean over the images of a dataset.

    Attributes:
        dataset: name of the dataset.
        key: of the metric, such as `psnr_y`.
        label: heading of the metric's column.
        value: the mean.
        images: how many it is over.
    """

    dataset: str
    key: str
    label: str
    value: float
    images: int


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What is known of a model on one suite.

    Attributes:
        suite: name of the suite.
        tables: GitHub's Markdown, one for each dataset.
        protocol: the protocol in a sentence.
        notes: what is missing and why.
        seed: what the numbers say of another training.
        weights: whether the file was scored, or what it was made from.
        created: when it was scored; empty if unknown.
        scores: the model's own means.
    """

    suite: str
    tables: tuple[str, ...]
    protocol: str
    notes: tuple[str, ...]
    seed: str
    weights: str
    created: str
    scores: tuple[Score, ...]


def results(model: Model, records: Sequence[Record]) -> list[SuiteResult]:
    """Return the results of a model, one a suite; records that are not its own are not used."""
    return [_result(model, own, baselines_of(own, records)) for own in records_of(model, records)]


def _result(model: Model, own: Record, baselines: Sequence[Record]) -> SuiteResult:
    comparison = _comparison(model, own, baselines)
    datasets = list(dict.fromkeys(row.dataset for row in comparison.rows))
    grids = [_grid(comparison, dataset) for dataset in datasets if dataset is not None]
    return SuiteResult(
        suite=own.suite,
        tables=tuple(markdown_table(grid) for grid in grids if len(grid.headings) > 1),
        protocol=comparison.protocol,
        notes=comparison.notes,
        seed=_seed(own),
        weights=_weights(model, own),
        created=str(own.provenance.get("created", ""))[:10],
        scores=tuple(_scores(comparison)),
    )


def _comparison(model: Model, own: Record, baselines: Sequence[Record]) -> SuiteComparison:
    """Put the model, under its own name, beside baselines whose networks must be the model's."""
    known_as = {"name": model.details.name, "recipe": None, "kind": "run"}  # it judges no recipe
    target = own.target.model_copy(update=known_as)
    shown = own.model_copy(update={"target": target})
    older = [
        one.model_copy(update={"provenance": one.provenance | {"created": ""}, "order": 0})
        for one in baselines
    ]
    return compare([*older, shown])[0]


def _grid(comparison: SuiteComparison, dataset: str) -> Grid:
    rows = [row for row in comparison.rows if row.dataset == dataset]
    keys = [key for key in shown_keys(comparison) if any(key in row.scores for row in rows)]
    headings, columns = [TextHeading("")], []
    for key in keys:
        column = comparison.columns[key]
        unit = f" ({column.unit})" if column.unit else ""
        headings.append(TextHeading(f"{column.label}{unit}", column.higher_is_better))
        values = [_mean(row, key) for row in rows]
        best: list[Mark] = [mark if mark == "best" else "" for mark in marks(column, values)]
        columns.append(
            [TextCell(format_value(column, v), mark) for v, mark in zip(values, best, strict=True)]
        )
    lines = tuple(
        (TextCell(row.label), *(column[number] for column in columns))
        for number, row in enumerate(rows)
    )
    images = max(row.images for row in rows)
    title = f"{dataset}: {images} {'image' if images == 1 else 'images'}"
    if dataset not in comparison.datasets:
        title = f"mean of the {len(comparison.datasets)} datasets"
    return Grid(title, tuple(headings), lines)


def _mean(row: Row, key: str) -> float | None:
    score = row.scores.get(key)
    return None if score is None else score.mean


def _scores(comparison: SuiteComparison) -> list[Score]:
    keys = shown_keys(comparison)
    return [
        Score(row.dataset, key, comparison.columns[key].label, row.scores[key].mean, row.images)
        for row in comparison.rows
        if row.kind != "baseline" and row.dataset in comparison.datasets
        for key in keys
        if key in row.scores and row.dataset is not None
    ]


def _seed(own: Record) -> str:
    if own.target.seed is None:
        return "All scores are of one weights file, so there is no interval over seeds."
    return (
        f"One training, seed {own.target.seed}, so there is no interval over seeds. Another seed "
        "would give other scores; one run does not show how different they would be."
    )


def _weights(model: Model, own: Record) -> str:
    if is_of_these_weights(own, model):
        return "These are the scores of this file."
    rounded = ", rounded to float16" if model.details.precision == "float16" else ""
    return f"These are the scores of the weights from which this file was copied{rounded}."
