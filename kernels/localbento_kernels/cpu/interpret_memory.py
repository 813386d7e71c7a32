"""Loads and stores where the main loop cannot go straight to the word."""

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_access import (
    forget_code,
)
from localbento_kernels.cpu.interpret_pages import (
    open_page,
)
from localbento_kernels.cpu.interpret_state import (
    A_FLAGS,
    A_SCALARS,
    A_SLOT_OF,
    A_TOUCH,
    get,
    helper,
    put,
)


@helper
def store_to_code(m: int, address: int, index: int) -> int:
    """A store meets a code word: X_CONFLICT, unless conflicts are ignored."""
    if get(m, A_SCALARS, nr.S_IGNORE_CONFLICTS) and not get(m, A_SCALARS, nr.S_RECORDING):
        forget_code(m, index)
        put(m, A_TOUCH, index, (get(m, A_TOUCH, index) & ~nr.T_CODE) | nr.T_FIXED)
        return nr.X_NONE
    put(m, A_SCALARS, nr.S_X0, address >> 2)
    put(m, A_SCALARS, nr.S_X1, 1)
    put(m, A_SCALARS, nr.S_PROBE, 1)
    return nr.X_CONFLICT


@helper
def data_slot(m: int, address: int, size_mask: int, write: int) -> int:
    """The slot of the page for a load or store, after all checks; minus an exit (X_TRAP: cause in S_X0)."""
    end = nr.WORD_MASK + 1 if get(m, A_SCALARS, nr.S_MACHINE_MODE) else nr.USER_END
    if address < nr.FIRST_ADDRESS or address >= end:
        put(m, A_SCALARS, nr.S_X0, nr.TRAP_STORE if write else nr.TRAP_LOAD)
        return -nr.X_TRAP
    if address & size_mask:
        put(m, A_SCALARS, nr.S_X0, nr.TRAP_STORE_ALIGN if write else nr.TRAP_LOAD_ALIGN)
        return -nr.X_TRAP
    slot = get(m, A_SLOT_OF, address >> 10)
    index = slot << 8 | (address >> 2 & 255)
    if write and slot and get(m, A_SCALARS, nr.S_COUNTING) and get(m, A_TOUCH, index) & nr.T_CODE:
        # Before the page is marked as written: the segment may end here.
        code = store_to_code(m, address, index)
        if code != nr.X_NONE:
            return -code
    slot = open_page(m, address >> 10, write)
    if slot > 0 and write and get(m, A_FLAGS, slot) & nr.F_CODE:
        forget_code(m, slot << 8 | (address >> 2 & 255))
    return int(slot)
