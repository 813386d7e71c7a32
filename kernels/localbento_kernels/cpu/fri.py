"""Folding of FRI words, and the leaves of its layers.  Twin: `localbento.stark.fri`.

A word on n points is uint32[5 * n], coefficient by coefficient, at bit-reversed positions: x and -x are neighbours.
"""

from numba import njit

from localbento_kernels.cpu import lanes
from localbento_kernels.cpu.domains import add_multiple, mul_word
from localbento_kernels.cpu.emitter import DEGREE, Routine, routine
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import I64, LANES, Value

FOLD_REGISTERS = 10


def _define_pairs(r: Routine) -> None:
    """(sums, differences, x, vectors): of neighbours, two vectors of x to one of each."""
    sums, differences, x = r.pointers

    def body(at: Value) -> None:
        double = r.b.add(at, at)
        low, high = r.load(x, double), r.load(x, r.b.add(double, I64(LANES)))
        even = r.shuffle(low, high, range(0, 2 * LANES, 2))
        odd = r.shuffle(low, high, range(1, 2 * LANES, 2))
        r.store(r.add(even, odd), sums, at)
        r.store(r.sub(even, odd), differences, at)

    r.vectors(r.integers[0], body)


pairs = routine("fri_pairs", 3, 1, _define_pairs)


@njit(nogil=True, cache=True)
def fold(word: Words, n: int, inverses: Words, zeta: Words, half: Words, out: Words, scratch: Words, block: int,
         first: int, last: int) -> None:  # fmt: skip
    """One binary fold: out[j] = even(x^2) + zeta * odd(x^2), for outputs [first, last).

    Shapes: word uint32[5 * n]; out uint32[5 * n / 2]; inverses uint32[n / 2]: 1 / (2 x) at positions 2 j; zeta
        uint32[25]: X^i * zeta; half uint32[1]: 1/2; block divides last - first.
    """
    v, even, odd = block // LANES, 0 * block, 5 * block
    for row in range(first, last, block):
        for i in range(DEGREE):
            e, o = even + i * block, odd + i * block
            pairs(((scratch, e), (scratch, o), (word, i * n + 2 * row), v))
            mul_word(((scratch, e), (scratch, e), (half, 0), v))
            lanes.mul(((scratch, o), (scratch, o), (inverses, row), v))
        add_multiple(scratch, even, odd, zeta, 0, block)
        for i in range(DEGREE):
            at = i * (n // 2) + row
            out[at : at + block] = scratch[even + i * block : even + (i + 1) * block]


@njit(nogil=True, cache=True)
def add_scaled(out: Words, word: Words, n: int, factor: Words, scratch: Words, block: int,
               first: int, last: int) -> None:  # fmt: skip
    """Out += factor * word on positions [first, last); factor uint32[25]: X^i times it."""
    for row in range(first, last, block):
        for i in range(DEGREE):
            at = i * n + row
            scratch[i * block : (i + 1) * block] = out[at : at + block]
            scratch[(DEGREE + i) * block : (DEGREE + i + 1) * block] = word[at : at + block]
        add_multiple(scratch, 0, DEGREE * block, factor, 0, block)
        for i in range(DEGREE):
            at = i * n + row
            out[at : at + block] = scratch[i * block : (i + 1) * block]


@njit(nogil=True, cache=True)
def pack_leaves(word: Words, n: int, fibre: int, tiles: Words, rows: int, cell: int, first: int, last: int) -> None:
    """The values of each fibre, five cells an element, into the rows [first, last) of tiles from cell `cell`.

    Shapes: word uint32[5 * n], n = rows * fibre; tiles uint32[tiles * rows * 16].
    """
    for row in range(first, last):
        for position in range(fibre):
            for i in range(DEGREE):
                c = cell + DEGREE * position + i
                tiles[(c // LANES * rows + row) * LANES + c % LANES] = word[i * n + fibre * row + position]
