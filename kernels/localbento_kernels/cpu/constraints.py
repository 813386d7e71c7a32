"""The evaluator of constraint programs: arrays in, the mix of all constraints on each row out.

A program is int32[n, 8]: kind, target, sources (four), first weight, unused; kinds as in
`localbento.air.registers`.  It is run on one block of rows after another; within a block each instruction is one
loop over vectors of sixteen rows, so that finding out what to do costs little beside doing it, and
registers stay in the caches.  Twin: `localbento.air.evaluate`.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from localbento_kernels.cpu import lanes
from localbento_kernels.cpu.emitter import DEGREE
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import LANES

ADD, SUB, MUL, ADD_ELEMENT, SUB_ELEMENT, MUL_ELEMENT, SCALE, CLEAR, SET = range(9)
LINEAR_1, LINEAR_2, LINEAR_3, LINEAR_4, INVERT = range(9, 14)
INVERSION_REGISTERS = 13
"""Registers beyond a program's own that INVERT works in."""


@njit(nogil=True, cache=True)
def load_window(scratch: Words, tiles: Words, rows: int, first_tile: int, count: int, register: int,
                block: int, row: int) -> None:  # fmt: skip
    """Rows [row, row + block) of some tiles of a flat matrix into registers, sixteen for each tile."""
    for t in range(count):
        start = ((first_tile + t) * rows + row) * LANES
        target = (register + LANES * t) * block
        lanes.transpose(((scratch, target), (tiles, start), block, block // LANES))


@njit(nogil=True, cache=True)
def invert(scratch: Words, target: int, source: int, work: int, block: int) -> int:
    """Inverses of a register of F, by their norms: one inversion of sixteen residues for a whole block.

    With r = 1 + p + .. + p^4, x^r is in the base field and x^(r-1) a product of Frobenius images.

    Returns: how many of the elements are zero.
    """
    n = block // LANES
    y, image = work, work + DEGREE * block
    norms, prefixes, one = work + 10 * block, work + 11 * block, work + 12 * block
    lanes.frobenius_1(((scratch, y), (scratch, source), block, n))
    lanes.frobenius_1(((scratch, image), (scratch, y), block, n))
    lanes.mul_extension(((scratch, y), (scratch, y), (scratch, image), block, n))
    lanes.frobenius_2(((scratch, image), (scratch, y), block, n))
    lanes.mul_extension(((scratch, y), (scratch, y), (scratch, image), block, n))
    lanes.norm(((scratch, norms), (scratch, source), (scratch, y), block, n))
    zeros = 0
    for i in range(block):
        if scratch[norms + i] == 0:
            zeros += 1
    if zeros:
        return zeros
    scratch[prefixes : prefixes + LANES] = scratch[norms : norms + LANES]
    for v in range(1, n):
        at = v * LANES
        lanes.mul(((scratch, prefixes + at), (scratch, prefixes + at - LANES), (scratch, norms + at), 1))
    lanes.inverse_vector(((scratch, one), (scratch, prefixes + (n - 1) * LANES)))
    for v in range(n - 1, 0, -1):
        at = v * LANES
        lanes.mul(((scratch, prefixes + at), (scratch, prefixes + at - LANES), (scratch, one), 1))
        lanes.mul(((scratch, one), (scratch, one), (scratch, norms + at), 1))
    scratch[prefixes : prefixes + LANES] = scratch[one : one + LANES]
    lanes.scale(((scratch, target), (scratch, y), (scratch, prefixes), block, n))
    return 0


@njit(nogil=True, cache=True)
def run_block(instructions: NDArray[np.int32], weights: Words, scratch: Words, work: int, block: int) -> int:
    """All instructions on one block of rows whose cells are in their registers.

    Returns: how many zeros were to be inverted.
    """
    n, zeros = block // LANES, 0
    for k in range(len(instructions)):
        kind, weight = instructions[k, 0], DEGREE * instructions[k, 6]
        to = instructions[k, 1] * block
        x, y = instructions[k, 2] * block, instructions[k, 3] * block
        if kind == ADD:
            lanes.add(((scratch, to), (scratch, x), (scratch, y), n))
        elif kind == SUB:
            lanes.sub(((scratch, to), (scratch, x), (scratch, y), n))
        elif kind == MUL:
            lanes.mul(((scratch, to), (scratch, x), (scratch, y), n))
        elif kind == ADD_ELEMENT:
            lanes.add(((scratch, to), (scratch, x), (scratch, y), DEGREE * n))
        elif kind == SUB_ELEMENT:
            lanes.sub(((scratch, to), (scratch, x), (scratch, y), DEGREE * n))
        elif kind == MUL_ELEMENT:
            lanes.mul_extension(((scratch, to), (scratch, x), (scratch, y), block, n))
        elif kind == SCALE:
            lanes.scale(((scratch, to), (scratch, x), (scratch, y), block, n))
        elif kind == CLEAR:
            scratch[to : to + DEGREE * block] = 0
        elif kind == SET:
            for i in range(DEGREE):
                lanes.fill(((scratch, to + i * block), (weights, weight + i), n))
        elif kind == INVERT:
            zeros += invert(scratch, to, x, work, block)
        else:
            u, v = instructions[k, 4] * block, instructions[k, 5] * block
            if kind == LINEAR_1:
                lanes.linear_1(((scratch, to), (weights, weight), (scratch, x), block, n))
            elif kind == LINEAR_2:
                lanes.linear_2(((scratch, to), (weights, weight), (scratch, x), (scratch, y), block, n))
            elif kind == LINEAR_3:
                lanes.linear_3(((scratch, to), (weights, weight), (scratch, x), (scratch, y), (scratch, u), block, n))
            else:
                lanes.linear_4((
                    (scratch, to), (weights, weight),
                    (scratch, x), (scratch, y), (scratch, u), (scratch, v), block, n,
                ))  # fmt: skip
    return zeros


@njit(nogil=True, cache=True)
def eval_constraints(instructions: NDArray[np.int32], weights: Words, constants: Words, places: NDArray[np.int32],
                     fixed: Words, main: Words, bus: Words, windows: NDArray[np.int64], result: int, mix: Words,
                     rows: int, scratch: Words, block: int, first: int, last: int) -> None:  # fmt: skip
    """Add the mix of one chip's constraints on rows [first, last) of its extension to `mix`.

    Shapes: weights uint32[m * 5]; constants uint32[c] in Montgomery form for the registers `places`; fixed, main,
        bus are tiles uint32[tiles * rows * 16]; windows int64[3, 3] (first tile, tiles, register) of these;
        mix uint32[5 * rows], coefficient by coefficient; scratch uint32[registers * block];
        first, last, rows and block are multiples of 16, and rows of block.
    """
    work = len(scratch) - INVERSION_REGISTERS * block
    for i in range(len(places)):
        scratch[places[i] * block : (places[i] + 1) * block] = constants[i]
    for row in range(first, last, block):
        load_window(scratch, fixed, rows, windows[0, 0], windows[0, 1], windows[0, 2], block, row)
        load_window(scratch, main, rows, windows[1, 0], windows[1, 1], windows[1, 2], block, row)
        load_window(scratch, bus, rows, windows[2, 0], windows[2, 1], windows[2, 2], block, row)
        run_block(instructions, weights, scratch, work, block)
        for i in range(DEGREE):
            at = i * rows + row
            lanes.add(((mix, at), (mix, at), (scratch, (result + i) * block), block // LANES))


def scratch_words(registers: int, block: int) -> int:
    """Words that a thread needs to run a program of so many registers."""
    return (registers + INVERSION_REGISTERS) * block
