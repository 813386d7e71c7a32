"""Uses of the units: one row for each use that the cache does not remember.

The cache is direct-mapped, keyed by operation and operands, empty at the start of a segment.  A hit adds to
the multiplicity of the row that is there, a miss makes a row and takes the entry over; so counting and recording
agree, and a row vector depends on the segment alone.
"""

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_state import (
    A_BASES,
    A_CACHE_KEY,
    A_CACHE_OP,
    A_CACHE_ROW,
    A_CAPS,
    A_RECORDS,
    A_ROWS,
    A_SCALARS,
    get,
    helper,
    put,
)

NO_ROW = -1
"""No record is written: counting, or the records are full."""


@helper
def new_row(m: int, chip: int, words: int) -> int:
    """Count a row of a chip; recording: where its record begins, NO_ROW if there is no room."""
    row = get(m, A_ROWS, chip)
    put(m, A_ROWS, chip, row + 1)
    if not get(m, A_SCALARS, nr.S_RECORDING):
        return NO_ROW
    if row >= get(m, A_CAPS, chip):  # the caller of the kernel compares all counts at the end
        return NO_ROW
    return int(get(m, A_BASES, chip) + row * words)


@helper
def entry_of(op: int, a: int, b: int) -> int:
    """The cache entry of a use."""
    mixed = a * 0x1E37_79B9_7F4A_7C15 + b * 0x3F58_476D_1CE4_E5B9 + op * 0x14D0_49BB_1331_11EB
    return int(mixed >> 46 & ((1 << nr.CACHE_BITS) - 1))


@helper
def hit(m: int, entry: int, op: int, a: int, b: int) -> bool:
    """Whether the cache remembers this use."""
    return bool(get(m, A_CACHE_OP, entry) == op and get(m, A_CACHE_KEY, entry) == a << 32 | b)


@helper
def remember(m: int, entry: int, op: int, a: int, b: int, row: int) -> None:
    """Take over a cache entry."""
    put(m, A_CACHE_OP, entry, op)
    put(m, A_CACHE_KEY, entry, a << 32 | b)
    if row != NO_ROW:
        put(m, A_CACHE_ROW, entry, row)


@helper
def add_uses(m: int, entry: int, column: int, uses: int) -> None:
    """Add to a multiplicity of the row that an entry stands for."""
    if get(m, A_SCALARS, nr.S_RECORDING):
        at = get(m, A_CACHE_ROW, entry) + column
        put(m, A_RECORDS, at, get(m, A_RECORDS, at) + uses)


@helper
def miss_simple(m: int, entry: int, op: int, a: int, b: int, out: int) -> None:
    """A new row of `bitwise`, `less` or `shift`."""
    chip = nr.C_BITWISE
    if nr.U_EQ <= op < nr.U_SLL:
        chip = nr.C_LESS
    elif nr.U_SLL <= op <= nr.U_SRA:
        chip = nr.C_SHIFT
    row = new_row(m, chip, 5)
    remember(m, entry, op, a, b, row)
    if row != NO_ROW:
        put(m, A_RECORDS, row, op)
        put(m, A_RECORDS, row + 1, a)
        put(m, A_RECORDS, row + 2, b)
        put(m, A_RECORDS, row + 3, out)
        put(m, A_RECORDS, row + 4, 1)


@helper
def use_simple(m: int, op: int, a: int, b: int, out: int) -> None:
    """A use of `bitwise`, `less` or `shift`."""
    entry = entry_of(op, a, b)
    if hit(m, entry, op, a, b):
        add_uses(m, entry, 4, 1)
    else:
        miss_simple(m, entry, op, a, b, out)


@helper
def signed(a: int) -> int:
    """A word as a signed number."""
    return a - ((a & 0x8000_0000) << 1)


@helper
def use_mul(m: int, kind: int, a: int, b: int, low_uses: int, high_uses: int) -> None:
    """Uses of the low and the high word of a product; kind MULH, MULHSU or MULHU."""
    entry = entry_of(kind, a, b)
    if not hit(m, entry, kind, a, b):
        row = new_row(m, nr.C_MUL, 7)
        remember(m, entry, kind, a, b, row)
        if row != NO_ROW:
            x = a if kind == nr.U_MULHU else signed(a)
            y = signed(b) if kind == nr.U_MULH else b
            # Modulo 2^64 the product is right as unsigned number, too.
            product = x * y
            put(m, A_RECORDS, row, kind)
            put(m, A_RECORDS, row + 1, a)
            put(m, A_RECORDS, row + 2, b)
            put(m, A_RECORDS, row + 3, product)
            put(m, A_RECORDS, row + 4, product >> 32)
    add_uses(m, entry, 5, low_uses)
    add_uses(m, entry, 6, high_uses)


@helper
def magnitude(a: int, is_signed: bool) -> int:
    """The absolute value of a signed word, 2^31 at most; of an unsigned one itself."""
    return abs(signed(a)) if is_signed else a


@helper
def quotient(a: int, b: int, is_signed: bool) -> int:
    """The word a / b, truncated; all ones for b = 0."""
    if b == 0:
        return nr.WORD_MASK
    q = magnitude(a, is_signed) // magnitude(b, is_signed)
    negative = is_signed and (a ^ b) >> 31 != 0
    return (-q if negative else q) & nr.WORD_MASK


@helper
def remainder(a: int, b: int, is_signed: bool) -> int:
    """The word a - b (a / b), with the sign of a; a for b = 0."""
    if b == 0:
        return a
    r = magnitude(a, is_signed) % magnitude(b, is_signed)
    return (-r if is_signed and a >> 31 else r) & nr.WORD_MASK


@helper
def use_div(m: int, op: int, a: int, b: int) -> None:
    """A use of quotient (DIV, DIVU) or remainder (REM, REMU); a new row uses `mul` twice and `less` once."""
    is_signed = op in (nr.U_DIV, nr.U_REM)
    kind = nr.U_DIV if is_signed else nr.U_DIVU
    column = 5 if op in (nr.U_DIV, nr.U_DIVU) else 6
    entry = entry_of(kind, a, b)
    if hit(m, entry, kind, a, b):
        add_uses(m, entry, column, 1)
        return
    q = quotient(a, b, is_signed)
    r = remainder(a, b, is_signed)
    row = new_row(m, nr.C_DIV, 7)
    remember(m, entry, kind, a, b, row)
    if row != NO_ROW:
        put(m, A_RECORDS, row, kind)
        put(m, A_RECORDS, row + 1, a)
        put(m, A_RECORDS, row + 2, b)
        put(m, A_RECORDS, row + 3, q)
        put(m, A_RECORDS, row + 4, r)
        put(m, A_RECORDS, row + column, 1)
    if b == 0:
        use_mul(m, nr.U_MULHU, 0, 0, 1, 1)
    else:
        divisor = magnitude(b, is_signed)
        use_mul(m, nr.U_MULHU, magnitude(q, is_signed), divisor, 1, 1)
        use_simple(m, nr.U_LTU, magnitude(r, is_signed), divisor, 1)


@helper
def use_unit(m: int, op: int, a: int, b: int, out: int) -> None:
    """A use of any unit by an instruction."""
    if op < nr.U_MUL:
        use_simple(m, op, a, b, out)
    elif op == nr.U_MUL:
        use_mul(m, nr.U_MULHU, a, b, 1, 0)
    elif op <= nr.U_MULHU:
        use_mul(m, op, a, b, 0, 1)
    else:
        use_div(m, op, a, b)
