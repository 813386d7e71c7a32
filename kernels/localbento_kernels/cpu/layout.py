"""Columns into tiles: from canonical residues, column by column, to Montgomery form, row by row.

Twin: `localbento_kernels.cpu.tiles.pack`, and a product by 2^32.
"""

import numpy as np
from numba import njit

from localbento_kernels.cpu import lanes
from localbento_kernels.cpu.emitter import Routine, routine
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import LANES, P

TO_MONTGOMERY = np.uint32(2**64 % P)
"""2^32 in Montgomery form: the product with it is x * 2^32."""


def _define_mul_column(r: Routine) -> None:
    """(to, x, word): one vector times one word; x, whose memory is the caller's, is aligned to words only."""
    to, x, word = r.pointers
    r.store(r.mul(r.load(x, 0, 4), r.broadcast(word)), to)


mul_column = routine("layout_mul_column", 3, 0, _define_mul_column)


@njit(nogil=True, cache=True)
def place_columns(columns: Words, count: int, tiles: Words, rows: int, cell: int, scratch: Words,
                  first: int, last: int) -> None:  # fmt: skip
    """Write columns, made Montgomery, into rows [first, last) of tiles from cell `cell`.

    Shapes: columns uint32[count * rows], canonical; tiles uint32[tiles * rows * 16]; scratch uint32[1024], aligned;
        first and last are multiples of 16, and rows a multiple of 64.
    """
    square = np.empty(1, np.uint32)
    square[0] = TO_MONTGOMERY
    for row in range(first, last, LANES):
        c = 0
        while c < count:
            lane = (cell + c) % LANES
            start = ((cell + c) // LANES * rows + row) * LANES
            if lane == 0 and c + LANES <= count:
                for j in range(LANES):
                    mul_column(((scratch, LANES * j), (columns, (c + j) * rows + row), (square, 0)))
                lanes.transpose(((tiles, start), (scratch, 0), LANES, 1))
                c += LANES
                continue
            mul_column(((scratch, 0), (columns, c * rows + row), (square, 0)))
            for i in range(LANES):
                tiles[start + LANES * i + lane] = scratch[i]
            c += 1
