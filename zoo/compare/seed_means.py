"""The mean of a score over seeds, with the interval for another seed.

Not here: where the means of the seeds come from (`zoo.compare.comparisons`), intervals over seeds
and images of a difference (`zoo.compare.statistics`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev

from zoo.compare.statistics import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over images and seeds, and its interval over seeds where there are at least two."""

    mean: float
    low: float | None = None
    high: float | None = None


def seed_interval(values: Sequence[float], value_range: tuple[float, float] | None = None) -> Score:
    """Return the mean of the seeds' means and its 95 % t interval; none of fewer than two.

    Args:
        values: one for each seed.
        value_range: smallest and largest value the score can have; Student's interval knows of no
            bounds, and what lies beyond them is cut off.
    """
    mean = fmean(values)
    if len(values) < 2 or not math.isfinite(mean):
        return Score(mean)
    least, most = value_range or (-math.inf, math.inf)
    half = _quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    # a mean that rounding took beyond a bound stays inside of its own interval
    return Score(mean, min(mean, max(mean - half, least)), max(mean, min(mean + half, most)))


@lru_cache(maxsize=64)
def _quantile(freedom: int) -> float:
    """Return Student's t that an interval reaches to: 5 scores a row ask for it."""
    from scipy import special

    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))
