"""Rows ranked by a score or a cost, and which of them cannot be told apart.

Two networks are told apart by the differences of their scores, image by image: Student's paired t
test, corrected over all pairs of a table (Holm). For the mean of a suite, the variance is that of
a mean of the datasets' means (Welch-Satterthwaite). A network with several seeds is the mean of
their scores. So the groups are about images like these, not about other trainings: claims are
(`zoo.compare.verdicts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from string import ascii_lowercase
from typing import Final

import numpy as np
from scipy import special

from zoo.compare.comparisons import MEAN, Row, SuiteComparison, compare
from zoo.compare.statistics import CONFIDENCE, Floats, holm
from zoo.errors import UnknownNameError
from zoo.records.record import Record
from zoo.records.selection import comparable

NOTE: Final = (
    "group: networks that share a letter cannot be told apart on images like these (paired t "
    f"tests, {100 * CONFIDENCE:.0f} % after Holm's correction)"
)
IN_COMMON: Final = "group: compared on the images of which every ranked network has a score"
_NOTHING: Final = 1e-12
_Target = tuple[str, str]
_Images = Mapping[str, Mapping[str, float]]


def arranged(
    records: Iterable[Record], *, order: Sequence[str] = (), sort: str | None = None
) -> list[SuiteComparison]:
    """Return `compare`, its rows ranked if a key is given.

    Args:
        records: see `compare`.
        order: see `compare`.
        sort: key of a score or a cost, such as `psnr_y` or `parameters`. The best row is first, one
            without a value last. Rows ranked by a score have their `group`.

    Raises:
        UnknownNameError: if no record has such a score or cost.
    """
    kept = list(records)
    found = compare(kept, order=order)
    if sort is None:
        return found
    known = list(dict.fromkeys(key for one in found for key in one.columns))
    if sort not in known:
        raise UnknownNameError("score or cost", sort, known)
    chosen = comparable(kept).records
    return [_ranked(one, chosen, sort) if sort in one.columns else one for one in found]


def _ranked(comparison: SuiteComparison, records: Sequence[Record], key: str) -> SuiteComparison:
    sign = -1.0 if comparison.columns[key].higher_is_better is not False else 1.0
    images = _images(comparison, records, key)
    rows: list[Row] = []
    are_whole = True
    for place in dict.fromkeys(row.dataset for row in comparison.rows):
        of_place = [row for row in comparison.rows if row.dataset == place]
        with_value = [(value, row) for row in of_place for value in [_value(row, key)]]
        scored = sorted(
            ((sign * value, row) for value, row in with_value if value is not None),
            key=lambda pair: pair[0],
        )
        datasets = comparison.datasets if place == MEAN else (str(place),)
        values, is_whole = _arrays(
            [images.get((row.target, row.kind), {}) for _, row in scored], datasets
        )
        are_whole = are_whole and is_whole
        letters = _letters(values)
        rows += [replace(row, group=group) for (_, row), group in zip(scored, letters, strict=True)]
        rows += [row for value, row in with_value if value is None]
    is_grouped = any(row.group for row in rows)
    noted = [NOTE, *([] if are_whole else [IN_COMMON])] if is_grouped else []
    return replace(comparison, rows=tuple(rows), notes=(*comparison.notes, *noted))


def _value(row: Row, key: str) -> float | None:
    return row.scores[key].mean if key in row.scores else row.cost.get(key)


def _images(
    comparison: SuiteComparison, records: Sequence[Record], key: str
) -> dict[_Target, dict[str, dict[str, list[float]]]]:
    """Return the scores of each target by dataset and image, one for each seed."""
    found: dict[_Target, dict[str, dict[str, list[float]]]] = {}
    for record in records:
        target = record.target
        if record.suite == comparison.suite and target.profile in (None, comparison.profile):
            of_target = found.setdefault((target.name, target.kind), {})
            for dataset in record.datasets:
                for image in dataset.images:
                    scores = of_target.setdefault(dataset.name, {})
                    if key in image.scores:
                        scores.setdefault(image.name, []).append(image.scores[key])
    return found


def _arrays(
    rows: Sequence[Mapping[str, Mapping[str, list[float]]]], datasets: Sequence[str]
) -> tuple[list[list[Floats]], bool]:
    """Return the scores of rows, an array for each dataset; each image's mean over seeds.

    All rows have the same images in the same order: those of which every row has a score.

    Args:
        rows: scores of each row by dataset and image, one for each seed.
        datasets: their names.

    Returns:
        The arrays, and whether no row lacks an image that another one has.
    """
    names = [[set(row.get(dataset, {})) for row in rows] for dataset in datasets]
    shared = [sorted(set.intersection(*each)) if each else [] for each in names]
    arrays = [
        [
            np.array([np.mean(row[dataset][name]) for name in common])
            for dataset, common in zip(datasets, shared, strict=True)
        ]
        for row in rows
    ]
    return arrays, all(own == each[0] for each in names for own in each)


def _letters(values: Sequence[Sequence[Floats]]) -> list[str | None]:
    """Return the groups of rows, best first, as letters; none where there is no test.

    Args:
        values: for each row, an array for each dataset: the same images in the same order.
    """
    if len(values) < 2 or min((len(part) for part in values[0]), default=0) < 2:
        return [None] * len(values)
    same = _not_told_apart([np.stack(parts) for parts in zip(*values, strict=True)])
    named = [(_letter(number), group) for number, group in enumerate(_groups(same))]
    return [
        "".join(letter for letter, group in named if row in group) for row in range(len(values))
    ]


def _groups(same: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> list[frozenset[int]]:
    """Return the largest groups without a pair that is told apart, by their first rows.

    Every pair that is not told apart shares a group (insert and absorb: Piepho 2004, "An algorithm
    for a letter-based representation of all-pairwise comparisons").
    """
    groups = {frozenset(range(len(same)))}
    for one, other in np.argwhere(~np.triu(same) & np.triu(np.ones_like(same))):
        split = {group - {row} for group in groups for row in (one, other) if {one, other} <= group}
        kept = {group for group in groups if not {one, other} <= group} | split
        groups = {group for group in kept if not any(group < larger for larger in kept)}
    return sorted(groups, key=sorted)


def _not_told_apart(datasets: Sequence[Floats]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return for each pair of rows whether their difference is not significant.

    Args:
        datasets: `[row, image]` for each dataset.
    """
    count = len(datasets[0])
    difference, error = np.zeros((count, count)), np.zeros((count, count))
    squares = np.zeros((count, count))
    for values in datasets:
        covariance = np.atleast_2d(np.cov(values))
        own = np.diag(covariance)
        part = np.clip(own[:, None] + own[None, :] - 2 * covariance, 0, None)
        part /= values.shape[1] * len(datasets) ** 2
        error += part
        squares += part**2 / (values.shape[1] - 1)
        difference += (values.mean(1)[:, None] - values.mean(1)[None, :]) / len(datasets)
    certain = error <= (_NOTHING * np.abs(difference)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = 2 * special.stdtr(error**2 / squares, -np.abs(difference) / np.sqrt(error))
    p_values = np.where(certain, np.abs(difference) <= _NOTHING, tail)
    pairs = list(combinations(range(count), 2))
    adjusted = holm([float(p_values[pair]) for pair in pairs])
    same = np.eye(count, dtype=np.bool_)
    for (one, other), p_value in zip(pairs, adjusted, strict=True):
        same[one, other] = same[other, one] = p_value > 1 - CONFIDENCE
    return same


def _letter(number: int) -> str:
    """Return a, b, ..., z, a1, b1, ...: a letter, with a number from the second round on."""
    rounds, place = divmod(number, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(rounds) if rounds else "")
