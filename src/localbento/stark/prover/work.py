"""What every step of a prover needs: threads, and a clock that says where the time goes."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from localbento_kernels.cpu.parallel import map_threads, ranges

PIECES = 4
"""Pieces of work for each thread, so that one that is held up does not hold up the others."""


@dataclass
class Work:
    """Threads and a clock.  `on_step` hears the name of each numbered step as it begins."""

    threads: int = 1
    on_step: Callable[[str], None] | None = None
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def step(self, name: str) -> None:
        """A numbered step of the protocol begins."""
        if self.on_step is not None:
            self.on_step(name)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds inside to a name."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - started

    def rows(self, count: int, multiple: int, piece: Callable[[int, int], None]) -> None:
        """`piece(first, last)` over [0, count) on all threads; each piece is a multiple long."""
        map_threads(lambda r: piece(*r), self.pieces(count, multiple), self.threads)

    def pieces(self, count: int, multiple: int) -> list[tuple[int, int]]:
        """[0, count) in pieces; how many does not depend on anything but the number of threads."""
        return ranges(count, 1 if self.threads == 1 else PIECES * self.threads, multiple)
