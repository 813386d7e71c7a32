"""What an execution leaves for the chips: plain arrays of uint32, one row a record.

The preflight (executor) writes these, the chips' `fill` reads them; the two meet only here.

Time. A cycle is one step of the CPU chain: an instruction or one row of a multi-row call; the resume row is
cycle 1, the first instruction cycle 2.  An access in cycle c happens at time 5 c + slot; page-in is time 0.
`*_time` below is the time of the access *before* this one to the same word ("previous").

Program counters are elements: `word address + 2**30 * user mode`.  Addresses are word addresses
(byte address / 4); registers are memory words in the bank of the mode; a write to x0 goes to the bank's
scratch word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

U32: TypeAlias = NDArray[np.uint32]

USER_MODE: Final = 1 << 30
"""What user mode adds to a program counter."""


class Slot(IntEnum):
    """The moment of an access within its cycle."""

    SLOW_FETCH = 0
    RS1 = 1  # also the argument registers of a call
    RS2 = 2  # also SHA2 data
    MEMORY = 3  # also every other memory read of a call
    RD = 4  # also every write of a call


class Step(IntEnum):
    """Columns of a record of one instruction (chips alu_reg, alu_imm, word, part, branch, const, jalr)."""

    CYCLE = 0
    PC = 1  # element; of a slow fetch the real one, the alias follows from the cycle
    WORD = 2  # the instruction
    DECODE = 3  # row of `decode`
    A = 4  # rs1: value, previous time
    A_TIME = 5
    B = 6  # rs2 (value of the register; 0 if the format has none)
    B_TIME = 7
    ADDRESS = 8  # word address of the memory access, 0 without one
    MEMORY_OLD = 9
    MEMORY_NEW = 10  # equal to MEMORY_OLD for a load
    MEMORY_TIME = 11
    RD_OLD = 12  # the word that rd (or the scratch word) held
    RD_TIME = 13
    RD_NEW = 14
    NEXT_PC = 15  # element


class Unit(IntEnum):
    """Operations that units answer; the numbers are those of the UNIT bus (all below 64)."""

    AND = 1
    OR = 2
    XOR = 3
    EQ = 4
    NE = 5
    LT = 6
    GE = 7
    LTU = 8
    GEU = 9
    SLL = 10
    SRL = 11
    SRA = 12
    MUL = 13
    MULH = 14
    MULHSU = 15
    MULHU = 16
    DIV = 17
    DIVU = 18
    REM = 19
    REMU = 20


class UnitRow(IntEnum):
    """Columns of `bitwise`, `less` and `shift` records: one row for each distinct use (up to the cache)."""

    OP = 0  # a Unit
    A = 1
    B = 2
    OUT = 3
    USES = 4


class MulRow(IntEnum):
    """Columns of `mul` records: one row answers the low and the high word.  MUL uses rows of kind MULHU."""

    OP = 0  # MULHU (unsigned both), MULHSU, or MULH (signed both)
    A = 1
    B = 2
    LOW = 3
    HIGH = 4
    LOW_USES = 5
    HIGH_USES = 6


class DivRow(IntEnum):
    """Columns of `div` records.

    A row uses `mul` once for the low and once for the high word of |quotient| * |divisor| (kind MULHU), and,
    where the divisor is not zero, `less` once for LTU(|remainder|, |divisor|) = 1.
    For DIV with divisor 0: quotient 2**32 - 1, remainder = dividend; the product used is 0 * 0.
    """

    OP = 0  # DIV (signed) or DIVU
    A = 1
    B = 2
    QUOTIENT = 3
    REMAINDER = 4
    QUOTIENT_USES = 5
    REMAINDER_USES = 6


class DecodeRow(IntEnum):
    """Columns of `decode`: one row for each distinct (pc, mode) fetched as code; one for each slow fetch."""

    PC = 0  # element: the real one
    WORD = 1
    SEQUENCE = 2  # s of the CODE message that the row takes; it leaves s + 1.  Slow: 0
    USES = 3
    SLOW_CYCLE = 4  # 0 for a row fetched as code, else the cycle of the slow fetch


class PeekRow(IntEnum):
    """Columns of `peek`: a load of a code word in cycle CYCLE (its access happens at 5 CYCLE + 3)."""

    ADDRESS = 0
    SEQUENCE = 1
    WORD = 2
    CYCLE = 3


class SlowFetchRow(IntEnum):
    """Columns of `slow_fetch`: word at PC fetched as data at time 5 CYCLE."""

    CYCLE = 0
    PC = 1
    WORD = 2
    TIME = 3  # previous
    DECODE = 4
    SEQUENTIAL = 5  # 1 if the instruction continues at alias + 1 (lui, auipc: "const" that falls through)


class Call(IntEnum):
    """Kinds of `calls` records, and the accesses of each in order."""

    RESUME = 0  # cycle 1: read SUSPEND_PC, SUSPEND_MODE; write the 8 input words
    SPLIT = 1  # write SUSPEND_PC, SUSPEND_MODE
    CLOSE = 2  # after TERMINATE, in the cycle after: write SUSPEND_PC, SUSPEND_MODE
    TERMINATE = 3  # read a7, a0, a1, the 8 output words
    USER_ECALL = 4  # read 0xFFFF_1000; write MEPC
    TRAP = 5  # illegal instruction or ebreak in user mode: read 0xFFFF_2000; write MEPC
    MRET = 6  # read MEPC
    READ = 7  # read a7, a1, a2; write a0.  READ data rows follow, one a cycle
    WRITE = 8  # read a7, a2; write a0
    SHA2 = 9  # read a7, a0, a1, a2, a3, a4.  SHA2 rows follow, one a cycle


CALL_ACCESSES: Final[Mapping[Call, int]] = {
    Call.RESUME: 10,
    Call.SPLIT: 2,
    Call.CLOSE: 2,
    Call.TERMINATE: 11,
    Call.USER_ECALL: 2,
    Call.TRAP: 2,
    Call.MRET: 1,
    Call.READ: 4,
    Call.WRITE: 3,
    Call.SHA2: 6,
}
"""Rows of the `access` chip that a call row takes."""


class CallRow(IntEnum):
    """Columns of `calls`: a header of 8, then (address, old, new, previous time) for up to 11 accesses.

    Argument registers are read at slot RS1, memory (state words, dispatch, MEPC, suspend and output words) at
    slot MEMORY, everything written at slot RD.
    """

    KIND = 0
    CYCLE = 1
    PC = 2  # element; 0 for RESUME
    WORD = 3
    DECODE = 4
    NEXT_PC = 5  # element after the call (of RESUME: where the segment starts; of SPLIT, CLOSE: where it stands)
    LENGTH = 6  # READ, WRITE: n; SHA2: blocks
    RESULT = 7  # READ, WRITE: r
    FIRST_ACCESS = 8


CALL_WORDS: Final = CallRow.FIRST_ACCESS + 4 * 11


class ReadRow(IntEnum):
    """Columns of `read_data`: one row a cycle writes 1 byte (until aligned, and at the tail) or 4 bytes."""

    CYCLE = 0
    NEXT_PC = 1  # element of the instruction after the call
    ADDRESS = 2  # word address
    OFFSET = 3  # byte in the word; 0 for 4 bytes
    LEFT = 4  # bytes still to write, this row's included
    SIZE = 5  # 1 or 4
    OLD = 6
    NEW = 7
    TIME = 8  # previous; the write is at slot RD


class Sha2Row(IntEnum):
    """Columns of `sha2`: the rows after a SHA2 call's header, one a cycle.

    In order: 4 rows of kind LOAD (row i reads words 3 - i and 7 - i of state-in at slot MEMORY); for each
    block 64 rows of kind ROUND (row j reads K[j] at slot MEMORY and, for j < 16, data word j at slot RS2);
    after the last block 4 rows of kind STORE (row i writes words 3 - i and 7 - i of state-out at slot RD).
    Words are memory words (little-endian); the chip swaps bytes.  For count 0 there are LOAD and STORE rows
    only.  ACCESS0/ACCESS1 are (address, old, new, previous time): LOAD and STORE word 3 - i, then 7 - i; ROUND: K,
    then data (all zero for j >= 16).
    """

    KIND = 0  # 0 LOAD, 1 ROUND, 2 STORE
    CYCLE = 1
    INDEX = 2  # i or j
    BLOCKS_LEFT = 3  # blocks not finished, this one included (STORE: 0)
    NEXT_PC = 4  # element of the instruction after the call
    CALL = 5  # cycle of the header
    ACCESS0 = 6
    ACCESS1 = 10


SHA2_WORDS: Final = 14
STEP_CHIPS: Final = ("alu_reg", "alu_imm", "word", "part", "branch", "const", "jalr")
UNIT_CHIPS: Final = ("bitwise", "less", "shift", "mul", "div")


@dataclass(frozen=True, slots=True, eq=False)
class PageRecords:
    """The pages that a segment touched, in ascending order.

    Shapes: index uint32[n]; before, after uint32[n, 256] words; times uint32[n, 256], of a data word the time
        of its last access, of a code word its last sequence number; is_code bool[n, 256]; dirty bool[n]
        (written to, whether or not a word changed).
    """

    index: U32
    before: U32
    after: U32
    times: U32
    is_code: NDArray[np.bool_]
    dirty: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRecords:
    """Everything that the chips of one segment are filled from.

    `steps[chip]` uint32[n, 16] (Step), `units[chip]` uint32[n, 5 or 7] (UnitRow, MulRow, DivRow), the others by
    the enumerations above.  `siblings` are the digests of untouched neighbours of touched tree nodes, by
    heap number (root 1, children 2 i and 2 i + 1, page p is 2**22 + p), canonical uint32[8].
    """

    steps: Mapping[str, U32]
    units: Mapping[str, U32]
    decode: U32
    peek: U32
    slow_fetch: U32
    calls: U32
    read_data: U32
    sha2: U32
    pages: PageRecords
    siblings: Mapping[int, U32]
    input_words: U32 = field(default_factory=lambda: np.zeros(8, np.uint32))
    cycles: int = 0
    """The last cycle, that of the suspend or close row."""
