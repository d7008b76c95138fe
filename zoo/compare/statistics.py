"""Intervals and tests for scores that are crossed by seeds and images; arrays in, numbers out.

A run is trained once for each seed, and every run scores the same images. A difference of two
recipes is therefore an array `difference[seed, image]` with three sources of variation: the seed
(shared by all images of a run), the image (shared by all seeds), and what is left. Its mean has

    variance = seed variance / S + image variance / I + residual variance / (S I).

Three seeds are few. A percentile bootstrap over them contains the truth in some 86 % of all cases
where it guarantees 95 %, so the bootstrap here gives the standard error, and a t distribution the
tails:

1. Seeds and images are resampled independently with replacement (Owen, The pigeonhole bootstrap,
   Ann. Appl. Stat. 2007). Each resampled mean splits exactly into a seed part, an image part and
   a part of both. The variances of the parts are too small by (S-1)/S and (I-1)/I (Davison and
   Hinkley, Bootstrap Methods and their Application, 1997, sec. 3.8), which is put right.
2. Seed part and image part each hold the residual variance once, their sum twice; one is taken off
   (Owen 2007). A part that is no larger than the residual explains is pooled with it.
3. The mean over its standard error is referred to a t distribution. Satterthwaite's degrees of
   freedom (Biometrics Bulletin 1946) are about right where seeds and images are equally many, and
   too many where one of them is few: 2 of 3 seeds happen to agree, and their part looks small.
   Those of Cochran and Cox (Experimental Designs, 1957) are too few. The reciprocals
   of both are averaged, with a weight that grows with the inequality.
4. That holds at 95 %. Beyond, where corrected p-values lie, the part with the fewest degrees of
   freedom makes the tail, whatever its share: without it 12 claims that are all untrue would yield
   a wrong verdict in 11 % of all tables from 3 seeds. So other levels and p-values stretch the
   95 % interval as a t distribution with those fewest degrees of freedom does.

Simulations chose the limit of pooling and the form of that weight, once, for coverage;
`benchmarks/statistics_simulation.py` measures it. `scipy.stats.bootstrap` resamples one axis and
has no crossed form, so the resampling is done here.

Not here: where arrays come from (`zoo.compare.samples`), what intervals mean
(`zoo.compare.verdicts`), shares of runs (`zoo.compare.shares`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zoo.errors import DataError

Floats = NDArray[np.float64]
CONFIDENCE: Final = 0.95
NUM_RESAMPLES: Final = 2000
"""Resampled means, and as many mirrored: the standard error is within about 1.5 % of its limit."""
SEED: Final = 20170915
"""Of the resampling: the same data have the same interval on every machine."""
POOLING: Final = 0.65
"""A part is pooled with the residual below this quantile of the F distribution of their ratio."""
_NOTHING: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        estimate: the mean.
        low: lower end; None if the data allow no interval, as with one seed.
        high: upper end, or None.
        level: probability with which such intervals contain the truth.
        p_value: two-sided, of the hypothesis that the truth is 0; None if there is no test.
        num_seeds: seeds it is based on, of the side that has fewer.
        num_images: images it is based on, 1 for numbers of a whole run.
    """

    estimate: float
    low: float | None
    high: float | None
    level: float
    p_value: float | None
    num_seeds: int
    num_images: int

    def within(self, bound: float) -> bool:
        """Return whether the interval lies strictly between `-bound` and `bound`."""
        return (
            self.low is not None
            and self.high is not None
            and -bound < self.low <= self.high < bound
        )


def paired_interval(
    difference: ArrayLike,
    *,
    level: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Return the mean difference with its interval over seeds and images like these.

    Args:
        difference: `[seed, image]`; one image, or one number a run, is `[seed, 1]`.
        level: of the interval.
        num_resamples: resampled means, a mirrored one beside each.
        seed: of the resampling.

    Raises:
        DataError: if the array is empty, not two-dimensional, or has values that are not finite.
    """
    values = _checked(difference)
    num_seeds, num_images = values.shape
    estimate = float(values.mean())
    if num_seeds < 2:
        return Interval(estimate, None, None, level, None, num_seeds, num_images)
    error, freedom = _standard_error(values, num_resamples, seed)
    fewest = float(min(count - 1 for count in values.shape if count > 1))
    return _student(estimate, error, (freedom, fewest), level, (num_seeds, num_images))


def unpaired_interval(
    changed: ArrayLike, reference: ArrayLike, *, level: float = CONFIDENCE
) -> Interval:
    """Return the difference of two means of independent runs, one number a run (Welch 1947).

    Args:
        changed: `[run]`.
        reference: `[run]`; as many or not.
        level: of the interval.

    Raises:
        DataError: if a side is empty or has values that are not finite.
    """
    sides = [_checked(np.reshape(side, (-1, 1))) for side in (changed, reference)]
    estimate = float(sides[0].mean() - sides[1].mean())
    counts = min(len(side) for side in sides), 1
    if counts[0] < 2:
        return Interval(estimate, None, None, level, None, *counts)
    parts = [_standard_error(side, NUM_RESAMPLES, SEED) for side in sides]
    squares = np.array([error**2 for error, _ in parts])
    terms = squares**2 / np.array([freedom for _, freedom in parts])
    freedom = float(squares.sum() ** 2 / terms.sum()) if terms.sum() else 1.0
    error = float(np.sqrt(squares.sum()))
    return _student(estimate, error, (freedom, counts[0] - 1.0), level, counts)


def deviations(values: ArrayLike, *, axis: int) -> Floats:
    """Return absolute deviations from the median, whose mean is the spread along `axis`.

    With them a test of means becomes a test of spreads (Brown and Forsythe, JASA 1974). The factor
    n / (n - 1) makes up for the one deviation that is 0 because it is the median itself.

    Args:
        values: two or more along the axis.
        axis: along which the spread is meant.

    Raises:
        DataError: if there is only one value along the axis.
    """
    array = np.asarray(values, dtype=np.float64)
    count = array.shape[axis]
    if count < 2:
        raise DataError("the spread of one value is undefined; it needs at least 2")
    middle = np.median(array, axis=axis, keepdims=True)
    return np.asarray(np.abs(array - middle) * (count / (count - 1)), dtype=np.float64)


def smallest_spread_p_value(num_seeds: int) -> float:
    """Return a bound below the p-values that a comparison of two spreads over seeds can have.

    With an odd number of seeds one deviation from the median is 0. The spread is then surest where
    all others are equal, and its mean is n - 1 standard errors; the other side has no spread. An
    even number of seeds has no such bound.
    """
    if num_seeds % 2 == 0:
        return 0.0
    return _tail(num_seeds - 1, num_seeds - 1) if num_seeds > 1 else 1.0


def relative_difference(changed: ArrayLike, reference: ArrayLike) -> Floats:
    """Return `[seed, image]` whose mean is mean(changed) / mean(reference) - 1.

    The ratio is linearised about the means, so its interval includes what the reference's mean is
    unsure of (delta method; Davison and Hinkley 1997, sec. 2.7).

    Args:
        changed: `[seed, image]`.
        reference: `[seed, image]`.

    Raises:
        DataError: if the reference's mean is 0.
    """
    top, bottom = np.asarray(changed, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    mean = bottom.mean()
    if mean == 0:
        raise DataError("the mean of the reference is 0, so there is no ratio")
    ratio = top.mean() / mean
    return np.asarray(ratio - 1 + (top - ratio * bottom) / mean, dtype=np.float64)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return `[seed, image]` with Spearman's rank correlation of two scores over the recipes.

    Where all recipes score alike there is no order, and the correlation is 0.

    Args:
        first: `[recipe, seed, image]`.
        second: the same of the other score.
    """
    from scipy import stats

    one, other = (stats.rankdata(side, axis=0) for side in (first, second))
    one, other = (ranks - ranks.mean(axis=0) for ranks in (one, other))
    norm = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    product = (one * other).sum(axis=0)
    return np.asarray(np.divide(product, norm, out=np.zeros_like(norm), where=norm > 0))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for the number of tests, in their order (Holm 1979).

    The chance of one false rejection or more among all is then no larger than the level.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def decidable(smallest: Sequence[float], level: float) -> list[bool]:
    """Return which of several tests could be decided at all beside the others (Tarone 1990).

    Few runs have few outcomes, and the smallest p-value among these may be too large for the
    correction. Such a test is excluded, so that it does not weaken the others. The smallest
    p-values depend on the number of runs alone, not on what these scored, so the level still holds.

    Args:
        smallest: the smallest p-value that each test could have.
        level: of the whole family.
    """
    for count in range(1, len(smallest) + 1):
        kept = [value <= level / count for value in smallest]
        if sum(kept) <= count:
            return kept
    return []


def _checked(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        raise DataError(
            f"values must be a non-empty array [seed, image], but have shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise DataError("values contain NaN or infinity; exclude those runs and report it")
    return array


def _student(
    estimate: float,
    error: float,
    freedom: tuple[float, float],
    level: float,
    counts: tuple[int, int],
) -> Interval:
    """Return the interval and p-value of an estimate.

    Args:
        estimate: the mean.
        error: its standard error.
        freedom: degrees of freedom at a level of 95 %, and the fewest, for the tails beyond.
        level: of the interval.
        counts: seeds and images.
    """
    if error <= _NOTHING * abs(estimate):  # nothing varies: a fact of these runs, and no test
        p_value = None if estimate else 1.0
        return Interval(estimate, estimate, estimate, level, p_value, *counts)
    anchor = (1 + CONFIDENCE) / 2
    scale = error * special.stdtrit(freedom[0], anchor) / special.stdtrit(freedom[1], anchor)
    half = float(scale * special.stdtrit(freedom[1], (1 + level) / 2))
    p_value = _tail(abs(estimate) / scale, freedom[1])
    return Interval(estimate, estimate - half, estimate + half, level, p_value, *counts)


def _tail(value: float, freedom: float) -> float:
    """Return the two-sided p-value of Student's t, as `scipy.stats.t` computes it.

    `scipy.stats` itself takes more than a second to import.
    """
    return float(2 * special.stdtr(freedom, -value))


def _standard_error(values: Floats, num_resamples: int, seed: int) -> tuple[float, float]:
    """Return the bootstrap standard error of the mean and its degrees of freedom."""
    num_seeds, num_images = values.shape
    parts = _resampled_parts(values, num_resamples, seed)
    # mean squares over S I: each expects the residual's share, the first two also their own
    by_seed = float(parts[0].var()) * num_seeds / (num_seeds - 1)
    if num_images == 1:
        return by_seed**0.5, num_seeds - 1.0
    images = num_images / (num_images - 1)
    by_image = float(parts[1].var()) * images
    residual = float(parts[2].var()) * images * num_seeds / (num_seeds - 1)
    return _combined((by_seed, by_image), residual, (num_seeds - 1, num_images - 1))


def _combined(
    squares: tuple[float, float], residual: float, counts: tuple[int, int]
) -> tuple[float, float]:
    """Combine mean squares of seeds, images and residual into an error and degrees of freedom."""
    freedom = counts[0] * counts[1]
    pooled = [
        square <= residual * _pooling_limit(count, freedom)
        for square, count in zip(squares, counts, strict=True)
    ]
    total, weight = residual * freedom, freedom
    for square, count, is_pooled in zip(squares, counts, pooled, strict=True):
        total, weight = total + is_pooled * square * count, weight + is_pooled * count
    base = total / weight
    kept = [
        (max(square, base), count)
        for square, count, is_pooled in zip(squares, counts, pooled, strict=True)
        if not is_pooled
    ]
    variance = base + sum(square - base for square, _ in kept)
    if variance <= 0:
        return 0.0, 1.0
    squared = sum(square**2 / count for square, count in kept)
    satterthwaite = (squared + (1 - len(kept)) ** 2 * base**2 / weight) / variance**2
    cautious = (
        sum((square - base) / count for square, count in kept) + base * satterthwaite
    ) / variance
    caution = (1 - min(counts) / max(counts)) ** 2
    reciprocal = (1 - caution) * satterthwaite + caution * cautious
    return float(variance**0.5), 1 / min(reciprocal, 1.0)


def _resampled_parts(
    values: Floats, num_resamples: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Return how much each resampled mean is off by its seeds, its images, and by both at once.

    Seeds and images are put in order of their means, so that theirs in the data does not matter,
    and each resample has a mirrored one, so that a change of sign does not.
    """
    values = values[np.argsort(values.mean(axis=1), kind="stable")]
    values = values[:, np.argsort(values.mean(axis=0), kind="stable")]
    grand = values.mean()
    by_seed, by_image = values.mean(axis=1) - grand, values.mean(axis=0) - grand
    residual = values - grand - by_seed[:, None] - by_image
    seeds, images = _shares(*values.shape, num_resamples, seed)
    return seeds @ by_seed, images @ by_image, ((seeds @ residual) * images).sum(axis=1)


@lru_cache(maxsize=32)
def _shares(
    num_seeds: int, num_images: int, num_resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Return the share of each seed and of each image in every resample, rows that sum to 1."""
    generator = np.random.default_rng(seed)
    shares = []
    for count in (num_seeds, num_images):
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=num_resamples)
        share = np.concatenate([drawn, drawn[:, ::-1]]).astype(np.float64) / count
        share.setflags(write=False)
        shares.append(share)
    return shares[0], shares[1]


@lru_cache(maxsize=256)
def _pooling_limit(count: int, freedom: int) -> float:
    return float(special.fdtri(count, freedom, POOLING))
