"""Times several ways to do the same work alternately, and chooses one.

Used for training steps (`zoo.train.autotune`) and for upscaling (`zoo.upscaling.ways`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final, TypeVar

MIN_GAIN: Final = 1.05
"""A way replaces another if it is this many times as fast; a smaller gain may be noise."""
MIN_SECONDS_TO_COMPILE: Final = 3600.0
"""Expected seconds of work above which compilation is tried, which itself takes about a minute."""

Way = TypeVar("Way")


def take_turns(
    ways: Mapping[Way, Callable[[], float]], rounds: int, *, hopeless: float = math.inf
) -> dict[Way, list[float]]:
    """Run each way once untimed, then once in each round; each round starts with another way.

    Args:
        ways: functions that run a way and return its seconds, the default first.
        rounds: timed runs of each way.
        hopeless: a way is dropped if its first timed run takes this many times the default's.

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
    """Return the chosen way, and how many times as fast as the default, the first, it is.

    In their order, a way replaces the best so far if the median over rounds of (the best's time /
    its own) exceeds `MIN_GAIN`, so nothing changes without a gain of its own. A dropped way is
    never chosen.
    """
    default = best = next(iter(timings))
    for way, times in timings.items():
        if len(times) == len(timings[best]) and _gain(timings[best], times) > MIN_GAIN:
            best = way
    return best, _gain(timings[default], timings[best])


def _gain(before: Sequence[float], now: Sequence[float]) -> float:
    return median(one / other for one, other in zip(before, now, strict=True))
