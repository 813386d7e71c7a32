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
from localbento_kernels.cpu.interpret_state import A_SCALARS, address_of, get, kernel, put
from localbento_kernels.cpu.interpret_units import NO_ROW

run_plain = main_loop(counting=False, recording=False)
"""Execute until something happens."""
run_count = main_loop(counting=True, recording=False)
"""Execute and count until something happens."""
run_record = main_loop(counting=True, recording=True)
"""Repeat a segment after its resume row, and write all rows: X_END or X_TERMINATE if it goes well."""


@kernel
def control(context: NDArray[np.int64], action: int, first: int, second: int) -> int:
    """What the executor asks for between runs.

    DO_RESET: an empty pool.  DO_RESUME: the resume row; an exit.  DO_SUSPEND: the suspend row, kind `first`, after a
    probe if S_PROBE says so and the machine records.  DO_V2: begin a V2 segment.  DO_ACCESS: read the word at byte
    address `first`, or write `second` to it if it is not negative; the old word or minus an exit.  DO_ANSWER: finish
    the READ or WRITE that waits for the host's answer; an exit.
    """
    m = address_of(context)
    if action == DO_RESET:
        reset_segment(m)
    elif action == DO_RESUME:
        return int(resume(m))
    elif action == DO_SUSPEND:
        if get(m, A_SCALARS, nr.S_RECORDING) and get(m, A_SCALARS, nr.S_PROBE) and first == nr.K_SPLIT:
            probe(m)
        suspend(m, first)
    elif action == DO_V2:
        v2_restart(m)
    elif action == DO_ANSWER:
        if get(m, A_SCALARS, nr.S_PENDING) == nr.X_WRITE:
            return int(finish_write(m))
        put(m, A_SCALARS, nr.S_REPLY_OFFSET, 0)
        return int(finish_read(m))
    else:
        return int(access(m, NO_ROW, first, second, nr.AT_RD))
    return nr.X_NONE


DO_RESET, DO_RESUME, DO_SUSPEND, DO_V2, DO_ACCESS, DO_ANSWER = range(6)
