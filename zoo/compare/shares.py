"""Shares of runs, such as those that stayed finite: their difference, its interval and a test.

Each run gives yes or no, so there is nothing to average over images and nothing to resample: three
runs with "yes" have no spread, but they do not prove a share of 1.

Not here: means (`zoo.compare.statistics`).
"""

from __future__ import annotations

import math
import warnings

from scipy import special

from zoo.compare.statistics import CONFIDENCE, Interval
from zoo.errors import DataError


def share_difference(
    changed: tuple[int, int], reference: tuple[int, int], *, level: float = CONFIDENCE
) -> Interval:
    """Return the difference of two shares with Newcombe's interval and Boschloo's exact test.

    The interval joins both Wilson intervals (Newcombe, Statistics in Medicine 1998, method 10).
    The test is exact and needs no large numbers (Boschloo, Statistica Neerlandica 1970). With 3
    runs a side, 3 of 3 against 0 of 3 has p = 0.03: the smallest there is, and no longer below
    0.05 once two claims or more are judged together.

    Args:
        changed: runs that say yes, and all runs.
        reference: the same of the other side.
        level: of the interval.

    Raises:
        DataError: if a side has no runs or more that say yes than there are.
    """
    for hits, runs in (changed, reference):
        if not 0 <= hits <= runs or not runs:
            raise DataError(f"{hits} of {runs} runs is not a valid share")
    (first, low, high), (second, low_other, high_other) = (
        _wilson(*side, level=level) for side in (changed, reference)
    )
    estimate = first - second
    below = ((first - low) ** 2 + (high_other - second) ** 2) ** 0.5
    above = ((high - first) ** 2 + (second - low_other) ** 2) ** 0.5
    runs = min(changed[1], reference[1])
    p_value = _boschloo(changed, reference)
    return Interval(estimate, estimate - below, estimate + above, level, p_value, runs, 1)


def smallest_p_value(runs: int, others: int) -> float:
    """Return the smallest p-value that so many runs can have: all say yes, of the others none."""
    return _boschloo((runs, runs), (0, others))


def _wilson(hits: int, runs: int, *, level: float) -> tuple[float, float, float]:
    """Return a share and the ends of its interval, without correction for continuity."""
    share, z = hits / runs, float(special.ndtri((1 + level) / 2))
    centre = (2 * runs * share + z**2) / (2 * (runs + z**2))
    half = z * math.sqrt(4 * runs * share * (1 - share) + z**2) / (2 * (runs + z**2))
    # at shares of 0 and 1 rounding would leave the interval short of its bound
    return share, centre - half if hits else 0.0, centre + half if hits < runs else 1.0


def _boschloo(changed: tuple[int, int], reference: tuple[int, int]) -> float:
    hits = changed[0] + reference[0]
    if hits in (0, changed[1] + reference[1]):
        return 1.0  # all runs say the same, which the test does not take
    from scipy import stats  # takes more than a second to import

    table = [
        [changed[0], reference[0]],
        [changed[1] - changed[0], reference[1] - reference[0]],
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of its own search, at shares of 0 and 1
        found = stats.boschloo_exact(table, alternative="two-sided")
    return min(1.0, float(found.pvalue))
