"""Processes a sequence in threads, in advance of its use in order.

Decoding and hashing release the interpreter lock, so images are ready when they are needed. Not
here: decoding (`zoo.data.images`), batches for training (`zoo.data.stream`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

MOST_WORKERS: Final = 4
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def prefetch(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, workers: int
) -> Iterator[_Result]:
    """Yield the result of each item in order, while threads work on the next.

    Beside the result at hand, no more than one a thread is made before it is requested.

    Args:
        work: called in a thread; what it raises is raised when its result is due.
        items: taken as they are needed.
        workers: how many threads.
    """
    remaining = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="prefetch") as pool:
        due: deque[Future[_Result]] = deque()
        try:
            while True:
                wanted = workers + 1 - len(due)
                due.extend(pool.submit(work, item) for item in islice(remaining, wanted))
                if not due:
                    return
                yield due.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def num_workers(*, alone: bool) -> int:
    """Return how many threads to use, 1 to 4.

    Args:
        alone: whether nothing else computes meanwhile; else half of the cores are left to that.
    """
    cores = os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, cores if alone else cores // 2))
