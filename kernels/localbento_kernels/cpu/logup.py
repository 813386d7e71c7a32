"""Helper columns and running sums of the bus argument, from the trace.  Twin: `localbento.air.evaluate`."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from localbento_kernels.cpu import lanes
from localbento_kernels.cpu.constraints import INVERSION_REGISTERS, load_window, run_block
from localbento_kernels.cpu.emitter import DEGREE
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import LANES, P

PRIME = np.uint32(P)


@njit(nogil=True, cache=True)
def helper_columns(instructions: NDArray[np.int32], weights: Words, constants: Words, places: NDArray[np.int32],
                   fixed: Words, main: Words, windows: NDArray[np.int64], result: int, results: int,
                   bus: Words, cell: int, steps: Words, rows: int, scratch: Words, block: int,
                   first: int, last: int) -> int:  # fmt: skip
    """Fill a chip's helper columns on rows [first, last), and add their sum to `steps`.

    Shapes: as `constraints.eval_constraints`; `windows` int64[2, 3]; bus uint32[tiles * rows * 16], filled from
        cell `cell` of its rows, `results` cells; steps uint32[5 * rows], coefficient by coefficient.

    Returns: how many fingerprints were zero; if any, the columns are not to be used.
    """
    n, zeros, work = block // LANES, 0, len(scratch) - INVERSION_REGISTERS * block
    for i in range(len(places)):
        scratch[places[i] * block : (places[i] + 1) * block] = constants[i]
    for row in range(first, last, block):
        load_window(scratch, fixed, rows, windows[0, 0], windows[0, 1], windows[0, 2], block, row)
        load_window(scratch, main, rows, windows[1, 0], windows[1, 1], windows[1, 2], block, row)
        zeros += run_block(instructions, weights, scratch, work, block)
        for c in range(results):
            source = (result + c) * block
            at = (c % DEGREE) * rows + row
            lanes.add(((steps, at), (steps, at), (scratch, source), n))
            tile, lane = (cell + c) // LANES, (cell + c) % LANES
            target = (tile * rows + row) * LANES + lane
            for i in range(block):
                bus[target + i * LANES] = scratch[source + i]
    return zeros


@njit(nogil=True, cache=True)
def running_sum(steps: Words, bus: Words, cell: int, rows: int, active: int) -> None:
    """S of a height into five cells of the bus rows 0 .. active: row r holds the steps of rows before r.

    Shapes: steps uint32[5 * rows]; bus uint32[tiles * rows * 16].
    """
    for c in range(DEGREE):
        tile, lane = (cell + c) // LANES, (cell + c) % LANES
        total = np.uint32(0)
        for row in range(active + 1):
            bus[(tile * rows + row) * LANES + lane] = total
            total = np.uint32(total + steps[c * rows + row])
            if total >= PRIME:
                total = np.uint32(total - PRIME)
