"""Fetching and decoding, where the main loop does not find an instruction ready.

Twin: `localbento.riscv.decode`.
"""

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_access import (
    pc_element,
)
from localbento_kernels.cpu.interpret_pages import (
    open_page,
    room,
)
from localbento_kernels.cpu.interpret_state import (
    A_CODE_SLOT,
    A_DECODE_ROW,
    A_DECODED,
    A_FLAGS,
    A_ISA,
    A_POOL,
    A_RECORDS,
    A_ROWS,
    A_SCALARS,
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


@helper
def sign_extended(value: int, bits: int) -> int:
    """The word that sign-extends the low bits of a value."""
    low = value & ((1 << bits) - 1)
    return (low - (low >> (bits - 1) << bits)) & nr.WORD_MASK


@helper
def immediate(form: int, word: int) -> int:
    """The immediate operand as a word."""
    if form == nr.FORMAT_I:
        return int(sign_extended(word >> 20, 12))
    if form == nr.FORMAT_SHIFT:
        return word >> 20 & 31
    if form == nr.FORMAT_S:
        return int(sign_extended(word >> 25 << 5 | (word >> 7 & 31), 12))
    if form == nr.FORMAT_B:
        high = word >> 31 << 12 | (word >> 7 & 1) << 11
        return int(sign_extended(high | (word >> 25 & 0x3F) << 5 | (word >> 8 & 15) << 1, 13))
    if form == nr.FORMAT_U:
        return word & 0xFFFF_F000
    if form == nr.FORMAT_J:
        high = word >> 31 << 20 | (word >> 12 & 0xFF) << 12
        return int(sign_extended(high | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1, 21))
    return 0


@helper
def decoded_word(m: int, word: int) -> int:
    """The decoded form (D_*) of an instruction word."""
    row = 0
    while row < nr.ISA_ROWS and word & get(m, A_ISA, 5 * row) != get(m, A_ISA, 5 * row + 1):
        row += 1
    if row == nr.ISA_ROWS:
        return nr.ILLEGAL | nr.C_SYSTEM << nr.D_CHIP
    form = get(m, A_ISA, 5 * row + 2)
    operation = get(m, A_ISA, 5 * row + 3)
    d = operation | get(m, A_ISA, 5 * row + 4) << nr.D_CHIP | immediate(form, word) << nr.D_IMM
    if form == nr.FORMAT_SYSTEM:
        return int(d)
    rd = word >> 7 & 31
    if form in (nr.FORMAT_S, nr.FORMAT_B) or rd == 0:
        rd = nr.SCRATCH
    d |= rd << nr.D_RD
    if form not in (nr.FORMAT_U, nr.FORMAT_J):
        d |= nr.D_HAS_RS1 | (word >> 15 & 31) << nr.D_RS1
    if form in (nr.FORMAT_R, nr.FORMAT_S, nr.FORMAT_B):
        d |= nr.D_HAS_RS2 | (word >> 20 & 31) << nr.D_RS2
    if nr.LB <= operation <= nr.SW:
        d |= nr.D_MEMORY
        if operation in (nr.LW, nr.SW):
            d |= 3 << nr.D_ALIGN
        elif operation in (nr.LH, nr.LHU, nr.SH):
            d |= 1 << nr.D_ALIGN
    return int(d)


@helper
def enter_page(m: int) -> int:
    """Make the page at S_PC ready for fetching; its slot, or minus an exit (X_TRAP: no fetch there)."""
    pc = get(m, A_SCALARS, nr.S_PC)
    machine = get(m, A_SCALARS, nr.S_MACHINE_MODE)
    # The instruction in the last word of memory has no link.
    if pc < nr.FIRST_ADDRESS or pc >= (nr.WORD_MASK - 3 if machine else nr.USER_END):
        put(m, A_SCALARS, nr.S_X0, nr.TRAP_FETCH)
        return -nr.X_TRAP
    slot = get(m, A_TABLE, pc >> 10)
    if slot == 0:
        slot = open_page(m, pc >> 10, 0)
        if slot < 0:
            return int(slot)
    if get(m, A_CODE_SLOT, 2 * slot + machine) == 0:
        code = get(m, A_SCALARS, nr.S_CODE_SLOTS)
        put(m, A_SCALARS, nr.S_CODE_SLOTS, code + 1)
        put(m, A_SCALARS, nr.S_EVENT, 1)
        put(m, A_CODE_SLOT, 2 * slot + machine, code)
        for word in range(nr.PAGE_WORDS):
            put(m, A_DECODED, code << 8 | word, 0)
        if not get(m, A_SCALARS, nr.S_COUNTING):
            put(m, A_FLAGS, slot, (get(m, A_FLAGS, slot) | nr.F_CODE) & ~nr.F_WRITABLE)
    return int(slot)


@helper
def slow_fetch(m: int, index: int, word: int) -> None:
    """Fetch a word as data: a row of `slow_fetch` and one of `decode` each time."""
    cycle = get(m, A_SCALARS, nr.S_CYCLE)
    decode = get(m, A_ROWS, nr.C_DECODE)
    row = new_row(m, nr.C_DECODE, 5)
    if row != NO_ROW:
        put(m, A_RECORDS, row, pc_element(m))
        put(m, A_RECORDS, row + 1, word)
        put(m, A_RECORDS, row + 3, 1)
        put(m, A_RECORDS, row + 4, cycle)
    row = new_row(m, nr.C_SLOW_FETCH, 6)
    if row != NO_ROW:
        put(m, A_RECORDS, row, cycle)
        put(m, A_RECORDS, row + 1, pc_element(m))
        put(m, A_RECORDS, row + 2, word)
        put(m, A_RECORDS, row + 3, get(m, A_TIMES, index))
        put(m, A_RECORDS, row + 4, decode)
        put(m, A_TIMES, index, 5 * cycle + nr.AT_FETCH)
    put(m, A_SCALARS, nr.S_DECODE_ROW, decode)
    put(m, A_SCALARS, nr.S_SLOW_ROW, row)


@helper
def first_fetch(m: int, index: int, at: int, word: int) -> int:
    """A word becomes code, or is fetched in the other mode too: X_NONE, X_CONFLICT or X_CUT."""
    seen = get(m, A_TOUCH, index)
    if seen & nr.T_FIXED and not get(m, A_SCALARS, nr.S_IGNORE_CONFLICTS):
        put(m, A_SCALARS, nr.S_X0, get(m, A_SCALARS, nr.S_PC) >> 2)
        put(m, A_SCALARS, nr.S_X1, 0)
        return nr.X_CONFLICT
    loads = seen & nr.T_LOADS
    if loads and get(m, A_SCALARS, nr.S_RECORDING):
        put(m, A_SCALARS, nr.S_BROKEN, 1)
    if loads and not get(m, A_SCALARS, nr.S_COMPAT) and room(m, nr.C_PEEK, loads) < 0:
        return nr.X_CUT
    if loads:
        put(m, A_ROWS, nr.C_PEEK, get(m, A_ROWS, nr.C_PEEK) + loads)
        put(m, A_SCALARS, nr.S_EARLY, get(m, A_SCALARS, nr.S_EARLY) + 1)
        put(m, A_SCALARS, nr.S_EVENT, 1)
        seen = (seen & ~nr.T_LOADS) | nr.T_EARLY
    put(m, A_TOUCH, index, seen | nr.T_CODE)
    decode = get(m, A_ROWS, nr.C_DECODE)
    row = new_row(m, nr.C_DECODE, 5)
    if row != NO_ROW:
        sequence = get(m, A_TIMES, index)
        put(m, A_RECORDS, row, pc_element(m))
        put(m, A_RECORDS, row + 1, word)
        put(m, A_RECORDS, row + 2, sequence)
        put(m, A_TIMES, index, sequence + 1)
        put(m, A_DECODE_ROW, at, decode)
    return nr.X_NONE


@helper
def fetch(m: int, slot: int) -> int:
    """Decode the word at S_PC, whose page is in `slot`, for the main loop; 0, and an exit in S_X3, if it cannot be."""
    pc = get(m, A_SCALARS, nr.S_PC)
    index = slot << 8 | (pc >> 2 & 255)
    at = get(m, A_CODE_SLOT, 2 * slot + get(m, A_SCALARS, nr.S_MACHINE_MODE)) << 8 | (pc >> 2 & 255)
    word = get(m, A_POOL, index)
    d = decoded_word(m, word)
    if get(m, A_SCALARS, nr.S_COUNTING):
        if get(m, A_TOUCH, index) & nr.T_SLOW:
            slow_fetch(m, index, word)
            return int(d)
        code = first_fetch(m, index, at, word)
        if code != nr.X_NONE:
            put(m, A_SCALARS, nr.S_X3, code)
            return 0
    put(m, A_DECODED, at, d)
    return int(d)


@helper
def probe(m: int) -> None:
    """Recording: fetch, as counting did, the instruction before which the segment was cut."""
    slot = enter_page(m)
    if slot < 0:
        return
    pc = get(m, A_SCALARS, nr.S_PC)
    at = get(m, A_CODE_SLOT, 2 * slot + get(m, A_SCALARS, nr.S_MACHINE_MODE)) << 8 | (pc >> 2 & 255)
    slow = get(m, A_TOUCH, slot << 8 | (pc >> 2 & 255)) & nr.T_SLOW
    if not slow and get(m, A_DECODED, at) == 0:
        fetch(m, slot)
