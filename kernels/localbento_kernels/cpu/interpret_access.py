"""Accesses of calls and other rare rows to words, with everything that hangs on them."""

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_pages import (
    add_rows,
    open_page,
)
from localbento_kernels.cpu.interpret_state import (
    A_CODE_SLOT,
    A_DECODED,
    A_FLAGS,
    A_POOL,
    A_RECORDS,
    A_SCALARS,
    A_SLOT_OF,
    A_TABLE,
    A_TIMES,
    A_TOUCH,
    get,
    helper,
    put,
)
from localbento_kernels.cpu.interpret_units import (
    NO_ROW,
    new_row,
)

READ_ONLY = -1
"""In place of a new value: the access leaves the word as it is."""


@helper
def locate(m: int, address: int, write: int) -> int:
    """The pool index of the word at a byte address, its page opened; minus an exit if there is no such page."""
    slot = get(m, A_TABLE, address >> 10)
    if slot == 0 or (write and not get(m, A_FLAGS, slot) & nr.F_WRITABLE):
        slot = open_page(m, address >> 10, write)
        if slot < 0:
            return int(slot)
    return int(slot << 8 | (address >> 2 & 255))


@helper
def forget_code(m: int, index: int) -> None:
    """A code word changes: it must be decoded again."""
    slot = index >> 8
    for mode in range(2):
        code = get(m, A_CODE_SLOT, 2 * slot + mode)
        if code:
            put(m, A_DECODED, code << 8 | (index & 255), 0)


@helper
def peek_time(m: int, index: int, address: int) -> int:
    """A load of a code word: count its row; the time at which `peek` puts the word into memory."""
    cycle = get(m, A_SCALARS, nr.S_CYCLE)
    row = new_row(m, nr.C_PEEK, 4)
    if row != NO_ROW:
        sequence = get(m, A_TIMES, index)
        put(m, A_RECORDS, row, address >> 2)
        put(m, A_RECORDS, row + 1, sequence)
        put(m, A_RECORDS, row + 2, get(m, A_POOL, index))
        put(m, A_RECORDS, row + 3, cycle)
        put(m, A_TIMES, index, sequence + 1)
    return int(5 * cycle + nr.AT_MEMORY - 1)


@helper
def note_access(m: int, index: int, address: int, write: int, moment: int) -> int:
    """Count and time an access to a word; the time of the one before."""
    if not get(m, A_SCALARS, nr.S_COUNTING):
        if write and get(m, A_FLAGS, index >> 8) & nr.F_CODE:
            forget_code(m, index)
        return 0
    seen = get(m, A_TOUCH, index)
    if seen & nr.T_CODE and moment == nr.AT_MEMORY and not write:
        return int(peek_time(m, index, address))
    if seen & nr.T_CODE:  # only where conflicts are ignored
        forget_code(m, index)
        seen &= ~nr.T_CODE
        put(m, A_SCALARS, nr.S_BROKEN, 1)
    put(m, A_TOUCH, index, seen + 1 if moment == nr.AT_MEMORY and not write else seen | nr.T_FIXED)
    if not get(m, A_SCALARS, nr.S_RECORDING):
        return 0
    before = get(m, A_TIMES, index)
    put(m, A_TIMES, index, 5 * get(m, A_SCALARS, nr.S_CYCLE) + moment)
    return int(before)


@helper
def access(m: int, at: int, address: int, new: int, moment: int) -> int:
    """Read or write a word, and record (address, old, new, time before) at `at` unless that is NO_ROW.

    Returns: the old word, or minus an exit.
    """
    write = 1 if new != READ_ONLY else 0
    index = locate(m, address, write)
    if index < 0:
        return int(index)
    old = get(m, A_POOL, index)
    time = note_access(m, index, address, write, moment)
    if write:
        put(m, A_POOL, index, new)
    if at != NO_ROW:
        put(m, A_RECORDS, at, address >> 2)
        put(m, A_RECORDS, at + 1, old)
        put(m, A_RECORDS, at + 2, new if write else old)
        put(m, A_RECORDS, at + 3, time)
    return int(old)


@helper
def begin_call(m: int, kind: int, chip: int, next_pc: int) -> None:
    """Count a call and record its header; next_pc is an element."""
    add_rows(m, chip, 1)
    at = new_row(m, nr.CALLS, nr.CALL_WORDS)
    put(m, A_SCALARS, nr.S_CALL_AT, at)
    if at != NO_ROW:
        put(m, A_RECORDS, at, kind)
        put(m, A_RECORDS, at + 1, get(m, A_SCALARS, nr.S_CYCLE))
        put(m, A_RECORDS, at + 2, pc_element(m))
        put(m, A_RECORDS, at + 3, get(m, A_SCALARS, nr.S_WORD))
        put(m, A_RECORDS, at + 4, get(m, A_SCALARS, nr.S_DECODE_ROW))
        put(m, A_RECORDS, at + 5, next_pc)


@helper
def pc_element(m: int) -> int:
    """The program counter as the buses carry it."""
    machine = get(m, A_SCALARS, nr.S_MACHINE_MODE)
    return int((get(m, A_SCALARS, nr.S_PC) >> 2) + (0 if machine else nr.USER_MODE_BIT))


@helper
def note_sequential(m: int, cycles: int) -> None:
    """A slowly fetched instruction of so many cycles goes on at the next word; only one cycle has a proof."""
    row = get(m, A_SCALARS, nr.S_SLOW_ROW)
    if row > 0:
        put(m, A_RECORDS, row + 5, 1)
    if row and cycles > 1:
        put(m, A_SCALARS, nr.S_BROKEN, 1)


@helper
def call_access(m: int, number: int, address: int, new: int, moment: int) -> int:
    """An access of the call that runs, the `number`-th of its record."""
    start = get(m, A_SCALARS, nr.S_CALL_AT)
    at = NO_ROW if start == NO_ROW else start + 8 + 4 * number
    return int(access(m, at, address, new, moment))


@helper
def call_register(m: int, number: int, register: int, new: int, moment: int) -> int:
    """An access of the call that runs to a register of machine mode."""
    return int(call_access(m, number, nr.MACHINE_REGISTERS + 4 * register, new, moment))


@helper
def code_between(m: int, start: int, count: int) -> int:
    """The word address of the first code word among the bytes [start, start + count); -1 if there is none."""
    for word in range(start >> 2, (start + count + 3) >> 2):
        slot = get(m, A_SLOT_OF, word >> 8)
        if slot and get(m, A_TOUCH, slot << 8 | (word & 255)) & nr.T_CODE:
            return int(word)
    return -1
