"""Several ways to do the same work, timed in turns, and which of them to take.

Used for training steps (`zoo.train.choice`) and for upscaling (`zoo.upscaling.ways`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final, TypeVar

MIN_GAIN: Final = 1.05
"""How many times as fast as another a way must be to be taken instead: less may be noise."""
MIN_SECONDS_TO_COMPILE: Final = 3600.0
"""Expected time of the work from which compilation is tried, which takes about a minute itself."""

Way = TypeVar("Way")


def take_turns(
    ways: Mapping[Way, Callable[[], float]], rounds: int, *, hopeless: float = math.inf
) -> dict[Way, list[float]]:
    """Run each way once untimed and then once a round; each round begins with another way.

    Args:
        ways: what runs a way and returns its seconds, the default first.
        rounds: timed runs of each way.
        hopeless: a way whose first timed run takes this many times the default's is given up.

    Returns:
        The seconds of the timed runs of each way, in the given order.
    """
    timings: dict[Way, list[float]] = {way: [] for way in ways}
    tried, default = list(ways), next(iter(ways))
    for number in range(1 + rounds):
        first = number % len(tried)
        for way in tried[first:] + tried[:first]:
            seconds = ways[way]()
            timings[way] += [seconds] if number else []
        if number == 1:
            limit = hopeless * timings[default][0]
            tried = [way for way in tried if timings[way][0] <= limit]
    return timings


def fastest(timings: Mapping[Way, Sequence[float]]) -> tuple[Way, float]:
    """Return the way to take, and how many times as fast as the default, the first, it is.

    In their order, a way replaces the best so far if the median over rounds of that one's time
    over its own exceeds `MIN_GAIN`: nothing is changed that alone brings nothing. A way that was
    given up is never taken.
    """
    default = best = next(iter(timings))
    for way, times in timings.items():
        if len(times) == len(timings[best]) and _gain(timings[best], times) > MIN_GAIN:
            best = way
    return best, _gain(timings[default], timings[best])


def _gain(before: Sequence[float], now: Sequence[float]) -> float:
    return median(one / other for one, other in zip(before, now, strict=True))
