"""Instructions of several independent computations in one stream, so that a processor finds them side by side.

A processor looks ahead some hundred instructions only, and LLVM keeps the order of what does not depend on each other
roughly as it was emitted.  So a computation with long waits is emitted as a generator that yields after every
instruction, and others are emitted in its gaps.
"""

from collections.abc import Generator, Sequence
from typing import TypeVar

from localbento_kernels.cpu.vector import Value

Result = TypeVar("Result")
Emission = Generator[None, None, Result]
"""Yields after each instruction that it emitted, and returns values."""


def finish(emission: Emission[Result]) -> Result:
    """Emit all that is left."""
    while True:
        try:
            next(emission)
        except StopIteration as stop:
            result: Result = stop.value
            return result


def weave(main: Emission[Result], others: Sequence[Emission[Value]], per_main: float) -> tuple[Result, list[Value]]:
    """Emit `main`, with `per_main` instructions of the others, one after another, for each of its own."""
    results: list[Value] = [None] * len(others)
    place, credit = 0, 0.0
    while True:
        try:
            next(main)
        except StopIteration as stop:
            result: Result = stop.value
            break
        credit += per_main
        while credit >= 1 and place < len(others):
            credit -= 1
            try:
                next(others[place])
            except StopIteration as stop:
                results[place] = stop.value
                place += 1
    for i in range(place, len(others)):
        results[i] = finish(others[i])
    return result, results
