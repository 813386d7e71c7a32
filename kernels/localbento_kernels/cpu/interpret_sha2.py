"""SHA2: compressions of SHA-256 on memory.  Twin: hashlib, through tests of whole digests."""

from typing import Any

import numpy as np

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_access import (
    READ_ONLY,
    access,
    begin_call,
    call_register,
    note_sequential,
)
from localbento_kernels.cpu.interpret_host import (
    call_fits,
    conflict,
    note_lengths,
)
from localbento_kernels.cpu.interpret_pages import (
    add_rows,
)
from localbento_kernels.cpu.interpret_state import (
    A_POOL,
    A_RECORDS,
    A_SCALARS,
    get,
    helper,
    put,
)
from localbento_kernels.cpu.interpret_units import (
    NO_ROW,
    new_row,
)


@helper
def swap(word: int) -> int:
    """Reverse the bytes of a word."""
    return (word & 0xFF) << 24 | (word & 0xFF00) << 8 | (word >> 8 & 0xFF00) | word >> 24


@helper
def rotate(word: int, count: int) -> int:
    """Rotate a word to the right."""
    return (word >> count | word << (32 - count)) & nr.WORD_MASK


@helper
def overlap(a: int, a_bytes: int, b: int, b_bytes: int) -> bool:
    """Whether two stretches of memory have a byte in common."""
    return a < b + b_bytes and b < a + a_bytes


@helper
def is_pointer(pointer: int) -> bool:
    """Whether the circuit takes it."""
    return pointer & 3 == 0 and pointer >= nr.FIRST_ADDRESS


@helper
def sha2_arguments(m: int, source: int, target: int, data: int, table: int, count: int) -> int:
    """What the call may be asked: see `sha2`."""
    put(m, A_SCALARS, nr.S_X0, count)
    if count > nr.SHA2_BLOCKS:
        return nr.X_SHA2_COUNT
    for pointer, size in (
        (source, 32),
        (target, 32),
        (data, 64 * count),
        (table, 256 if count else 0),
    ):
        if size and (not is_pointer(pointer) or pointer + size > nr.WORD_MASK + 1):
            put(m, A_SCALARS, nr.S_X0, pointer)
            return nr.X_SHA2_POINTER
    if (source != target and overlap(source, 32, target, 32)) or (
        count and (overlap(data, 64 * count, target, 32) or overlap(table, 256, target, 32))
    ):
        put(m, A_SCALARS, nr.S_X0, target)
        return nr.X_SHA2_OVERLAP
    return nr.X_NONE


@helper
def sha2_row(m: int, kind: int, index: int, left: int, next_pc: int, call: int) -> int:
    """Count a row; recording: where its two accesses begin."""
    row = new_row(m, nr.SHA2_RECORDS, nr.SHA2_WORDS)
    if row == NO_ROW:
        return NO_ROW
    put(m, A_RECORDS, row, kind)
    put(m, A_RECORDS, row + 1, get(m, A_SCALARS, nr.S_CYCLE))
    put(m, A_RECORDS, row + 2, index)
    put(m, A_RECORDS, row + 3, left)
    put(m, A_RECORDS, row + 4, next_pc)
    put(m, A_RECORDS, row + 5, call)
    return int(row + 6)


@helper
def second(at: int) -> int:
    """Where the record of the second access begins."""
    return at if at == NO_ROW else at + 4


@helper
def tick(m: int) -> None:
    """The next cycle."""
    put(m, A_SCALARS, nr.S_CYCLE, get(m, A_SCALARS, nr.S_CYCLE) + 1)


@helper
def compress(m: int, state: Any, data: int, table: int, left: int, next_pc: int, call: int) -> int:
    """One block: 64 rows; the state, host integers, is updated."""
    schedule = np.zeros(64, np.int64)
    a, b, c, d, e, f, g, h = (
        state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    )  # fmt: skip
    for j in range(64):
        at = sha2_row(m, 1, j, left, next_pc, call)
        # The data word first, as its moment in the cycle is the earlier one: it may be the constant's own word.
        word = access(m, second(at), data + 4 * j, READ_ONLY, nr.AT_RS2) if j < 16 else 0
        constant = access(m, at, table + 4 * j, READ_ONLY, nr.AT_MEMORY)
        if constant < 0 or word < 0:
            return int(max(-constant, -word))
        if j < 16:
            schedule[j] = swap(word)
        else:
            x, y = schedule[j - 15], schedule[j - 2]
            s0 = rotate(x, 7) ^ rotate(x, 18) ^ x >> 3
            s1 = rotate(y, 17) ^ rotate(y, 19) ^ y >> 10
            schedule[j] = (schedule[j - 16] + s0 + schedule[j - 7] + s1) & nr.WORD_MASK
        tick(m)
        t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (e & f ^ ~e & g)
        t1 += constant + schedule[j]
        t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (t1 + t2) & nr.WORD_MASK, a, b, c, (d + t1) & nr.WORD_MASK, e, f, g
    for i, word in enumerate((a, b, c, d, e, f, g, h)):
        state[i] = (state[i] + word) & nr.WORD_MASK
    return nr.X_NONE


@helper
def move_state(m: int, state: Any, kind: int, pointer: int, left: int, next_pc: int) -> int:
    """Four rows that load (kind 0) or store (kind 2) the words 3 - i and 7 - i."""
    call = get(m, A_SCALARS, nr.S_X1)
    for i in range(4):
        at = sha2_row(m, kind, i, left, next_pc, call)
        for k in range(2):
            word = 3 - i + 4 * k
            if kind == 0:
                old = access(m, at, pointer + 4 * word, READ_ONLY, nr.AT_MEMORY)
                state[word] = swap(old)
            else:
                old = access(m, at, pointer + 4 * word, swap(state[word]), nr.AT_RD)
            if old < 0:
                return int(-old)
            at = second(at)
        tick(m)
    return nr.X_NONE


@helper
def sha2(m: int) -> int:
    """The call: state-in a0, state-out a1, data a2, count in the low half of a3, constants a4.

    Up to 10 blocks.  Pointers are aligned and outside the zero area; the output may lie exactly on the input
    state, but must not overlap anything else that is read (the platform would read what it has just written).
    Without blocks nothing is read of data and constants, so their pointers are not looked at; the circuit does look,
    so such a call has no proof if they are not pointers (X_SHA2_EMPTY, after the call).
    """
    source = get(m, A_POOL, nr.MACHINE_BANK + nr.R_A0)
    target = get(m, A_POOL, nr.MACHINE_BANK + nr.R_A1)
    data = get(m, A_POOL, nr.MACHINE_BANK + nr.R_A2)
    count = get(m, A_POOL, nr.MACHINE_BANK + nr.R_A3) & 0xFFFF
    table = get(m, A_POOL, nr.MACHINE_BANK + nr.R_A4)
    code = sha2_arguments(m, source, target, data, table, count)
    if code == nr.X_NONE and not get(m, A_SCALARS, nr.S_RECORDING):
        headers = nr.SHA2_CALL_ROWS + nr.SHA2_BLOCK_ROWS * count
        code = call_fits(m, nr.C_SHA2, headers, nr.C_SHA2_ROUND, 8 + 64 * count, 6, 2)
        if code == nr.X_NONE:
            code = conflict(m, target, 32)
        if code == nr.X_NONE:
            code = conflict(m, data, 64 * count)
    if code != nr.X_NONE:
        return int(code)
    put(m, A_SCALARS, nr.S_EVENT, 1)
    call = get(m, A_SCALARS, nr.S_CYCLE)
    next_pc = (get(m, A_SCALARS, nr.S_PC) >> 2) + 1
    begin_call(m, nr.K_SHA2, nr.C_SHA2, next_pc)
    add_rows(m, nr.C_SHA2, nr.SHA2_CALL_ROWS - 1 + nr.SHA2_BLOCK_ROWS * count)
    add_rows(m, nr.C_SHA2_ROUND, 64 * count)
    add_rows(m, nr.C_ACCESS, 22 + 16 * count)
    call_register(m, 0, nr.R_A7, READ_ONLY, nr.AT_RS1)
    for i in range(5):
        call_register(m, 1 + i, nr.R_A0 + i, READ_ONLY, nr.AT_RS1)
    note_lengths(m, count, 0)
    tick(m)
    state = np.zeros(8, np.int64)
    put(m, A_SCALARS, nr.S_X1, call)
    code = move_state(m, state, 0, source, count, next_pc)
    for block in range(count):
        if code == nr.X_NONE:
            code = compress(m, state, data + 64 * block, table, count - block, next_pc, call)
    if code == nr.X_NONE:
        code = move_state(m, state, 2, target, 0, next_pc)
    note_sequential(m, 9 + 64 * count)
    put(m, A_SCALARS, nr.S_USER, get(m, A_SCALARS, nr.S_USER) + 5 + 68 * count)
    put(m, A_SCALARS, nr.S_PC, get(m, A_SCALARS, nr.S_PC) + 4)
    if code == nr.X_NONE and not (is_pointer(data) and is_pointer(table)):
        return nr.X_SHA2_EMPTY
    return int(code)
