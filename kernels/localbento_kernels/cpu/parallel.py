"""Work split over threads: kernels release the interpreter's lock, so Python's threads are enough.

What a piece of work writes depends on the piece only, never on the thread or the order: results do not depend on
the number of threads.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernel")


# A forked child has the pool's object but none of its threads.
os.register_at_fork(after_in_child=_pool.cache_clear)


def _checked(threads: int) -> int:
    if threads < 1:
        msg = f"threads: expected at least 1, found {threads}"
        raise ValueError(msg)
    return threads


def map_threads(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """`work` of each item, in order of the items; at most `threads` at once.  `work` must not call this itself.

    Raises:
        ValueError: if threads < 1.
    """
    _checked(threads)
    if threads == 1 or len(items) < 2:
        return [work(item) for item in items]
    return list(_pool(threads).map(work, items))


def ranges(count: int, parts: int, multiple: int = 1) -> list[tuple[int, int]]:
    """[0, count) cut into at most `parts` neighbouring ranges, all but the last a multiple of `multiple` long.

    Raises:
        ValueError: if parts < 1.
    """
    units = -(-count // multiple)
    bounds = sorted({min(count, units * i // _checked(parts) * multiple) for i in range(parts + 1)})
    return list(pairwise(bounds))


def split(work: Callable[[int, int], None], count: int, threads: int, multiple: int = 1) -> None:
    """`work(first, last)` over [0, count), a range for each thread."""
    map_threads(lambda bounds: work(*bounds), ranges(count, threads, multiple), threads)
