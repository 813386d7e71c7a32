"""The interpreter: guest instructions on the arrays of a machine.

One source, compiled in three modes.  `run_plain` computes and counts cycles.  `run_count` also counts the rows that
each chip would have, the pages that are touched, and the paging cycles of the released platform; it stops before a
segment would overflow.  `run_record` repeats one counted segment and writes the rows.
All three take a context (`interpret_state.context_of`) and return an X_ number; what an exit has to say stands in the
scalars.  Twin: `localbento.riscv.semantics`, through the differential tests.
"""

import numpy as np
from numpy.typing import NDArray

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_access import access
from localbento_kernels.cpu.interpret_calls import resume, suspend
from localbento_kernels.cpu.interpret_fetch import probe
from localbento_kernels.cpu.interpret_host import finish_read, finish_write
from localbento_kernels.cpu.interpret_loop import main_loop
from localbento_kernels.cpu.interpret_pages import reset_segment, v2_restart
from localbento_kernels.cpu.interpret_state import A_SCALARS, address_of, get, helper, kernel, put
from localbento_kernels.cpu.interpret_units import NO_ROW

_plain = main_loop(counting=False, recording=False)
_count = main_loop(counting=True, recording=False)
_record = main_loop(counting=True, recording=True)


@helper
def answered(m: int) -> int:
    """Finish the READ or WRITE that waits for the host's answer."""
    pending = get(m, A_SCALARS, nr.S_PENDING)
    if pending == nr.X_READ:
        put(m, A_SCALARS, nr.S_REPLY_OFFSET, 0)
        return int(finish_read(m))
    if pending == nr.X_WRITE:
        return int(finish_write(m))
    return nr.X_NONE


@kernel
def run_plain(context: NDArray[np.int64]) -> int:
    """Execute until something happens."""
    m = address_of(context)
    code = answered(m)
    return code if code else _plain(m)


@kernel
def run_count(context: NDArray[np.int64]) -> int:
    """Execute and count until something happens."""
    m = address_of(context)
    code = answered(m)
    return code if code else _count(m)


@kernel
def run_record(context: NDArray[np.int64]) -> int:
    """Repeat a segment from its resume row to the end and write all rows; X_END or X_TERMINATE if it went well."""
    m = address_of(context)
    code = resume(m)
    if code == nr.X_NONE:
        code = _record(m)
    if code == nr.X_END:
        if get(m, A_SCALARS, nr.S_PROBE):
            probe(m)
        suspend(m, nr.K_SPLIT)
    elif code == nr.X_TERMINATE:
        suspend(m, nr.K_CLOSE)
    return code


@kernel
def control(context: NDArray[np.int64], action: int, first: int, second: int) -> int:
    """What the executor asks for between runs.

    DO_RESET: an empty pool.  DO_RESUME: the resume row; an exit.  DO_SUSPEND: the suspend row, kind `first`.
    DO_V2: begin a V2 segment.  DO_ACCESS: read the word at byte address `first`, or write `second` to it if it is not
    negative; the old word or minus an exit.
    """
    m = address_of(context)
    if action == DO_RESET:
        reset_segment(m)
    elif action == DO_RESUME:
        return int(resume(m))
    elif action == DO_SUSPEND:
        suspend(m, first)
    elif action == DO_V2:
        v2_restart(m)
    else:
        return int(access(m, NO_ROW, first, second, nr.AT_RD))
    return nr.X_NONE


DO_RESET, DO_RESUME, DO_SUSPEND, DO_V2, DO_ACCESS = range(5)
