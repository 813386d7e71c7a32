"""READ and WRITE: the machine's calls to its host.

In the counting modes the kernel leaves with X_READ or X_WRITE and `S_PENDING`; the host puts its answer into
`replies` and `S_REPLY_LENGTH` and calls again.  When recording, the answers of the segment lie there in order.
"""

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_access import (
    READ_ONLY,
    begin_call,
    call_register,
    code_between,
    locate,
    note_access,
    note_sequential,
)
from localbento_kernels.cpu.interpret_pages import (
    add_rows,
    pages_fit,
    room,
)
from localbento_kernels.cpu.interpret_state import (
    A_POOL,
    A_RECORDS,
    A_REPLIES,
    A_REPLY_LENGTHS,
    A_ROWS,
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
def io_arguments(m: int, pointer: int, length: int) -> int:
    """The rules for what READ and WRITE may move."""
    put(m, A_SCALARS, nr.S_X0, length)
    if length > nr.IO_BYTES:
        return nr.X_IO_LENGTH
    if pointer + length > nr.WORD_MASK or (length > 0 and pointer < nr.FIRST_ADDRESS):
        put(m, A_SCALARS, nr.S_X0, pointer)
        put(m, A_SCALARS, nr.S_X1, length)
        return nr.X_IO_POINTER
    return nr.X_NONE


@helper
def data_rows(pointer: int, length: int) -> int:
    """Rows of READ data: bytes to alignment, words, tail bytes."""
    head = min(-pointer & 3, length)
    return int(head + (length - head) // 4 + (length - head) % 4)


@helper
def call_fits(m: int, chip: int, headers: int, data_chip: int, rows: int, reads: int, writes: int) -> int:
    """Whether a call fits into what the segment has left: X_NONE, X_CUT, or X_TOO_LARGE in an empty segment."""
    put(m, A_SCALARS, nr.S_EVENT, 1)
    if not get(m, A_SCALARS, nr.S_COUNTING) or get(m, A_SCALARS, nr.S_COMPAT):
        return nr.X_NONE
    put(m, A_ROWS, nr.C_CYCLES, get(m, A_SCALARS, nr.S_CYCLE))
    if (
        room(m, chip, headers) >= 0
        and room(m, data_chip, rows) >= 0
        and room(m, nr.C_CYCLES, rows + 3) >= 0
        and room(m, nr.C_ACCESS, rows + 6 + 13) >= 0
        and room(m, nr.C_PEEK, rows) >= 0
        and pages_fit(m, reads, writes)
    ):
        return nr.X_NONE
    put(m, A_SCALARS, nr.S_X0, get(m, A_POOL, nr.MACHINE_BANK + nr.R_A7))
    put(m, A_SCALARS, nr.S_PROBE, 1)
    return nr.X_TOO_LARGE if get(m, A_SCALARS, nr.S_CYCLE) == get(m, A_SCALARS, nr.S_FRESH) else nr.X_CUT


@helper
def conflict(m: int, start: int, count: int) -> int:
    """X_CONFLICT if a code word is among these bytes, which must all be data."""
    if not get(m, A_SCALARS, nr.S_COUNTING) or get(m, A_SCALARS, nr.S_IGNORE_CONFLICTS):
        return nr.X_NONE
    word = code_between(m, start, count)
    if word < 0:
        return nr.X_NONE
    put(m, A_SCALARS, nr.S_X0, word)
    put(m, A_SCALARS, nr.S_X1, 1)
    put(m, A_SCALARS, nr.S_PROBE, 1)
    return nr.X_CONFLICT


@helper
def next_reply(m: int) -> None:
    """Recording: take up the next answer."""
    put(m, A_SCALARS, nr.S_EVENT, 1)
    number = get(m, A_SCALARS, nr.S_REPLY_NEXT)
    put(m, A_SCALARS, nr.S_REPLY_NEXT, number + 1)
    put(m, A_SCALARS, nr.S_REPLY_LENGTH, get(m, A_REPLY_LENGTHS, number))


@helper
def note_lengths(m: int, length: int, result: int) -> None:
    """Record what was asked for and what came."""
    at = get(m, A_SCALARS, nr.S_CALL_AT)
    if at != NO_ROW:
        put(m, A_RECORDS, at + 6, length)
        put(m, A_RECORDS, at + 7, result)


@helper
def finish_write(m: int) -> int:
    """WRITE, second half: S_REPLY_LENGTH is what the host took."""
    result = get(m, A_SCALARS, nr.S_REPLY_LENGTH)
    put(m, A_SCALARS, nr.S_PENDING, 0)
    begin_call(m, nr.K_WRITE, nr.C_HOST, (get(m, A_SCALARS, nr.S_PC) >> 2) + 1)
    add_rows(m, nr.C_ACCESS, 3)
    call_register(m, 0, nr.R_A7, READ_ONLY, nr.AT_RS1)
    length = call_register(m, 1, nr.R_A2, READ_ONLY, nr.AT_RS1)
    call_register(m, 2, nr.R_A0, result, nr.AT_RD)
    note_lengths(m, length, result)
    note_sequential(m, 1)
    put(m, A_SCALARS, nr.S_CYCLE, get(m, A_SCALARS, nr.S_CYCLE) + 1)
    put(m, A_SCALARS, nr.S_PC, get(m, A_SCALARS, nr.S_PC) + 4)
    put(m, A_SCALARS, nr.S_USER, get(m, A_SCALARS, nr.S_USER) + 1)
    return nr.X_NONE


@helper
def reply_word(m: int, at: int, size: int) -> int:
    """One byte or four of the answer, little-endian."""
    word = 0
    for i in range(size):
        word |= get(m, A_REPLIES, at + i) << (8 * i)
    return int(word)


@helper
def store_reply(m: int, pointer: int, left: int, size: int, next_pc: int) -> int:
    """One row of READ data: `size` bytes of the answer to `pointer`."""
    index = locate(m, pointer, 1)
    if index < 0:
        return -index
    at = get(m, A_SCALARS, nr.S_REPLY_OFFSET)
    put(m, A_SCALARS, nr.S_REPLY_OFFSET, at + size)
    old = get(m, A_POOL, index)
    offset = pointer & 3
    mask = nr.WORD_MASK if size == 4 else 0xFF << (8 * offset)
    new = (old & ~mask) | reply_word(m, at, size) << (8 * offset)
    time = note_access(m, index, pointer, 1, nr.AT_RD)
    put(m, A_POOL, index, new)
    row = new_row(m, nr.C_READ_DATA, 9)
    if row != NO_ROW:
        put(m, A_RECORDS, row, get(m, A_SCALARS, nr.S_CYCLE))
        put(m, A_RECORDS, row + 1, next_pc)
        put(m, A_RECORDS, row + 2, pointer >> 2)
        put(m, A_RECORDS, row + 3, offset)
        put(m, A_RECORDS, row + 4, left)
        put(m, A_RECORDS, row + 5, size)
        put(m, A_RECORDS, row + 6, old)
        put(m, A_RECORDS, row + 7, new)
        put(m, A_RECORDS, row + 8, time)
    return nr.X_NONE


@helper
def pad_lanes(m: int, words: int) -> None:
    """COMPAT: V2 moves words in groups of four and stores zeros for the missing ones of the last group."""
    for lane in range(words % 4, 4 if words % 4 else 0):
        index = locate(m, nr.READ_PADDING + 4 * lane, 1)
        put(m, A_POOL, index, 0)


@helper
def finish_read(m: int) -> int:
    """READ, second half: a0, then the answer's bytes in ascending order, a byte or a word a row."""
    result = get(m, A_SCALARS, nr.S_REPLY_LENGTH)
    put(m, A_SCALARS, nr.S_PENDING, 0)
    next_pc = (get(m, A_SCALARS, nr.S_PC) >> 2) + 1
    begin_call(m, nr.K_READ, nr.C_HOST, next_pc)
    add_rows(m, nr.C_ACCESS, 4)
    call_register(m, 0, nr.R_A7, READ_ONLY, nr.AT_RS1)
    pointer = call_register(m, 1, nr.R_A1, READ_ONLY, nr.AT_RS1)
    length = call_register(m, 2, nr.R_A2, READ_ONLY, nr.AT_RS1)
    call_register(m, 3, nr.R_A0, result, nr.AT_RD)
    note_lengths(m, length, result)
    put(m, A_SCALARS, nr.S_CYCLE, get(m, A_SCALARS, nr.S_CYCLE) + 1)
    head = min(-pointer & 3, result)
    body = (result - head) // 4
    left = result
    start = pointer
    add_rows(m, nr.C_ACCESS, data_rows(pointer, result))
    code = nr.X_NONE
    while left > 0 and code == nr.X_NONE:
        size = 1 if pointer & 3 or left < 4 else 4
        code = store_reply(m, pointer, left, size, next_pc)
        put(m, A_SCALARS, nr.S_CYCLE, get(m, A_SCALARS, nr.S_CYCLE) + 1)
        pointer += size
        left -= size
    if get(m, A_SCALARS, nr.S_COMPAT):
        pad_lanes(m, body)
    note_sequential(m, 1 + data_rows(start, result))
    extra = 1 + head + (body + 3) // 4 + (result - head) % 4
    put(m, A_SCALARS, nr.S_USER, get(m, A_SCALARS, nr.S_USER) + extra)
    put(m, A_SCALARS, nr.S_PC, get(m, A_SCALARS, nr.S_PC) + 4)
    return int(code)


@helper
def ask(m: int, number: int) -> int:
    """READ or WRITE, first half: judge the arguments, then leave for the host's answer."""
    pointer = get(m, A_POOL, nr.MACHINE_BANK + nr.R_A1)
    length = get(m, A_POOL, nr.MACHINE_BANK + nr.R_A2)
    read = number == nr.CALL_READ
    code = io_arguments(m, pointer, length)
    if code == nr.X_NONE and get(m, A_SCALARS, nr.S_RECORDING):
        next_reply(m)
        return int(finish_read(m) if read else finish_write(m))
    if code == nr.X_NONE:
        rows = data_rows(pointer, length) if read else 0
        code = call_fits(m, nr.C_HOST, 1, nr.C_READ_DATA, rows, 0, 2 if read else 0)
    if code == nr.X_NONE and read:
        code = conflict(m, pointer, length)
    if code == nr.X_NONE:
        code = nr.X_READ if read else nr.X_WRITE
        put(m, A_SCALARS, nr.S_PENDING, code)
    return int(code)
