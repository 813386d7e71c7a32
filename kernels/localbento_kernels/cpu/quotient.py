"""The quotient of a height on its extension, from the mix of its chips' constraints.

Twin: the check of the verifier at z, `localbento.stark.verifier`.
"""

import numpy as np
from numba import njit

from localbento_kernels.cpu import lanes
from localbento_kernels.cpu.domains import (
    add_multiple,
    invert_block,
    load_cells,
    load_planes,
    mul_word,
    sub_word,
    vanishing,
)
from localbento_kernels.cpu.emitter import DEGREE
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import LANES

REGISTERS = 40
"""Of a block, for `height_quotient`."""


@njit(nogil=True, cache=True)
def blinding_factors(out: Words, points: Words, roots: Words, inverses: Words, first: int, last: int) -> None:
    """Z_blind(x) / (x^k - 1) on positions [first, last) of a domain.

    Shapes: out, points uint32[n]; roots uint32[b], b >= 4: the blinding rows' points; inverses uint32[n / k]:
        1 / (x^k - 1), which is constant on each run of k positions.  first and last are multiples of 16.
    """
    run, quarter = len(points) // len(inverses), len(roots) // 4
    difference = np.empty(2 * LANES, np.uint32)
    # Vectors are loaded as aligned, and an array of numba's own need not be.
    place = (-difference.ctypes.data % 64) // 4
    for row in range(first, last, LANES):
        vanishing(((out, row), (points, row), (roots, 0), quarter, 1))
        for i in range(4 * quarter, len(roots)):
            sub_word(((difference, place), (points, row), (roots, i), 1))
            lanes.mul(((out, row), (out, row), (difference, place), 1))
        mul_word(((out, row), (out, row), (inverses, row // run), 1))


@njit(nogil=True, cache=True)
def next_position(position: int, log_rows: int) -> int:
    """Where g x stands, for x at a bit-reversed position of the extended domain: the reversed low bits plus one."""
    bit = 1 << (log_rows - 1)
    while bit and position & bit:
        position ^= bit
        bit >>= 1
    return position | bit


@njit(nogil=True, cache=True)
def height_quotient(mix: Words, factors: Words, points: Words, bus: Words, sum_cell: int, main: Words,
                    has_sum: bool, ends: Words, weights: Words, sigma: Words, log_rows: int, rows: int,
                    quotient: Words, scratch: Words, block: int, first: int, last: int) -> None:  # fmt: skip
    """Values of the quotient on rows [first, last), into the first five cells of one tile.

    The mix of the chips is completed with lambda^s (S(g x) - S(x)), multiplied with Z_blind / (x^k - 1), and the
    start and the end of S are added: lambda^(s+1) S / (x - 1) + lambda^(s+2) (S + rho - sigma) / (x - g^(k-b)).

    Shapes: mix uint32[5 * rows]; factors, points uint32[rows]; bus, main tiles; ends uint32[2]: 1, g^(k-b); weights
        uint32[75]: X^i times lambda^s, lambda^(s+1), lambda^(s+2); sigma uint32[5]; quotient uint32[rows * 16];
        without `has_sum` there is no rho.
    """
    n = block // LANES
    now, after, total, part = 0 * block, 5 * block, 10 * block, 15 * block
    start, end, work, rho = 20 * block, 21 * block, 22 * block, 24 * block
    for row in range(first, last, block):
        load_cells(scratch, now, bus, sum_cell, rows, row, block)
        for i in range(block):
            other = next_position(row + i, log_rows)
            for c in range(DEGREE):
                tile, lane = (sum_cell + c) // LANES, (sum_cell + c) % LANES
                scratch[after + c * block + i] = bus[(tile * rows + other) * LANES + lane]
        load_planes(scratch, total, mix, rows, row, block)
        lanes.sub(((scratch, after), (scratch, after), (scratch, now), DEGREE * n))
        add_multiple(scratch, total, after, weights, 0, block)
        lanes.scale(((scratch, total), (scratch, total), (factors, row), block, n))

        sub_word(((scratch, start), (points, row), (ends, 0), n))
        invert_block(scratch, start, start, work, block)
        sub_word(((scratch, end), (points, row), (ends, 1), n))
        invert_block(scratch, end, end, work, block)

        scratch[part : part + DEGREE * block] = 0
        add_multiple(scratch, part, now, weights, 25, block)
        lanes.scale(((scratch, part), (scratch, part), (scratch, start), block, n))
        lanes.add(((scratch, total), (scratch, total), (scratch, part), DEGREE * n))

        if has_sum:
            load_cells(scratch, rho, main, 0, rows, row, block)
            lanes.add(((scratch, now), (scratch, now), (scratch, rho), DEGREE * n))
        for c in range(DEGREE):
            sub_word(((scratch, now + c * block), (scratch, now + c * block), (sigma, c), n))
        scratch[part : part + DEGREE * block] = 0
        add_multiple(scratch, part, now, weights, 50, block)
        lanes.scale(((scratch, part), (scratch, part), (scratch, end), block, n))
        lanes.add(((scratch, total), (scratch, total), (scratch, part), DEGREE * n))
        for c in range(DEGREE):
            for i in range(block):
                quotient[(row + i) * LANES + c] = scratch[total + c * block + i]
