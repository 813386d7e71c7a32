"""Every bus of the rv32im machine, and the numbers that its messages carry.

Who pushes and who pulls what is listed, per bus, by key generation; this module only says what a message is.
Numbers below 32 are exchange buses, from 32 on lookup buses.
"""

from enum import IntEnum
from types import MappingProxyType
from typing import Final

from localbento.air.bus import Bus, BusKind
from localbento.circuits.rv32im.records import Unit


def _exchange(name: str, number: int, fields: tuple[str, ...]) -> Bus:
    return Bus(name, number, fields, BusKind.EXCHANGE)


def _cells(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}{i}" for i in range(count))


CPU: Final = _exchange("cpu", 1, ("cycle", "pc"))
"""The chain of cycles.  `pc` is word address + 2**30 in user mode, or the alias of a slow fetch."""

MEMORY: Final = _exchange("memory", 2, ("addr", "time", "lo", "hi"))
"""The last access to a data word: word address, time, value in two limbs below 2**16."""

CODE: Final = _exchange("code", 3, ("addr", "sequence", "lo", "hi"))
"""A code word; `sequence` counts the rows (decode, peek) that looked at it.  Same width as MEMORY."""

FETCHED: Final = _exchange("fetched", 4, ("alias", "user", "addr", "lo", "hi"))
"""An instruction that `slow_fetch` read as data, for one decode row."""

NODE: Final = _exchange("node", 5, ("depth", "index", *_cells("before", 8), *_cells("after", 8)))
"""An opened node of the memory tree (root: depth 0, index 1; page p: depth 22, index 2**22 + p)."""

BLOCK: Final = _exchange("block", 6, ("id", "direction", "block", *_cells("cell", 16)))
"""Sixteen cells that the sponge `id` absorbs.

Of a page `id` is its number and `direction` a `Direction`; of a tree node its heap number, and 4 more for each level,
the root's being 4 and 5.
"""

SPONGE: Final = _exchange("sponge", 7, ("id", "direction", "block", *_cells("capacity", 8)))
"""The capacity of the sponge `id` before it absorbs `block`."""

DIGEST: Final = _exchange("digest", 8, ("id", "direction", "block", *_cells("digest", 8)))
"""What the sponge `id` gives, `block` being the last that it absorbed."""

ACCESS: Final = _exchange("access", 9, ("now", "addr", "old_lo", "old_hi", "new_lo", "new_hi"))
"""An access of a rare row, carried out by the `access` chip.

The row that pushes it ties new = old for a read and range-checks new for a write.
"""

START: Final = _exchange("start", 10, _cells("input", 16))
"""From the verifier to the resume row: the limbs of the input words."""

STOP: Final = _exchange("stop", 11, ("cycle", "link_lo", "link_hi"))
"""From the terminate row to the close row."""

END: Final = _exchange("end", 12, ("terminated", "a0_lo", "a0_hi", "a1_lo", "a1_hi", *_cells("output", 16)))
"""To the verifier: how the segment ended."""

READ: Final = _exchange("read", 13, ("cycle", "pc", "addr", "offset", "left"))
"""A READ call under way: next cycle, pc after the call, next word and byte, bytes still to come."""

SHA2: Final = _exchange("sha2", 14, ("place", "cycle", "pc", "left", *_cells("held", 4)))
"""A SHA2 call between its rows: place among them, cycle of the call (of a later block 64 more each), pc after the
call, blocks still to come, and what the registers said: word addresses of state-in, state-out, data, constants."""

_SHA2_STATE: Final = tuple(
    f"{word}_{part}"
    for word in "abcdefgh"
    for part in (("lo", "hi") if word in "adeh" else ("byte0", "byte1", "byte2", "byte3"))
)
"""Working variables as the rounds want them: b, c, f, g as bytes, low byte first."""

SHA2_ROUND: Final = _exchange(
    "sha2_round", 15,
    ("cycle", "left", "round", "constants", "data", *_SHA2_STATE, *_cells("older", 2), *_cells("newer", 2),
     *_cells("pending", 28)),
)  # fmt: skip
"""A block between rounds of one row each: addresses of its next words, state, the last two words of the schedule, and
what is known of the next fourteen (`sha2_round`)."""

SHA2_WORD: Final = _exchange("sha2_word", 16, ("what", "cycle", "left", "lo", "hi"))
"""A word of a block: what it is (`Sha2Word`), the cycle that it belongs to, blocks still to come."""

SHA2_STEP: Final = _exchange(
    "sha2_step", 18,
    ("half", "cycle", "left", "first_lo", "first_hi", *_cells("second", 4), *_cells("third", 4), "fourth_lo",
     "fourth_hi"),
)  # fmt: skip
"""Half of the working variables before a round: a, b, c, d (half 0) or e, f, g, h (half 1), bytes low first."""

SHA2_SCHEDULE: Final = _exchange(
    "sha2_schedule", 19,
    ("cycle", "left", "round", "constants", "data", *_cells("oldest", 2), *_cells("older", 2), *_cells("newer", 2)),
)  # fmt: skip
"""The schedule before a round: addresses of its next words, and its last three words."""

PERMUTE: Final = _exchange("permute", 17, ("id", "direction", "block", "step", *_cells("cell", 24)))
"""The state of a permutation between its rows: after two full rounds, four, the partial rounds, six full rounds."""

RANGE: Final = Bus("range", 32, ("table", "x", "y", "z"), BusKind.LOOKUP)
"""`x` (and `y`, `z`) stand in a table of `Range`; unused components are 0."""

REGION: Final = Bus("region", 33, ("kind", "high"), BusKind.LOOKUP, rank=1)
"""The high half of a byte address lies in a `Region`."""

OPCODE: Final = Bus("opcode", 34, ("op5", "funct3", "kind", "form", "op"), BusKind.LOOKUP)
"""What the instruction with these fields is: a `Form`, and the op of DECODE without the mode.

`kind` is that of funct7, since all but a few of its values mean the same.
"""

_UNIT_RANKS: Final = {op: 2 if op in (Unit.DIV, Unit.DIVU, Unit.REM, Unit.REMU) else 1 for op in Unit}

UNIT: Final = Bus(
    "unit",
    36,
    ("op", "a_lo", "a_hi", "b_lo", "b_hi", "out_lo", "out_hi"),
    BusKind.LOOKUP,
    ranks=MappingProxyType({int(op): rank for op, rank in _UNIT_RANKS.items()}),
)
"""`out` is what the operation `op` (a `records.Unit`) gives for `a` and `b`."""

DECODE: Final = Bus("decode", 37, ("pc", "op", "s1", "s2", "rd", "x", "y", "u", "v"), BusKind.LOOKUP, rank=2)
"""The instruction at `pc`: op = 64 * OpChip + variant, then addresses and values, all absolute.

`s1`, `s2`, `rd` are word addresses in the register bank of the mode, 0 if unused (rd of a store: its rs2;
a write to x0: the scratch word).  `x`, `y` are limbs: of the immediate (shift: the amount), of the result
of lui, auipc and jal, of the byte pc (user ecall, trap), of the link (machine ecall).  `u` is a branch's
target, the next pc of `const`, the low limb of jalr's link, and `v` that link's high limb.
"""

FUNCT7: Final = Bus("funct7", 38, ("funct7", "kind"), BusKind.LOOKUP)
"""The kind of a funct7: values that mean the same beside every opcode and funct3 are of one kind."""


class Range(IntEnum):
    """Tables of RANGE."""

    U4 = 4
    U6 = 6
    U8 = 8
    U11 = 11
    U14 = 14
    U16 = 16
    BYTES = 17  # x and y below 256
    AND = 18  # x and y below 256, z = x & y


class Region(IntEnum):
    """Kinds of REGION: which high halves; 1 + user is the region of a mode."""

    MACHINE = 1  # 0x0001 .. 0xFFFF
    USER = 2  # 0x0001 .. 0xBFFF
    DISPATCH = 3  # 0xC000 .. 0xFEFF


class Sha2Word(IntEnum):
    """What a message of SHA2_WORD is; of halves and words of the state the first."""

    INPUT = 1  # K + W, for the row of e
    T1 = 2
    D = 3
    PART1 = 4  # of the schedule: W[t - 16] + s0(W[t - 15]) for the word of cycle t
    PART2 = 5  # and W[t - 7]
    START = 6  # + half: a word of the state before the first round
    DONE = 8  # + half: the same after the last
    STATE = 16  # + number of the word: between blocks


class OpChip(IntEnum):
    """Who takes an answer of DECODE; op = 64 * this + variant."""

    ALU_REG = 1
    ALU_IMM = 2
    WORD = 3
    PART = 4
    BRANCH = 5
    CONST = 6
    JALR = 7
    SYSTEM = 8
    CALL = 9  # ecall in machine mode: system (terminate), read, write, sha2


OP_UNIT: Final = 64
"""op = OP_UNIT * OpChip + variant."""

OP_USER: Final = 32
"""What user mode adds to the variant of `word`, `part` and `jalr`, which check a region."""


class Inline(IntEnum):
    """Variants of `alu_reg` and `alu_imm` that no unit answers; the other variants are numbers of `Unit`."""

    ADD = 32
    SUB = 33


class Op(IntEnum):
    """The ops of instructions that `system` and the calls take."""

    USER_ECALL = OP_UNIT * OpChip.SYSTEM
    TRAP = OP_UNIT * OpChip.SYSTEM + 1
    MRET = OP_UNIT * OpChip.SYSTEM + 2
    MACHINE_ECALL = OP_UNIT * OpChip.CALL


class Form(IntEnum):
    """Classes of OPCODE: how a decode row reads the operands."""

    ILLEGAL = 0
    REG = 1
    IMM = 2
    SHIFT = 3
    LOAD = 4
    STORE = 5
    BRANCH = 6
    LUI = 7
    AUIPC = 8
    JAL = 9
    JALR = 10
    ECALL = 11  # SYSTEM with funct3 = 0, funct7 = 0: ecall, ebreak, or illegal
    MRET = 12  # SYSTEM with funct3 = 0, funct7 = 0x18: mret, or illegal


class Direction(IntEnum):
    """Of the messages of a sponge."""

    IN = 0
    OUT = 1
    CALL = 2


CYCLE: Final = 5
"""Slots of a cycle."""

PAGE_IN_TIME: Final = 0

NO_TARGET: Final = -1
"""The target of a jump that must not be taken: no decode row, alias or region admits it."""

ALIAS: Final = 0x7000_0000
"""A slow fetch in cycle c continues at pc = ALIAS + 2 c, above every pc and below p."""

LOW_BITS: Final = 14
"""A word address is `low + 2**14 * high`: `high` is the high half of the byte address."""
