"""Factors of transforms: with each factor w its floor(w 2^32 / p), in the order in which the passes use them."""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from localbento_kernels.cpu.ntt_nodes import ROW
from localbento_kernels.cpu.tiles import Words, aligned
from localbento_kernels.cpu.vector import GENERATOR, P

__all__ = ["ROW", "geometric", "power", "root_of_unity", "table_words", "twiddles"]


def power(x: int, e: int) -> int:
    """x^e mod p; e may be negative."""
    return pow(int(x), int(e), P)


def root_of_unity(bits: int) -> int:
    """w_j of the protocol: 31^15 is of order 2^27, and each is the square of the next."""
    return power(GENERATOR, (P - 1) >> bits)


def geometric(first: int, ratio: int, count: int) -> list[int]:
    """first, first ratio, first ratio^2, ..."""
    values = [first]
    for _ in range(count - 1):
        values.append(values[-1] * ratio % P)
    return values


@njit(nogil=True, cache=True)
def _times_mod(x: np.uint64, y: np.uint64) -> np.uint64:
    return x * y % np.uint64(P)


@njit(nogil=True, cache=True)
def _fill(
    tables: Words,
    bases: NDArray[np.uint64],
    root: np.uint64,
    bits: int,
    radices: NDArray[np.int64],
    natural: bool,
    scale: np.uint64,
) -> None:
    """For each base a table to evaluate on base * <root>, 2^bits points.

    A pass that begins after `done` levels makes values at all 2^radix roots x of some y from values at y, for each of
    2^done y; a node needs the powers of one such x, each times scale^radix, and last the scale alone.  `natural` says
    in which order the pass meets the y.
    """
    powers = np.empty(1 << bits, np.uint64)
    powers[0] = 1
    for i in range(1, 1 << bits):
        powers[i] = _times_mod(powers[i - 1], root)
    o = 0
    for base in bases:
        done = 0
        for radix in radices:
            level = bits - done - radix
            x_base = np.uint64(base)
            for _ in range(level):
                x_base = _times_mod(x_base, x_base)
            start = np.uint64(1)
            for _ in range(radix):
                start = _times_mod(start, scale)
            reverse = 0
            for node in range(1 << done):
                x = _times_mod(x_base, powers[(node if natural else reverse) << level])
                w = start
                for m in range((1 << radix) - 1):
                    w = _times_mod(w, x)
                    tables[o + 2 * m] = w
                    tables[o + 2 * m + 1] = (w << np.uint64(32)) // np.uint64(P)
                last = o + (2 << radix) - 2
                tables[last] = start
                tables[last + 1] = (start << np.uint64(32)) // np.uint64(P)
                o += 2 << radix
                bit = (1 << done) >> 1  # count on in reversed bits
                while reverse & bit:
                    reverse ^= bit
                    bit >>= 1
                reverse |= bit
            done += radix


def table_words(radices: Sequence[int]) -> int:
    """Words of the table of one base."""
    return sum(2 << sum(radices[: i + 1]) for i in range(len(radices)))


def twiddles(
    bases: Sequence[int], root: int, bits: int, radices: tuple[int, ...], *, natural: bool, scale: int = 1
) -> Words:
    """The tables of some bases, one after another.

    Args:
        bases: the transform is on base * <root>.
        root: of order 2^bits.
        bits: log2 of the number of points.
        radices: levels of each pass; they add up to `bits`.
        natural: whether passes meet their blocks in natural order, not in bit-reversed order.
        scale: a factor for each level, for nodes that scale.
    """
    tables = aligned(len(bases) * table_words(radices))
    _fill(
        tables,
        np.array(bases, np.uint64),
        np.uint64(root),
        bits,
        np.array(radices, np.int64),
        natural,
        np.uint64(scale),
    )
    return tables
